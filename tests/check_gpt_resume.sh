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

# Who goes on need not repeat the options, but for the text; steps may be more.
cp -r "$work/once" "$work/alone"
resume_alone --text "$text"
cp -r "$work/once" "$work/longer"
"$program" --resume --text "$text" --steps 201 --out "$work/longer" >"$work/longer.txt" 2>&1
grep -q ' 201 steps of 8 rows of 16 bytes$' "$work/longer.txt" || fail "$(cat "$work/longer.txt")"

# A start does not write over an earlier run unasked, whether that is done or not.
expect_beginning once
expect_beginning whole
cp -r "$work/whole" "$work/again"
run again --fresh
cmp "$work/whole/checkpoint" "$work/again/checkpoint" || fail "--fresh: other bits"

# The masks to come are those of the seed and the step, whatever is stored in between.
cp -r "$work/once" "$work/stored"
run stored --resume --sites bits
cp -r "$work/once" "$work/separate"
run separate --resume --attention separate
cmp "$work/separate/checkpoint" "$work/stored/checkpoint" || fail "--sites bits: other bits"
cp -r "$work/once" "$work/fused"
run fused --resume --attention fused
cmp "$work/whole/checkpoint" "$work/fused/checkpoint" || fail "--attention fused: other bits"

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
refuse 'of version 6, .* is 2'
refuse_flips 20 100 $((bytes / 2)) $((bytes - 1))

cp "$good" "$bad"
refuse '--model = 124M, and the checkpoint has --model small$' --model 124M
refuse '--length = 17, and the checkpoint has --length 16$' --length 17
refuse '--width = 18, and the checkpoint has --width 16$' --width 18
refuse '--heads = 4, and the checkpoint has --heads 2$' --heads 4
refuse '--layers = 2, and the checkpoint has --layers 1$' --layers 2
refuse '--qkv-bias = yes, and the checkpoint has --qkv-bias no$' --qkv-bias
refuse '--batch = 9, and the checkpoint has --batch 8$' --batch 9
refuse '--type = bf16, and the checkpoint has --type f32$' --type bf16
refuse '--rate = 0.1, and the checkpoint has --rate 0.002$' --rate 0.1
refuse '--decay = 0, and the checkpoint has --decay 0.1$' --decay 0
refuse '--drop-embedding = 0, and the checkpoint has --drop-embedding 0.1$' --drop 0
refuse '--drop-attention = 0, and the checkpoint has --drop-attention 0.1$' --drop-attention 0
refuse '--drop-shortcut = 0, and the checkpoint has --drop-shortcut 0.1$' --drop-shortcut 0
refuse '--seed = 2, and the checkpoint has --seed 1$' --seed 2
refuse '--evaluate-every = 10, and the checkpoint has --evaluate-every 30$' --evaluate-every 10
refuse "--bytes = 300, and the checkpoint has --bytes $(wc -c <"$text")$" --bytes 300
tr a-z b-za <"$text" >"$work/other_text"
refuse 'what --text names has the checksum [0-9a-f]*, and the checkpoint.s had [0-9a-f]*$' \
  --text "$work/other_text"
[ "$backend" = cuda ] ||
  refuse '--backend = cuda, and the checkpoint has --backend host$' --backend cuda
refuse 'has 60 steps behind it, more than --steps 59' --steps 59
refuse_absence
