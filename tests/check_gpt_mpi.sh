#!/bin/sh
# check_gpt_mpi.sh GPT GPT_MPI MPIEXEC - examples/gpt on 1, 2 and 4 ranks, which split the batch or
# the columns: equal losses within the rounding of sums, checkpoints for any number of ranks, and
# what becomes of a rank that dies.
set -eu
alone=$1 ranked=$2 mpiexec=$3
work=$(mktemp -d)
job=
trap '[ -z "$job" ] || kill "$job" 2>/dev/null; rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# Open MPI asks root twice whether that is meant, and here for more ranks than processors.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1
text=$work/text
cat "$0" "$0" >"$text"
options="--backend host --text $text --layers 2 --heads 4 --width 32 --length 16 --batch 8"
options="$options --steps 12 --evaluate-every 4"
run() {
  name=$1 n=$2
  shift 2
  status=0
  "$mpiexec" -n "$n" --oversubscribe "$ranked" $options --out "$work/$name" "$@" \
    >"$work/$name.txt" 2>"$work/$name.err" || status=$?
}
succeed() {
  run "$@"
  [ "$status" -eq 0 ] || fail "$*: exits with $status: $(cat "$work/$1.err")"
}

. "$(dirname "$0")/near.sh"
are_near() {
  near "$work/$1/loss.csv" "$work/$2/loss.csv" "$3"
}

# 12 steps multiply what 2^-24 of a sum makes; another seed drops other elements.
"$alone" $options --out "$work/whole" >"$work/whole.txt" 2>/dev/null
succeed data1 1
cmp "$work/whole/checkpoint" "$work/data1/checkpoint" || fail "MPI alone changes bits"
"$alone" $options --seed 2 --out "$work/other" >/dev/null 2>&1
are_near whole other 0.001 && fail "a bound that every training keeps to"
for split in data tensor; do
  for n in 2 4; do
    succeed $split$n $n --split $split
    are_near whole $split$n 0.00002 || fail "--split $split on $n ranks: other losses"
    cmp "$work/whole.txt" "$work/$split$n.txt" || fail "--split $split on $n ranks: result"
  done
done

# Weights in memory, of the heads that a rank has.
"$alone" $options --attention separate --out "$work/separate" >/dev/null 2>&1
for split in data tensor; do
  succeed separate$split 2 --split $split --attention separate
  are_near separate separate$split 0.00002 || fail "--attention separate, --split $split: other losses"
  are_near whole separate$split 0.00002 || fail "--attention separate and fused: other losses"
done

# Saved on 4 ranks, a training goes on on 4 to the same bits, and on 2 and on 1, without MPI.
for split in data tensor; do
  run saved 4 --split $split --stop-after 5 --fresh
  [ "$status" -ne 0 ] || fail "a training that is stopped succeeds"
  grep -q 'stopped after 5 of 12 steps' "$work/saved.err" || fail "$(cat "$work/saved.err")"
  [ "$(wc -c <"$work/saved/checkpoint")" -lt "$(wc -c <"$work/whole/checkpoint")" ] ||
    fail "a checkpoint of 4 ranks is larger"
  for n in 4 2; do
    rm -rf "$work/resumed" && cp -r "$work/saved" "$work/resumed"
    succeed resumed $n --split $split --resume
    are_near whole resumed 0.00002 || fail "--split $split from 4 ranks on $n: other losses"
    [ $n -ne 4 ] || cmp "$work/$split"4/checkpoint "$work/resumed/checkpoint" ||
      fail "--split $split on 4 ranks does not go on to the same bits"
  done
  rm -rf "$work/resumed" && cp -r "$work/saved" "$work/resumed"
  "$alone" $options --resume --out "$work/resumed" >/dev/null 2>&1 ||
    fail "what ranks have saved does not go on without MPI"
  are_near whole resumed 0.00002 || fail "without MPI: other losses"
done

# A rank that is killed ends all; the last checkpoint is complete, and goes on.
"$mpiexec" -n 4 --oversubscribe "$ranked" $options --steps 100000 \
  --save-every 0 --out "$work/killed" >/dev/null 2>"$work/killed.err" &
job=$!
until [ -e "$work/killed/checkpoint" ]; do
  kill -0 $job 2>/dev/null || fail "ended without a checkpoint: $(cat "$work/killed.err")"
  sleep 0.02
done
victim=$(pgrep -P $job -f -- "--out $work/killed" | tail -n 1)
kill -KILL "$victim"
status=0
wait $job || status=$?
job=
[ "$status" -ne 0 ] || fail "a rank was killed, and mpirun succeeds"
grep -qi 'signal 9\|killed' "$work/killed.err" || fail "nobody says that a rank was killed"
run killed 2 --resume --steps 100000 --stop-after 3
grep -q 'stopped after .* of 100000 steps' "$work/killed.err" ||
  fail "the last checkpoint does not go on: $(cat "$work/killed.err")"

# What ranks cannot share is said once.
refuse() {
  words=$1
  shift
  run bad "$@"
  [ "$status" -ne 0 ] || fail "$words: succeeds"
  [ "$(grep -c '^gpt' "$work/bad.err")" -eq 1 ] || fail "$words: $(cat "$work/bad.err")"
  grep -q -e "$words" "$work/bad.err" || fail "$words: instead $(cat "$work/bad.err")"
  [ ! -e "$work/bad" ] || fail "$words: leaves a file"
}
run data4 4
[ "$status" -eq 2 ] && [ "$(grep -c '^gpt' "$work/data4.err")" -eq 1 ] ||
  fail "4 ranks over an earlier run: $status, $(cat "$work/data4.err")"
refuse 'do not share the batch' 3
refuse 'do not share the heads' 3 --split tensor
refuse 'No such file' 2 --text /no/such/file
refuse 'not an option' 2 --nonsense
refuse 'measure is for one rank' 2 --measure
