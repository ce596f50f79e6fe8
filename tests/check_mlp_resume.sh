#!/bin/sh
# check_mlp_resume.sh PROGRAM BACKEND - the demo's checkpoint, on the host or on cuda: runs that
# were stopped or killed go on to the bits of those that were not, and a file that is not
# right is refused.
set -eu
program=$1 backend=$2
images=/usr/share/datasets/fashion-mnist
[ -d $images ] || {
  echo "skipped: the package dataset-fashion-mnist is not installed"
  exit 77
}
if "$program" --backend "$backend" --data /no/such/folder 2>&1 | grep 'no CUDA device'; then
  [ "${CUDROP_REQUIRE_GPU-}" != 1 ] || exit 1
  exit 77
fi
counted='of 66 passes' files='/loss.csv /reliability.csv /network'
. "$(dirname "$0")/checkpoint.sh"

# The first 256 images of both parts: a few milliseconds an epoch. An idx file is a header, four
# words or two, of which the second is the number of items, and the items' bytes.
cut_file() {
  file=$images/$1-ubyte.gz
  {
    zcat "$file" | head -c 4
    printf '\0\0\1\0'
    zcat "$file" | head -c "$2" | tail -c +9
    zcat "$file" | tail -c "+$(($2 + 1))" | head -c $((256 * $3))
  } >"$work/data/$1-ubyte.gz"
}
mkdir "$work/data"
for part in train t10k; do
  cut_file $part-images-idx3 16 784
  cut_file $part-labels-idx1 8 1
done

# 2 seeds, 12 epochs for each network, 9 samples for the one with dropout: 66 passes.
export OPENBLAS_NUM_THREADS=1
options="--backend $backend --data $work/data --images 200 --epochs 12 --seeds 2 --samples 9"
run whole
[ "$status" -eq 0 ] || fail "$(cat "$work/whole.err")"

# Stopped in a run without dropout, after it, in one with dropout, between its epochs and its
# samples, between samples, and before the last pass of all.
stop_after 7 7
cp -r "$work/stopped" "$work/once"
done=7
for passes in 5 18 6 4 25; do
  done=$((done + passes))
  stop_after $done $passes --resume
done
finish stopped
finish stopped # and nothing is left to do

# Started anew in a folder with a checkpoint, the runs begin at the beginning.
stop_after 7 7
cmp "$work/once/checkpoint" "$work/stopped/checkpoint" || fail "a start has gone on unasked"

# Killed and asked to end in turn, whatever it is doing: whenever there is a new checkpoint.
start && end_by KILL 137
start --resume && end_by TERM 143
start --resume && end_by TERM 143 20 # as timeout does, which sends it twice
start --resume && end_by KILL 137
start --resume && end_by INT 130
finish killed

fill_disk 1000
finish full

bytes=$(wc -c <"$good")
refuse_lengths 0 1 15 111 112 1000 $((bytes / 2)) $((bytes - 1))
flip 3
refuse 'is not a checkpoint of mlp_fashion'
flip 12
refuse 'of version 5, .* is 1'
refuse_flips 16 20 24 28 32 103 111 112 5000 $((bytes / 2)) $((bytes - 3000)) $((bytes - 1))

cp "$good" "$bad"
refuse 'another --images' --images 201
refuse 'another --epochs' --epochs 13
refuse 'another --batch' --batch 49
refuse 'another --seeds' --seeds 3
refuse 'another --rate-input' --rate-input 0.21
refuse 'another --rate-hidden' --rate-hidden 0.49
refuse 'another --samples' --samples 10
refuse 'another --seed' --seed 2
cp -r "$work/data" "$work/other_data"
cp "$work/data/t10k-labels-idx1-ubyte.gz" "$work/other_data/train-labels-idx1-ubyte.gz"
refuse 'another --data' --data "$work/other_data"
refuse_absence
