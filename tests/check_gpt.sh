#!/bin/sh
# check_gpt.sh PROGRAM BACKEND - examples/gpt in small, on the host or on cuda: it learns, repeats
# itself in every way to drop, prints its tables, and refuses bad arguments and bad texts.
set -eu
program=$1 backend=$2
if "$program" --backend "$backend" --text /no/such/file 2>&1 | grep 'no CUDA device'; then
  [ "${CUDROP_REQUIRE_GPU-}" != 1 ] || exit 1
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# A text that is always there: this one.
export OPENBLAS_NUM_THREADS=1
text=$work/text
cat "$0" "$0" >"$text"
run() {
  name=$1
  shift
  "$program" --backend "$backend" --text "$text" --layers 1 --heads 2 --width 16 --length 16 \
    --batch 8 --rate 0.01 --steps 60 --evaluate-every 20 --out "$work/$name" "$@" \
    >"$work/$name.txt" 2>"$work/$name.err" || fail "$name: $(cat "$work/$name.err")"
}
run first
run second
for file in .txt /loss.csv /checkpoint; do
  cmp "$work/first$file" "$work/second$file" || fail "two equal runs differ"
done
gzip -c "$text" >"$work/text.gz"
run compressed --text "$work/text.gz"
cmp "$work/first/checkpoint" "$work/compressed/checkpoint" || fail "gzip changes the text"

# All of a text is read, unless --bytes says otherwise.
cat "$text" "$text" >"$work/doubled"
run twice --text "$work/doubled"
run half --text "$work/doubled" --bytes "$(wc -c <"$text")"
cmp "$work/first/checkpoint" "$work/half/checkpoint" || fail "--bytes: other bits"
cmp -s "$work/first/checkpoint" "$work/twice/checkpoint" && fail "not all of a text is read"

# It learns: from the logarithm of 256 to less than a byte's entropy in English.
awk -F, 'NR == 2 { first = $6 } { last = $6; points = NR - 1 }
  END { exit !(points == 4 && first > 5.4 && first < 5.7 && last < 3.6) }' \
  "$work/first/loss.csv" || fail "it does not learn: $(cat "$work/first/loss.csv")"
grep -q "validation loss $(awk -F, 'END { printf "%.4f", $7 }' "$work/first/loss.csv")" \
  "$work/first.txt" || fail "the curve and the result do not agree"

# Both ways to attend drop the same, and round in other orders: losses within a bound that another
# seed does not keep to.
. "$(dirname "$0")/near.sh"
is_near_first() {
  near "$work/first/loss.csv" "$work/$1/loss.csv" 0.0001
}
run fused --attention fused
cmp "$work/first/checkpoint" "$work/fused/checkpoint" || fail "--attention fused is not the default"
run attention --attention separate
is_near_first attention || fail "--attention separate: other losses"
run seed --seed 2
is_near_first seed && fail "a bound that every training keeps to"

# Every way to drop gives the same bits; other rates, each of the three, and seeds do not.
for way in separate bytes bits; do
  run $way --sites $way
  cmp "$work/attention/checkpoint" "$work/$way/checkpoint" || fail "--sites $way: other bits"
done
for option in '--drop-embedding 0.2' '--drop-attention 0.2' '--drop-shortcut 0.2' --qkv-bias; do
  run other --fresh $option
  cmp -s "$work/first/loss.csv" "$work/other/loss.csv" && fail "$option changes nothing"
done
run no_dropout --drop 0
run three_times_none --drop-embedding 0 --drop-attention 0 --drop-shortcut 0
cmp "$work/no_dropout/checkpoint" "$work/three_times_none/checkpoint" || fail "--drop is another"

# The tables. GPT-2's smallest has the book's 163,009,536 parameters.
"$program" --memory >"$work/memory"
[ "$(grep -c '^\(small\|124M\|355M\|774M\|1558M\) ' "$work/memory")" -eq 5 ] || fail "no memory"
grep -q '^124M  *163\.0 ' "$work/memory" || fail "other parameters: $(cat "$work/memory")"
awk '/^124M/ { exit !(NF == 13 && $5 < 0.01 * $8 && $7 + 2304 < $10) }' "$work/memory" ||
  fail "fused attention takes as much memory: $(cat "$work/memory")"
measure() {
  "$program" --backend "$backend" --measure --layers 1 --width 16 --length 64 --steps 2 "$@" \
    >"$work/measured" || fail "it does not measure"
}
measure --heads 2
awk '/%/ { dealt[$1, $2] = $(NF - 2); masks[$1, $2] = $(NF - 1) }
  END { exit !(dealt["separate", "fused"] > dealt["fused", "fused"] + 0.1 &&
    dealt["separate", "bytes"] > dealt["separate", "fused"] &&
    masks["separate", "fused"] == 0 && masks["separate", "bytes"] > 0) }' "$work/measured" ||
  fail "weights and stored masks take no memory: $(cat "$work/measured")"
measure --heads 4 # of width 4
! grep -q '^fused' "$work/measured" && grep -q '^separate *fused' "$work/measured" ||
  fail "fused attention of such heads: $(cat "$work/measured")"

# Bad arguments: status 2 and one line; bad texts: status 1 and one line.
expect() {
  status=$1 words=$2
  shift 2
  actual=0
  "$program" --backend "$backend" --text "$text" --out "$work/bad" "$@" >"$work/stdout" \
    2>"$work/stderr" || actual=$?
  [ "$actual" -eq "$status" ] || fail "$* exits with $actual, not $status"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] || fail "$* does not say why in one line"
  grep -q -e "$words" "$work/stderr" || fail "$*: instead $(cat "$work/stderr")"
  [ ! -s "$work/stdout" ] || fail "$* prints a result"
  [ ! -e "$work/bad" ] || fail "$* leaves a file"
}
expect 2 'not a whole number' --layers 0
expect 2 'not a whole number' --steps ten
expect 2 'not a number in' --drop 1.5
expect 2 'not a number in' --drop-attention nan
expect 2 'heads do not share the width' --heads 3
expect 2 'is none of small, 124M, 355M, 774M and 1558M' --model 125M
expect 2 'is none of fused, separate, bytes and bits' --sites all
expect 2 'is none of fused and separate' --attention bits
for way in separate bytes bits; do
  expect 2 'goes with --sites fused alone' --sites $way --attention fused
  expect 2 'goes with --sites fused alone' --attention fused --sites $way --measure
done
expect 2 'width is a multiple of 8' --attention fused --heads 16
expect 2 'width is a multiple of 8' --attention fused --width 264 --heads 1 --memory
expect 2 'heads do not share the width' --heads 3 --measure
expect 2 'is none of f32 and bf16' --type f16
expect 2 'is none of data and tensor' --split rows
expect 2 'is none of auto, host and cuda' --backend gpu
expect 2 'not a decimal number' --seed -1
expect 2 "'--nonsense' is not an option; usage: gpt " --nonsense
expect 2 "'--laye' is not an option; usage: gpt " --laye 2
expect 2 "out = '' names no folder" --out ''
expect 2 'one argument too many' more
for words in '--memory --measure' '--measure --memory' '--memory --resume' '--resume --measure' \
  '--fresh --measure' '--fresh --resume'; do
  expect 2 'do not go' $words
done
[ "$backend" != host ] || expect 2 'bf16 needs a GPU' --type bf16
expect 1 'No such file' --text /no/such/file
expect 1 'Is a directory' --text /
: >"$work/empty"
expect 1 'is empty' --text "$work/empty"
head -c 100 "$text" >"$work/short"
expect 1 'too short for one row of 64' --text "$work/short"
expect 1 'bytes 600, of the [0-9]* of .*/text' --bytes 600
head -c 1000 "$work/text.gz" >"$work/torn"
expect 1 "cannot read" --text "$work/torn"
