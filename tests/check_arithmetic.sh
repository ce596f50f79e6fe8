#!/bin/sh
# check_arithmetic.sh SOURCE COMPILER - no source of the library compiles with -ffast-math, and with
# the project's flags behind it each does (csrc/core/arithmetic.h).
set -eu
source=$1 compiler=$2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fail() {
  echo "$*"
  cat "$log"
  exit 1
}

# preprocess FILE FLAG...
preprocess() {
  "$compiler" -std=c11 -E -I"$source/include" -I"$source/csrc" "$@" \
    >/dev/null 2>"$log"
}

vectors="-mavx2 -mf16c -mpopcnt -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma"
for file in $(find "$source"/csrc -name "*.c" ! -path "*/cuda/*" ! -path "*/cli/*"); do
  flags=
  case $file in *_sse2.c | *_avx2.c | *_avx512.c) flags=$vectors ;; esac
  "$compiler" $flags -E -x c - </dev/null >/dev/null 2>&1 || continue # another processor's
  preprocess "$file" $flags -ffast-math && fail "$file compiles with -ffast-math"
  grep -q 'cudrop cannot be compiled with -ffast-math or a part of it' "$log" || fail "$file:"
  preprocess "$file" $flags -ffast-math -fno-fast-math || fail "$file does not compile:"
done

# The parts that a compiler has a macro for, and what else makes other floats of them.
refuse() {
  "$compiler" "$@" -E -x c - </dev/null >/dev/null 2>&1 || return 0 # not for this processor
  if "$compiler" -std=c11 -fsyntax-only -I"$source/include" "$@" "$source/csrc/core/version.c" \
    >"$log" 2>&1; then
    fail "compiles with $*"
  fi
}
refuse -ffinite-math-only
if ! "$compiler" --version | grep -q clang; then
  for flag in -fno-signed-zeros -freciprocal-math -funsafe-math-optimizations -Ofast \
    -fsingle-precision-constant -mfpmath=387; do
    refuse "$flag"
  done
  refuse -fassociative-math -fno-signed-zeros -fno-trapping-math
fi
