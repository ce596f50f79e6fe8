#!/bin/sh
# check_symbols.sh LIBRARY.so LIBRARY.a HEADER ... - the shared library exports exactly the
# functions that the headers declare. The static one defines no name of another's, calls no C++
# runtime, and does not look at the caller's last CUDA error.
set -eu
shared=$1 static=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration begins its line with CUDROP_API or CUDROP_CHECKED; its name is what stands
# before the first bracket, perhaps on the next line.
grep -h -A1 -E '^CUDROP_(API|CHECKED) ' "$@" | tr '\n' ' ' |
  grep -oE 'cudrop_[a-z0-9_]+\(' | tr -d '(' | sort -u >"$work/declared"
nm -D --defined-only "$shared" | awk '{ print $3 }' | grep -v '^__' | sort -u >"$work/exported"
[ "$(wc -l <"$work/declared")" -ge 30 ] || { echo "read too few names in $*"; exit 1; }
diff "$work/declared" "$work/exported" || {
  echo "$shared does not export what $* declare (< declared, > exported)"
  exit 1
}
# Of the constants of CUDA's C++ headers every program has the same, and the linker takes any.
nm -g --defined-only "$static" | awk 'NF == 3 && !($2 == "V" && $3 ~ /^_ZN4cuda/) { print $3 }' |
  grep -vE '^(cudrop|cudropi)_|^_Z[0-9A-Za-z_]*cudropi_|^__' && { echo "names without the prefix in $static"; exit 1; }
nm -u "$static" | grep -E ' (cuda(GetLast|PeekAtLast)Error|__cxa_|__gxx_|_Unwind_|_Z(S|n|d))' &&
  { echo "calls that $static must not make"; exit 1; }
echo "$(wc -l <"$work/exported") functions declared, and exported"
