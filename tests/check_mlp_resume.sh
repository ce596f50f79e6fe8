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
work=$(mktemp -d)
program_id=
trap '[ -z "$program_id" ] || kill -KILL "$program_id" 2>/dev/null; rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

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
run() {
  name=$1
  shift
  status=0
  "$program" $options --out "$work/$name" "$@" >"$work/$name.txt" 2>"$work/$name.err" ||
    status=$?
}
finish() {
  run "$1" --resume
  [ "$status" -eq 0 ] || fail "$1: does not resume: $(cat "$work/$1.err")"
  for file in .txt /loss.csv /reliability.csv /checkpoint /network; do
    cmp "$work/whole$file" "$work/$1$file" || fail "$1: other bits than those of the whole"
  done
  [ ! -e "$work/$1/checkpoint.tmp" ] || fail "$1: a part of a checkpoint is left"
}
run whole
[ "$status" -eq 0 ] || fail "$(cat "$work/whole.err")"

# Stopped in a run without dropout, after it, in one with dropout, between its epochs and its
# samples, between samples, and before the last pass of all.
stop_after() {
  run stopped --stop-after "$@"
  [ "$status" -eq 3 ] || fail "--stop-after $* exits with $status"
  grep -q "stopped after $expected of 66 passes; --resume goes on" "$work/stopped.err" ||
    fail "--stop-after $* does not say where"
  [ ! -s "$work/stopped.txt" ] || fail "a table of runs that are not done"
}
expected=7 && stop_after 7
cp -r "$work/stopped" "$work/once"
for passes in 5 18 6 4 25; do
  expected=$((expected + passes))
  stop_after $passes --resume
done
finish stopped
finish stopped # and nothing is left to do

# Started anew in a folder with a checkpoint, the runs begin at the beginning.
expected=7 && stop_after 7
cmp "$work/once/checkpoint" "$work/stopped/checkpoint" || fail "a start has gone on unasked"

# Killed and asked to end in turn, whatever it is doing: whenever there is a new checkpoint.
start() {
  cp "$work/killed/checkpoint" "$work/before" 2>/dev/null || : >"$work/before"
  env --default-signal "$program" $options --out "$work/killed" --save-every 0 "$@" \
    >"$work/killed.txt" 2>"$work/killed.err" &
  program_id=$!
  until [ -e "$work/killed/checkpoint" ] &&
    ! cmp -s "$work/before" "$work/killed/checkpoint"; do
    kill -0 $program_id 2>/dev/null || fail "ended without a checkpoint"
    sleep 0.02
  done
}
end_by() {
  status=0
  kill -s "$1" $program_id
  wait $program_id 2>/dev/null || status=$?
  program_id=
  [ "$status" -eq "$2" ] || fail "SIG$1 gives the status $status, not $2"
  [ "$1" = KILL ] || grep -q 'stopped after .* of 66 passes' "$work/killed.err" ||
    fail "SIG$1 stops without a word"
}
start && end_by KILL 137
start --resume && end_by TERM 143
start --resume && end_by KILL 137
start --resume && end_by INT 130
finish killed

# A disk that is full: the runs end, and the last checkpoint is as it was.
cp -r "$work/once" "$work/full"
(
  trap '' XFSZ
  ulimit -f 1000
  run full --resume
  [ "$status" -eq 1 ] || fail "no room for a checkpoint, and the status is $status"
)
grep -q "cannot write '.*/checkpoint': File too large" "$work/full.err" ||
  fail "no room for a checkpoint: instead $(cat "$work/full.err")"
[ ! -e "$work/full/checkpoint.tmp" ] || fail "no room, and a part of a checkpoint"
cmp "$work/once/checkpoint" "$work/full/checkpoint" || fail "no room has cost the checkpoint"
finish full

# Bad checkpoints: status 1, one line, and no file is touched.
refuse() {
  words=$1
  shift
  cp "$work/bad/checkpoint" "$work/before"
  run bad --resume "$@"
  [ "$status" -eq 1 ] || fail "$words: exits with $status"
  [ "$(wc -l <"$work/bad.err")" -eq 1 ] || fail "$words: not said in one line"
  grep -q -e "$words" "$work/bad.err" || fail "$words: instead $(cat "$work/bad.err")"
  [ ! -s "$work/bad.txt" ] || fail "$words: a table"
  cmp "$work/before" "$work/bad/checkpoint" || fail "$words: the checkpoint has changed"
  [ "$(ls "$work/bad")" = checkpoint ] || fail "$words: $(ls "$work/bad")"
}
good=$work/once/checkpoint bad=$work/bad/checkpoint
bytes=$(wc -c <"$good")
mkdir "$work/bad"
for length in 0 1 15 111 112 1000 $((bytes / 2)) $((bytes - 1)); do
  head -c "$length" "$good" >"$bad"
  refuse 'cut short'
done
{ cat "$good" && printf '\0'; } >"$bad"
refuse 'is damaged'

# One bit of the byte at $1 is the other one.
flip() {
  cp "$good" "$bad"
  byte=$(od -An -tu1 -j "$1" -N 1 "$good")
  printf "\\$(printf %o $((byte ^ 4)))" | dd of="$bad" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
flip 3
refuse 'is not a checkpoint of mlp_fashion'
flip 12
refuse 'of version 5, .* is 1'
for offset in 16 20 24 28 32 103 111 112 5000 $((bytes / 2)) $((bytes - 3000)) $((bytes - 1)); do
  flip "$offset"
  refuse 'is damaged'
done

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
run absent --resume
[ "$status" -eq 1 ] || fail "no checkpoint, and the status is $status"
grep -q "cannot resume from '.*/absent/checkpoint'" "$work/absent.err" ||
  fail "no checkpoint: instead $(cat "$work/absent.err")"
[ ! -e "$work/absent" ] || fail "no checkpoint, but a folder for it"
