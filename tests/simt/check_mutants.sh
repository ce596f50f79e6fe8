#!/usr/bin/env bash
# check_mutants.sh SOURCE BUILD CXX TOOLKIT - the emulated tests notice when kernels are wrong.
#
# Each mutant changes one thing in a copy of the kernels and headers, builds the operators'
# suite with them, and must make it fail. One that passes is a hole in the tests.
set -euo pipefail
source=$1 build=$2 cxx=$3 toolkit=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# FILE: what stands there, as a basic regular expression => what a mutant puts in its place
mutants=(
  'kernels/draw.cuh: first + 7 \* g => first + 16 * g'
  'kernels/draw.cuh: bits >> shift; => bits;'
  'kernels/draw.cuh: block.word\[w\] << 16 >= mask.least => block.word[w] << 16 > mask.least'
  'kernels/general.cuh: first < 0 ? (1u << -first) - 1 : 0 => 0'
  'kernels/general.cuh: first -= cudropi_lead => first += cudropi_lead'
  'kernels/general.cuh: schedule.offset + offset => schedule.offset'
  'kernels/general.cuh: schedule(plan->seed, plan->offset => schedule(plan->seed, 1 + plan->offset'
  'kernels/elementwise.cuh: threadIdx.x < walk.tail => threadIdx.x <= walk.tail'
  'kernels/elementwise.cuh: p \* groups + g => p * groups'
  'kernels/elementwise.cuh: part.tail = => part.tail = 0 *'
  'kernels/scale.cuh: copies_kept = true => copies_kept = false'
  'kernels/accumulate.cuh: cudropi_blend(keep, sum, y) => cudropi_blend(keep, sum, x)'
  'kernels/affine.cuh: : scalars.dropped => : scalars.shift'
  'kernels/storage.cuh: 61440.0f => 57344.0f'
  'kernels/packed.cuh: (1u << left) - 1 : 0xff => 0xff : 0xff'
  'kernels/packed.cuh: + count <= walk.shape => <= walk.shape'
  'kernels/count.cuh: distance > 0 => distance > 1'
  'include/cudrop/device.cuh: group, 1 + lane => group, 2 + lane'
  'include/cudrop/device.cuh: (uint32_t)index \& 7, mask => (uint32_t)index \& 3, mask'
  'include/cudrop/device.cuh: moved |= digit => moved \&= ~digit'
)

compile() {
  "$cxx" -std=c++17 -O1 -x c++ -w -ffp-contract=off -DCUDROP_WITH_CUDA -isystem "$toolkit" \
    -I"$source/tests/simt" -I"$work/tree/include" -I"$source/csrc" -I"$source/csrc/cuda" \
    -I"$work/tree/kernels" -c "$1" -o "$work/$(basename "$1").o"
}

# The kernels of the tree in front of the library: the linker takes them first.
link_and_run() {
  "$cxx" "$build"/tests/simt/CMakeFiles/test_operators_emulated.dir/__/test_operators.c.o \
    "$build/tests/libcudrop_test_support.a" "$work"/*.o \
    "$build/tests/simt/libcudrop_emulated.a" "$build/tests/simt/libcudrop_simt.a" \
    $(pkg-config --libs check) -lm -o "$work/test"
  CUDROP_TEST_BACKEND=cuda CK_EXCLUDE_TAGS=slow "$work/test" >"$work/log" 2>&1
}

try() {
  rm -f "$work"/*.o
  for file in "$work"/tree/kernels/*.cu; do
    compile "$file" &
    [ "$(jobs -r | wc -l)" -lt "$(nproc)" ] || wait -n
  done
  wait
  link_and_run
}

begin() {
  rm -rf "$work/tree"
  mkdir "$work/tree"
  cp -r "$source/kernels" "$source/include" "$work/tree"
}

begin
try || {
  tail -5 "$work/log"
  echo "the unchanged kernels fail"
  exit 1
}
survivors=0
for mutant in "${mutants[@]}"; do
  file=${mutant%%: *} change=${mutant#*: }
  from=${change%% => *} to=${change#* => }
  begin
  sed -i "s#$from#$to#" "$work/tree/$file"
  if cmp -s "$source/$file" "$work/tree/$file"; then
    echo "no such text in $file: $from"
    exit 1
  fi
  if try; then
    echo "survives: ${mutant%%: *}: $from -> $to"
    survivors=$((survivors + 1))
  fi
done
echo "${#mutants[@]} mutants, $survivors survive"
[ "$survivors" -eq 0 ]
