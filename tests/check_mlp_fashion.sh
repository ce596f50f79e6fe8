#!/bin/sh
# check_mlp_fashion.sh PROGRAM BACKEND - the demo in small, on the host or on cuda: it learns,
# repeats itself, writes files that agree with its table, and refuses bad arguments.
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
  name=$1
  shift
  "$program" --backend "$backend" --images 200 --epochs 4 --seeds 1 --samples 3 \
    --out "$work/$name" "$@" >"$work/$name.txt" 2>/dev/null
}
run first
run second
for file in .txt /loss.csv /reliability.csv; do
  cmp "$work/first$file" "$work/second$file" || fail "two equal runs differ"
done

# Both networks learn: the loss on the training images falls by at least a quarter.
awk -F, 'NR > 1 && $6 == 1 { first[$2] = $7 } NR > 1 && $6 == 4 { last[$2] = $7 }
  END { for (n in first) { ++networks; if (!(last[n] < 0.75 * first[n])) exit 1 }
        exit networks != 2 }' "$work/first/loss.csv" || fail "a network does not learn"
grep -q ", backend: $backend" "$work/first.txt" || fail "the head does not say where it ran"
grep -q '^dropout state, cudrop  *none  *48 bytes$' "$work/first.txt" ||
  fail "the table does not say what dropout keeps"

# The means of the rows $2 of a table, the network without dropout first.
means() {
  sed -n "s/^$2  *\([0-9.]*\) (.*)  *\([0-9.]*\) (.*)$/\1 \2/p" "$work/$1.txt"
}

# Samples change the network with dropout alone; without masks they change nothing.
differing() {
  echo "$(means "$1" 'test loss')" "$(means "$1" 'test loss, 3 samples')" |
    awk '{ print ($1 != $3) ($2 != $4) }'
}
[ "$(differing first)" = 01 ] || fail "samples do not change what they should"
run without_masks --rate-input 0 --rate-hidden 0
[ "$(differing without_masks)" = 00 ] || fail "samples without masks are not inference"

# The bins hold all test images, and the calibration errors that follow from them are those
# of the table, which is rounded.
awk -F, -v table="$(means first 'calibration error') $(means first 'calibration error, 3 samples')" '
  NR > 1 { images[$1] += $4; if ($4 > 0) gaps[$1] += $4 * ($6 > $5 ? $6 - $5 : $5 - $6)
           if ($4 > 0 && !($5 > $2 - 1e-4 && $5 < $3 + 1e-4)) exit 1 }
  function differs(n, error) { error -= gaps[n] / images[n]; return error * error > 0.00051 ^ 2 }
  END { for (n in images) { ++networks; if (images[n] != 10000) exit 1 }
        exit networks != 3 || split(table, error, " ") != 4 || differs("no dropout", error[1]) ||
             differs("dropout", error[2]) || differs("dropout with samples", error[4]) }' \
  "$work/first/reliability.csv" || fail "reliability.csv and the table do not agree"

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
expect 2 --samples 0
expect 2 --stop-after 0
expect 2 --save-every -1
expect 2 --out "$(printf '%4096s' '')"
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
