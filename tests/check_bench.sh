#!/bin/sh
# check_bench.sh PROGRAM BACKEND DEVICE - `cudrop bench` as a user runs it: the table names the
# device (a pattern), every operator is measured, nothing is wrong, and the document says the
# same.
set -eu
program=$1 backend=$2 device=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$program" bench --backend "$backend" --n 4096 --quick --repeats 3 --json "$work/json" \
  >"$work/table"
grep -q "^$backend device 0: $device;" "$work/table"
grep -q '^39 cases measured, 0 wrong, 0 failed$' "$work/table"
for group in elementwise=21 rows=18; do
  "$program" bench --backend "$backend" --operators "${group%=*}" --n 64 --repeats 3 |
    grep -q "^${group#*=} cases measured, 0 wrong, 0 failed$"
done
for operator in $("$program" bench --help | sed -n '/^operators/,/^$/s/^  \([a-z_]*\) .*/\1/p'); do
  grep -q "^$operator .* cold " "$work/table"
  grep -q "^$operator .* warm " "$work/table"
done
[ "$(grep -c '"verified": true' "$work/json")" = 79 ]
[ "$(grep -c '"cols": 1024' "$work/json")" = 36 ]
grep -q "\"device_name\": \"$device\"" "$work/json"
if command -v python3 >/dev/null; then python3 -m json.tool "$work/json" >/dev/null; fi
tail -n 1 "$work/table"
