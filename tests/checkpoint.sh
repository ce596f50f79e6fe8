# checkpoint.sh - how a program of the examples is stopped, killed, run out of room and given bad
# checkpoints; for check_..._resume.sh, which have set
#
#   program, options   what is run, with --out behind it
#   counted            what it says of where it stopped, as in 'of 66 passes'
#   files              what is in --out in the end, beside the checkpoint; and .txt, what it prints

work=$(mktemp -d)
program_id=
trap '[ -z "$program_id" ] || kill -KILL "$program_id" 2>/dev/null; rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

run() {
  name=$1
  shift
  status=0
  "$program" $options --out "$work/$name" "$@" >"$work/$name.txt" 2>"$work/$name.err" ||
    status=$?
}

# What goes on ends with the bits of the run that is called whole.
finish() {
  run "$1" --resume
  [ "$status" -eq 0 ] || fail "$1: does not resume: $(cat "$work/$1.err")"
  for file in .txt $files /checkpoint; do
    cmp "$work/whole$file" "$work/$1$file" || fail "$1: other bits than those of the whole"
  done
  # What is killed while it writes cannot remove its part.
  [ "$1" = killed ] || refuse_parts "$1"
}
refuse_parts() {
  ! ls "$work/$1" | grep 'tmp$' || fail "$1: a part of a checkpoint is left"
}

# resume_alone OPTIONS ... - what goes on in the folder alone with these and no others ends so, too.
resume_alone() {
  "$program" --resume --out "$work/alone" "$@" >"$work/alone.txt" 2>"$work/alone.err" ||
    fail "--resume $*: $(cat "$work/alone.err")"
  for file in .txt $files /checkpoint; do
    cmp "$work/whole$file" "$work/alone$file" || fail "--resume $*: other bits than the whole's"
  done
}

# expect_beginning NAME - a start in the folder of an earlier run is refused, and touches nothing.
expect_beginning() {
  rm -rf "$work/earlier"
  cp -r "$work/$1" "$work/earlier"
  run earlier
  [ "$status" -eq 2 ] || fail "a start over an earlier run exits with $status"
  [ "$(wc -l <"$work/earlier.err")" -eq 1 ] || fail "an earlier run: not said in one line"
  grep -q "checkpoint' is of an earlier run: --resume .* --fresh .* --out" "$work/earlier.err" ||
    fail "an earlier run: instead $(cat "$work/earlier.err")"
  diff -r "$work/$1" "$work/earlier" || fail "a start has changed an earlier run"
}

# stop_after EXPECTED --stop-after's value and other options
stop_after() {
  expected=$1
  shift
  run stopped --stop-after "$@"
  [ "$status" -eq 3 ] || fail "--stop-after $* exits with $status: $(cat "$work/stopped.err")"
  grep -q "stopped after $expected $counted; --resume goes on" "$work/stopped.err" ||
    fail "--stop-after $* does not say where"
  [ ! -s "$work/stopped.txt" ] || fail "a result of what is not done"
}

# Started, and let go on until there is a new checkpoint.
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
# end_by SIGNAL STATUS [TIMES]
end_by() {
  status=0
  for time in $(seq "${3-1}"); do kill -s "$1" $program_id; done
  wait $program_id 2>/dev/null || status=$?
  program_id=
  [ "$status" -eq "$2" ] || fail "SIG$1 gives the status $status, not $2"
  [ "$1" = KILL ] || grep -q "stopped after .* $counted" "$work/killed.err" ||
    fail "SIG$1 stops without a word"
}

# A disk that is full, here of $1 KiB: it ends, and the last checkpoint is as it was.
fill_disk() {
  cp -r "$work/once" "$work/full"
  (
    trap '' XFSZ
    ulimit -f "$1"
    run full --resume
    [ "$status" -eq 1 ] || fail "no room for a checkpoint, and the status is $status"
  )
  grep -q "cannot write '.*/checkpoint': File too large" "$work/full.err" ||
    fail "no room for a checkpoint: instead $(cat "$work/full.err")"
  refuse_parts full
  cmp "$work/once/checkpoint" "$work/full/checkpoint" || fail "no room has cost the checkpoint"
}

# Bad checkpoints, in $bad: status 1, one line, and no file is touched.
good=$work/once/checkpoint bad=$work/bad/checkpoint
mkdir "$work/bad"
refuse() {
  words=$1
  shift
  cp "$bad" "$work/before"
  run bad --resume "$@"
  [ "$status" -eq 1 ] || fail "$words: exits with $status"
  [ "$(wc -l <"$work/bad.err")" -eq 1 ] || fail "$words: not said in one line"
  grep -q -e "$words" "$work/bad.err" || fail "$words: instead $(cat "$work/bad.err")"
  [ ! -s "$work/bad.txt" ] || fail "$words: a table"
  cmp "$work/before" "$bad" || fail "$words: the checkpoint has changed"
  [ "$(ls "$work/bad")" = checkpoint ] || fail "$words: $(ls "$work/bad")"
}
refuse_lengths() {
  for length in "$@"; do
    head -c "$length" "$good" >"$bad"
    refuse 'cut short'
  done
  { cat "$good" && printf '\0'; } >"$bad"
  refuse 'is damaged'
}

# One bit of the byte at $1 is the other one.
flip() {
  cp "$good" "$bad"
  byte=$(od -An -tu1 -j "$1" -N 1 "$good")
  printf "\\$(printf %o $((byte ^ 4)))" | dd of="$bad" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
refuse_flips() {
  for offset in "$@"; do
    flip "$offset"
    refuse 'is damaged'
  done
}
refuse_absence() {
  run absent --resume
  [ "$status" -eq 1 ] || fail "no checkpoint, and the status is $status"
  grep -q "cannot resume from '.*/absent/checkpoint'" "$work/absent.err" ||
    fail "no checkpoint: instead $(cat "$work/absent.err")"
  [ ! -e "$work/absent" ] || fail "no checkpoint, but a folder for it"
}
