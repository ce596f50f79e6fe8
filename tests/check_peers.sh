#!/bin/sh
# check_peers.sh SOURCE BUILD - the comparison with other dropouts runs where none of them is
# installed: cudrop and the plain loop are measured, the others named and left out.
set -eu
source=$1 build=$2
if ! command -v python3 >/dev/null; then
  echo "skipped: there is no python3"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -S "$source/bench/peers/compare.py" "$build" --n 2^14 --repeats 3 --json "$work/json" \
  >"$work/table"
grep -q 'F32 *cudrop .* 1.00x$' "$work/table"
grep -q 'BF16 *cudrop .* 1.00x$' "$work/table"
grep -q 'F32 *plain loop in C' "$work/table"
grep -q '^left out: PyTorch, host: Python has no torch$' "$work/table"
grep -q '"peer": "plain loop in C"' "$work/json"

# Attention, whose program compares its results with formulas; threads are its alone.
python3 -S "$source/bench/peers/compare.py" "$build" --operators attend,attend_causal --cols 64 \
  --n 2^12,2^13 --threads 2 --repeats 3 --json "$work/json" >"$work/table"
[ "$(grep -c 'cudrop .* 1.00x' "$work/table")" = 8 ]
grep -q '"threads": 2' "$work/json"

# Wrong options are refused before anything is installed or built.
status=0
"$source/script/compare" --bogus >"$work/said" 2>&1 || status=$?
[ "$status" = 2 ]
grep -q 'unrecognized arguments: --bogus$' "$work/said"
if grep -q 'script/' "$work/said"; then exit 1; fi
