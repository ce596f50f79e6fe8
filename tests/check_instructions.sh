#!/usr/bin/env bash
# check_instructions.sh PROGRAM TABLE COMPILER [--update] - how many instructions an element takes
# on the paths of the host, as callgrind counts them, so that a regression shows on any machine.
#
# Compared with TABLE, tests/data/instructions.txt: not 5 % more. Another compiler than the
# table's makes other code: then the check is skipped. --update writes the table anew.
set -euo pipefail
program=$1 table=$2 compiler=$3 update=${4-}
if ! command -v valgrind >/dev/null; then
  echo "skipped: valgrind is not installed"
  exit 77
fi
if [ -z "$update" ] && ! grep -qxF "# compiler: $compiler" "$table"; then
  echo "skipped: the table is of $(sed -n 's/^# compiler: //p' "$table"), this is $compiler"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! CUDROP_HOST_PATH=avx2 "$program" 2>"$work/stderr"; then
  cat "$work/stderr"
  if grep -q 'is no path of this processor' "$work/stderr"; then exit 77; fi
  exit 1
fi

for path in scalar sse2 avx2; do # callgrind does not know AVX-512
  mkdir "$work/$path"
  CUDROP_HOST_PATH=$path valgrind --quiet --tool=callgrind \
    --callgrind-out-file="$work/$path/out" "$program"
done

# Of a dump its trigger and total; of two sizes the difference: PATH OPERATOR DTYPE INSTRUCTIONS
count() {
  awk -v path="$1" '
    /^desc: Trigger: Client Request: / { operator = $5; dtype = $6; n = $7 }
    /^(summary|totals): / && n {
      key = operator " " dtype
      if (key in first) printf "%s %s %.3f\n", path, key, ($2 - first[key]) / (n - size[key])
      first[key] = $2; size[key] = n; n = 0 }' $(ls -v "$work/$1"/out*)
}
for path in scalar sse2 avx2; do count "$path"; done | sort >"$work/counted"

if [ -n "$update" ]; then
  {
    echo "# Instructions an element on the host, by callgrind; see tests/check_instructions.sh."
    echo "# compiler: $compiler"
    echo "# path operator dtype instructions"
    cat "$work/counted"
  } >"$table"
  exit
fi

awk '
  /^#/ { next }
  NR == FNR { was[$1 " " $2 " " $3] = $4; next }
  { key = $1 " " $2 " " $3; ++counts }
  !(key in was) { print key ": is counted and is not in the table"; bad = 1; next }
  $4 > was[key] * 1.05 { print key ": " $4 " instructions an element, was " was[key]; bad = 1 }
  { delete was[key] }
  END {
    for (key in was) { print key ": is in the table and is not counted"; bad = 1 }
    print counts + 0 " counts"; exit bad || counts == 0
  }' "$table" "$work/counted"
