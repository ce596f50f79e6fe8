#!/bin/sh
# check_mlp_fashion.sh PROGRAM BACKEND - the demo in small, on the host or on cuda: it learns,
# repeats itself, and refuses bad arguments.
set -eu
program=$1 backend=$2
[ -d /usr/share/datasets/fashion-mnist ] || {
  echo "skipped: the package dataset-fashion-mnist is not installed"
  exit 77
}
if "$program" --backend "$backend" --data /no/such/folder 2>&1 | grep 'no CUDA device'; then
  [ "${CUDROP_REQUIRE_GPU-}" != 1 ] || exit 1
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# Few images, few epochs, one thread: the same losses on every run.
export OPENBLAS_NUM_THREADS=1
run() {
  "$program" --backend "$backend" --images 200 --epochs 4 --seeds 1 --out "$work/$1" \
    >"$work/$1.txt" 2>/dev/null
}
run first
run second
cmp "$work/first/loss.csv" "$work/second/loss.csv" || fail "two equal runs differ"

# Both networks learn: the loss on the training images falls by at least a quarter.
awk -F, 'NR > 1 && $6 == 1 { first[$2] = $7 } NR > 1 && $6 == 4 { last[$2] = $7 }
  END { for (n in first) { ++networks; if (!(last[n] < 0.75 * first[n])) exit 1 }
        exit networks != 2 }' "$work/first/loss.csv" || fail "a network does not learn"
grep -q ", backend: $backend" "$work/first.txt" || fail "the head does not say where it ran"
grep -q '^dropout state, cudrop  *none  *48 bytes$' "$work/first.txt" ||
  fail "the table does not say what dropout keeps"

# Bad arguments: status 2 and one line; bad data: status 1 and one line.
expect() {
  status=$1
  shift
  actual=0
  "$program" "$@" --out "$work/bad" >"$work/stdout" 2>"$work/stderr" || actual=$?
  [ "$actual" -eq "$status" ] || fail "$* exits with $actual, not $status"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] || fail "$* does not say why in one line"
  [ ! -s "$work/stdout" ] || fail "$* prints a table"
}
expect 2 --images 0
expect 2 --images 60001
expect 2 --epochs ten
expect 2 --rate-input 1.5
expect 2 --rate-hidden nan
expect 2 --batch 2000
expect 2 --seed -1
expect 2 --backend gpu
expect 2 --nonsense
expect 2 more
expect 1 --data /no/such/folder
mkdir "$work/damaged"
cp /usr/share/datasets/fashion-mnist/*.gz "$work/damaged"
head -c 100000 /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz \
  >"$work/damaged/train-images-idx3-ubyte.gz"
expect 1 --data "$work/damaged"
