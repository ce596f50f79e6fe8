#!/bin/sh
# check_gpt_resume.sh PROGRAM BACKEND - the checkpoint of examples/gpt, on the host or on cuda: a
# training that was stopped or killed goes on to the bits of one that was not, and a file that is
# not right is refused and stays as it is. (check_mlp_resume.sh tries every kind of damage.)
set -eu
program=$1 backend=$2
if "$program" --backend "$backend" --text /no/such/file 2>&1 | grep 'no CUDA device'; then
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

export OPENBLAS_NUM_THREADS=1
text=$work/text
cat "$0" "$0" >"$text"
options="--backend $backend --text $text --layers 1 --heads 2 --width 16 --length 16 --batch 8"
options="$options --steps 200 --evaluate-every 30"
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
  for file in .txt /loss.csv /checkpoint; do
    cmp "$work/whole$file" "$work/$1$file" || fail "$1: other bits than those of the whole"
  done
  [ ! -e "$work/$1/checkpoint.tmp" ] || fail "$1: a part of a checkpoint is left"
}
run whole
[ "$status" -eq 0 ] || fail "$(cat "$work/whole.err")"

# Stopped before a point of the curve, at one, and before the last step.
expected=0
for steps in 29 31 139; do
  expected=$((expected + steps))
  resume=$([ $steps -eq 29 ] || echo --resume)
  run stopped --stop-after $steps $resume
  [ "$status" -eq 3 ] || fail "--stop-after $steps exits with $status: $(cat "$work/stopped.err")"
  grep -q "stopped after $expected of 200 steps; --resume goes on" "$work/stopped.err" ||
    fail "--stop-after $steps does not say where"
  [ ! -s "$work/stopped.txt" ] || fail "a result of a training that is not done"
  [ $expected -ne 60 ] || cp -r "$work/stopped" "$work/once"
done
finish stopped
finish stopped # and nothing is left to do

# The same state stores the same bits, whatever the way to drop.
cp -r "$work/once" "$work/stored"
run stored --resume --sites bits
cmp "$work/whole/checkpoint" "$work/stored/checkpoint" || fail "--sites bits: other bits"

# Killed and asked to end in turn, whatever it is doing: whenever there is a new checkpoint.
start() {
  cp "$work/killed/checkpoint" "$work/before" 2>/dev/null || : >"$work/before"
  env --default-signal "$program" $options --out "$work/killed" --save-every 0 "$@" \
    >"$work/killed.txt" 2>"$work/killed.err" &
  program_id=$!
  until [ -e "$work/killed/checkpoint" ] &&
    ! cmp -s "$work/before" "$work/killed/checkpoint"; do
    kill -0 $program_id 2>/dev/null || fail "ended without a checkpoint"
    sleep 0.01
  done
}
end_by() {
  status=0
  kill -s "$1" $program_id
  wait $program_id 2>/dev/null || status=$?
  program_id=
  [ "$status" -eq "$2" ] || fail "SIG$1 gives the status $status, not $2"
  [ "$1" = KILL ] || grep -q 'stopped after .* of 200 steps' "$work/killed.err" ||
    fail "SIG$1 stops without a word"
}
start && end_by KILL 137
start --resume && end_by INT 130
start --resume && end_by KILL 137
start --resume && end_by TERM 143
finish killed

# A disk that is full: the training ends, and the last checkpoint is as it was.
cp -r "$work/once" "$work/full"
(
  trap '' XFSZ
  ulimit -f 100
  run full --resume
  [ "$status" -eq 1 ] || fail "no room for a checkpoint, and the status is $status"
)
grep -q "cannot write '.*/checkpoint': File too large" "$work/full.err" ||
  fail "no room for a checkpoint: instead $(cat "$work/full.err")"
cmp "$work/once/checkpoint" "$work/full/checkpoint" || fail "no room has cost the checkpoint"

# Bad checkpoints: status 1, one line, and no file is touched.
refuse() {
  words=$1
  shift
  cp "$work/bad/checkpoint" "$work/before"
  run bad --resume "$@"
  [ "$status" -eq 1 ] || fail "$words: exits with $status"
  [ "$(wc -l <"$work/bad.err")" -eq 1 ] || fail "$words: not said in one line"
  grep -q -e "$words" "$work/bad.err" || fail "$words: instead $(cat "$work/bad.err")"
  cmp "$work/before" "$work/bad/checkpoint" || fail "$words: the checkpoint has changed"
  [ "$(ls "$work/bad")" = checkpoint ] || fail "$words: $(ls "$work/bad")"
}
good=$work/once/checkpoint bad=$work/bad/checkpoint
bytes=$(wc -c <"$good")
mkdir "$work/bad"
for length in 0 15 100 $((bytes / 2)) $((bytes - 1)); do
  head -c "$length" "$good" >"$bad"
  refuse 'cut short'
done

# The byte at $1 is another.
change() {
  cp "$good" "$bad"
  printf '\377' | dd of="$bad" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
change 0
refuse 'is not a checkpoint of gpt'
change 12
refuse 'of version 255, .* is 1'
for offset in 20 200 $((bytes / 2)) $((bytes - 1)); do
  change "$offset"
  refuse 'is damaged'
done
cp "$good" "$bad"
refuse 'another --length' --length 17
refuse 'another --width' --width 18
refuse 'another --heads' --heads 4
refuse 'another --layers' --layers 2
refuse 'another --qkv-bias' --qkv-bias
refuse 'another --batch' --batch 9
refuse 'another --rate' --rate 0.1
refuse 'another --drop-embedding' --drop 0
refuse 'another --drop-attention' --drop-attention 0
refuse 'another --drop-shortcut' --drop-shortcut 0
refuse 'another --seed' --seed 2
head -c 4000 "$text" >"$work/other"
refuse 'another --text' --text "$work/other"
run absent --resume
[ "$status" -eq 1 ] || fail "no checkpoint, and the status is $status"
grep -q "cannot resume from '.*/absent/checkpoint'" "$work/absent.err" ||
  fail "no checkpoint: instead $(cat "$work/absent.err")"
