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

# Who goes on need not repeat the options, but for where the data lies.
stop_after 7 7 --fresh
cmp "$work/once/checkpoint" "$work/stopped/checkpoint" || fail "--fresh has gone on, and not begun"
cp -r "$work/stopped" "$work/alone"
resume_alone --data "$work/data"

# A start does not write over an earlier run unasked, whether that is done or not.
expect_beginning stopped
expect_beginning whole

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
refuse '--images = 201, and the checkpoint has --images 200$' --images 201
refuse '--epochs = 13, and the checkpoint has --epochs 12$' --epochs 13
refuse '--batch = 49, and the checkpoint has --batch 50$' --batch 49
refuse '--seeds = 3, and the checkpoint has --seeds 2$' --seeds 3
refuse '--rate-input = 0.21, and the checkpoint has --rate-input 0.2$' --rate-input 0.21
refuse '--rate-hidden = 0.4999999, and the checkpoint has --rate-hidden 0.5$' \
  --rate-hidden 0.4999999
refuse '--samples = 10, and the checkpoint has --samples 9$' --samples 10
refuse '--seed = 2, and the checkpoint has --seed 1$' --seed 2
[ "$backend" = cuda ] ||
  refuse '--backend = cuda, and the checkpoint has --backend host$' --backend cuda
cp -r "$work/data" "$work/other_data"
cp "$work/data/t10k-labels-idx1-ubyte.gz" "$work/other_data/train-labels-idx1-ubyte.gz"
refuse 'what --data names has the checksum [0-9a-f]*, and the checkpoint.s had [0-9a-f]*$' \
  --data "$work/other_data"
refuse_absence
