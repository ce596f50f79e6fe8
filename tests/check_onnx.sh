#!/bin/sh
# check_onnx.sh PROGRAM [OPTIONS] - ONNX's node tests of Dropout, of Debian's libonnx-testdata,
# and that a wrong answer or a damaged file is noticed.
set -eu
program=$1
shift
nodes=/usr/share/libonnx-testdata/data/node
[ -d $nodes ] || {
  echo "skipped: the package libonnx-testdata is not installed"
  exit 77
}
if "$program" "$@" /no/such/folder 2>&1 | grep 'no CUDA device'; then
  [ "${CUDROP_REQUIRE_GPU-}" != 1 ] || exit 1
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# All of them; among them those that train, which the reference's masks decide.
set -- "$@" $nodes/test_*dropout*
"$program" "$@" || fail "a node test of ONNX fails"
"$program" "$@" | grep -q '^12 of 12 passed$' || fail "these are not all 12 tests"

# cudrop's own masks are others: what copies passes, and four tests do not.
status=0
"$program" --masks cudrop "$@" >"$work/own" || status=$?
[ "$status" -eq 1 ] || fail "other masks, and the status is $status"
[ "$(grep -c 'differs, as expected: element' "$work/own")" -eq 4 ] ||
  fail "other masks change other tests than four"
grep FAILED "$work/own" && fail "other masks let a test fail in another way"

# One bit of an output is another, or a file ends too early: the test fails, in one line.
cp -r $nodes/test_training_dropout_mask "$work/test"
test=$work/test/test_data_set_0
refuse() {
  status=0
  "$program" "$work/test" >"$work/out" 2>&1 || status=$?
  [ "$status" -eq 1 ] || fail "$1: the status is $status"
  [ "$(wc -l <"$work/out")" -eq 2 ] || fail "$1: not said in one line: $(cat "$work/out")"
  grep -q "$2" "$work/out" || fail "$1: instead $(cat "$work/out")"
}
flip() {
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
for output in 0 1; do
  file=$test/output_$output.pb
  cp "$file" "$work/good"
  flip "$file" $(($(wc -c <"$file") - 24))
  refuse "a bit of output $output" 'is another'
  cp "$work/good" "$file"
done
for file in "$work/test/model.onnx" "$test"/*.pb; do
  cp "$file" "$work/good"
  bytes=$(wc -c <"$work/good")
  for length in 0 1 2 7 $((bytes / 2)) $((bytes - 1)); do
    [ "$length" -lt "$bytes" ] || continue
    head -c "$length" "$work/good" >"$file"
    refuse "$(basename "$file") of $length bytes" FAILED
  done
  cp "$work/good" "$file"
done
"$program" "$work/test" || fail "the files are as they were, and the test fails"
