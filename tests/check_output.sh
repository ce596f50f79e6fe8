#!/bin/sh
# check_output.sh PROGRAM EXPECTED [ARGUMENT...] - a program succeeds and prints the expected text.
set -eu
program=$1 expected=$2
shift 2
"$program" "$@" | diff "$expected" -
