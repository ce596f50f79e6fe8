#!/bin/sh
# check_readme.sh SOURCE LIBRARY_DIR CC CXX [FLAGS] - the README's examples are the files that it
# names, compile as it says and print what it says; it is short, and names one build folder.
#
# The kernel is run on the CPU (readme_kernel.cpp). With an nvcc on the PATH it is compiled for a GPU
# as well.
set -eu
source=$1 library=$2 cc=$3 cxx=$4
shift 4
readme=$source/README.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# block LANGUAGE - the first block of the README in a language.
block() {
  awk -v fence="\`\`\`$1" '$0 == fence { on = 1; next } /^```$/ && on { exit } on' "$readme"
}
block c >"$work/first.c"
diff "$work/first.c" "$source/examples/first/first.c"
block cuda >"$work/kernel.cuh"
diff "$work/kernel.cuh" "$source/examples/first/kernel.cuh"

awk '/\$ build\/first$/ { getline; sub(/^ */, ""); print; exit }' "$readme" >"$work/said"
link="-I$source/include -L$library -lcudrop -Wl,-rpath,$library"
# shellcheck disable=SC2086 # flags are words
"$cc" -std=c11 -Wall -Wextra -Werror "$@" "$work/first.c" $link -o "$work/first"
# shellcheck disable=SC2086
"$cxx" -std=c++11 -Wall -Wextra -Werror -ffp-contract=off "$@" -DKERNEL="\"$work/kernel.cuh\"" \
  "$source/tests/readme_kernel.cpp" $link -o "$work/kernel"
for program in first kernel; do
  "$work/$program" | sed 's/ *$//' >"$work/printed"
  diff "$work/said" "$work/printed" || fail "$program prints something else"
done

if command -v nvcc >/dev/null; then
  {
    cat "$work/kernel.cuh"
    echo 'void launch(const float *x, float *y, uint64_t n, cudaStream_t stream) {'
    sed -n 's#^/\* \(drop<<<.*;\) \*/$#\1#p' "$work/kernel.cuh"
    echo '}'
  } >"$work/kernel.cu"
  grep -q '^drop<<<' "$work/kernel.cu" || fail "the README does not launch its kernel"
  nvcc -arch=sm_75 --Werror=all-warnings -I"$source/include" -c "$work/kernel.cu" -o "$work/kernel.o"
else
  echo "no nvcc: the kernel is not compiled for a GPU"
fi

lines=$(wc -l <"$readme")
[ "$lines" -le 150 ] || fail "the README has $lines lines, which are more than 150"
folders=$(grep -o 'build/[a-z]*' "$readme" | sort -u | grep -v '^build/first$' | tr '\n' ' ')
[ "$folders" = "build/demo " ] || fail "the README's build folders: $folders"
