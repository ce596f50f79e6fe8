#!/bin/sh
# check_gpt_resume.sh PROGRAM BACKEND - the checkpoint of examples/gpt, on the host or on cuda: a
# training that was stopped or killed goes on to the bits of one that was not, and a file that is
# not right is refused.
set -eu
program=$1 backend=$2
if "$program" --backend "$backend" --text /no/such/file 2>&1 | grep 'no CUDA device'; then
  [ "${CUDROP_REQUIRE_GPU-}" != 1 ] || exit 1
  exit 77
fi
counted='of 200 steps' files=/loss.csv
. "$(dirname "$0")/checkpoint.sh"

# A text that is always there: this one.
export OPENBLAS_NUM_THREADS=1
text=$work/text
cat "$0" "$0" >"$text"
options="--backend $backend --text $text --layers 1 --heads 2 --width 16 --length 16 --batch 8"
options="$options --steps 200 --evaluate-every 30"
run whole
[ "$status" -eq 0 ] || fail "$(cat "$work/whole.err")"

# Stopped before a point of the curve, at one, and before the last step.
stop_after 29 29
stop_after 60 31 --resume
cp -r "$work/stopped" "$work/once"
stop_after 199 139 --resume
finish stopped
finish stopped # and nothing is left to do

# The masks to come are those of the seed and the step, whatever is stored in between.
cp -r "$work/once" "$work/stored"
run stored --resume --sites bits
cmp "$work/whole/checkpoint" "$work/stored/checkpoint" || fail "--sites bits: other bits"

# Killed and asked to end in turn, whatever it is doing: whenever there is a new checkpoint.
start && end_by KILL 137
start --resume && end_by INT 130
start --resume && end_by KILL 137
start --resume && end_by TERM 143
start --resume && end_by TERM 143 20 # as timeout does, which sends it twice
finish killed

fill_disk 100
finish full

bytes=$(wc -c <"$good")
refuse_lengths 0 15 100 $((bytes / 2)) $((bytes - 1))
flip 0
refuse 'is not a checkpoint of gpt'
flip 12
refuse 'of version 5, .* is 1'
refuse_flips 20 100 $((bytes / 2)) $((bytes - 1))

cp "$good" "$bad"
refuse 'another --length' --length 17
refuse 'another --width' --width 18
refuse 'another --heads' --heads 4
refuse 'another --layers' --layers 2
refuse 'another --qkv-bias' --qkv-bias
refuse 'another --batch' --batch 9
refuse 'another --rate' --rate 0.1
refuse 'another --decay' --decay 0
refuse 'another --drop-embedding' --drop 0
refuse 'another --drop-attention' --drop-attention 0
refuse 'another --drop-shortcut' --drop-shortcut 0
refuse 'another --seed' --seed 2
refuse 'another --evaluate-every' --evaluate-every 10
refuse 'another --text' --bytes 3000
refuse 'has 60 steps behind it, more than --steps 59' --steps 59
refuse_absence
