#!/bin/sh
# check_troubles.sh PROGRAM DOCUMENT - each text that troubles.c provokes stands in the document, below
# the name of its status.
set -eu
program=$1 document=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$program" >"$work/said"
[ "$(wc -l <"$work/said")" -ge 9 ]
while IFS= read -r line; do
  name=${line%%: *} && name=${name#CUDROP_}
  awk -v name="### $name" -v text="    ${line#*: }" '
    /^#/ { on = $0 == name } on && $0 == text { found = 1 } END { exit !found }' "$document" ||
    { echo "$document does not have, below $name: ${line#*: }" && exit 1; }
done <"$work/said"
