#!/bin/sh
# check_book.sh PROGRAM EXPECTED [--backend BACKEND] - the book's numbers: the whole output is
# the expected text, the matrices in it are those that the book and its readers have printed,
# and bad arguments are refused. Without a GPU that it needs, the check is skipped.
set -eu
program=$1 expected=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

if ! "$program" "$@" >"$work/output" 2>"$work/stderr"; then
  cat "$work/stderr"
  if [ "${CUDROP_REQUIRE_GPU-}" != 1 ] && grep -q 'no CUDA device' "$work/stderr"; then exit 77; fi
  fail "$program $*: fails"
fi
diff "$expected" "$work/output" || fail "the output is not that of $expected"
"$program" | diff "$expected" - || fail "the output without options is another"

# matrix HEADING - the matrix under a line of the output, which is not looked up in EXPECTED.
matrix() {
  awk -v heading="$1" 'index($0, heading) == 1 { on = 1; getline; next }
    on && NF == 0 { exit } on { $1 = $1; print }' "$work/output"
}
expect_matrix() {
  cat >"$work/printed"
  matrix "$1" | diff "$work/printed" - || fail "not what was printed: $1"
}

# From the book's notebook, ch03.ipynb, and from github.com/rasbt/LLMs-from-scratch/issues/57.
expect_matrix "Ones, PyTorch without MKL" <<'END'
2 2 0 2 2 0
0 0 0 2 0 2
2 2 2 2 0 2
0 2 2 0 0 2
0 2 0 2 0 2
0 2 2 2 2 0
END
expect_matrix "Ones, PyTorch with MKL" <<'END'
2 2 2 2 2 2
0 2 0 0 0 0
0 0 2 0 2 0
2 2 0 0 0 2
2 0 0 0 0 2
0 2 0 0 0 0
END
expect_matrix "row sums to 1." <<'END'
1.0000 0.0000 0.0000 0.0000 0.0000 0.0000
0.5517 0.4483 0.0000 0.0000 0.0000 0.0000
0.3800 0.3097 0.3103 0.0000 0.0000 0.0000
0.2758 0.2460 0.2462 0.2319 0.0000 0.0000
0.2175 0.1983 0.1984 0.1888 0.1971 0.0000
0.1935 0.1663 0.1666 0.1542 0.1666 0.1529
END
expect_matrix "The attention weights, PyTorch without MKL" <<'END'
2.0000 0.0000 0.0000 0.0000 0.0000 0.0000
0.0000 0.0000 0.0000 0.0000 0.0000 0.0000
0.7599 0.6194 0.6206 0.0000 0.0000 0.0000
0.0000 0.4921 0.4925 0.0000 0.0000 0.0000
0.0000 0.3966 0.0000 0.3775 0.0000 0.0000
0.0000 0.3327 0.3331 0.3084 0.3331 0.0000
END

# Bad arguments: status 2, one line, and no numbers.
refuse() {
  actual=0
  "$program" "$@" >"$work/stdout" 2>"$work/stderr" || actual=$?
  [ "$actual" -eq 2 ] || fail "$* exits with $actual, not 2"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] || fail "$* does not say why in one line"
  [ ! -s "$work/stdout" ] || fail "$* prints numbers"
}
refuse --backend gpu
refuse --backend
refuse --nonsense
refuse -x
refuse more
if [ -w /dev/full ]; then
  ! "$program" --backend host >/dev/full 2>/dev/null || fail "a full disk goes unnoticed"
fi
