#!/usr/bin/env bash
# check_mutants.sh SOURCE BUILD CXX TOOLKIT - the emulated tests notice when kernels are wrong.
#
# Each mutant changes one thing in a copy of the kernels and headers, and must make the suite fail
# that is about that file. One that passes is a hole in the tests; one that does not compile is an
# error.
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
  'kernels/general.cuh: place.index + mask->index_base => place.index'
  'kernels/elementwise.cuh: first_group += mask->index_base => first_group += 0 * mask->index_base'
  'kernels/drop/packed.cuh: (mask->index_base + walk.index_base) => (walk.index_base)'
  'kernels/rows.cuh: args.mask.index_base + args.prepared->index_base => args.mask.index_base'
  'kernels/elementwise.cuh: threadIdx.x < walk.tail => threadIdx.x <= walk.tail'
  'kernels/elementwise.cuh: p \* groups + g => p * groups'
  'kernels/elementwise.cuh: part.tail = => part.tail = 0 *'
  'kernels/drop/drop.cuh: is_brought = true, copies_kept = true => is_brought = true, copies_kept = false'
  'kernels/drop/drop.cuh: cudropi_blend(keep, made, y) => cudropi_blend(keep, made, x)'
  'kernels/drop/drop.cuh: ? scalars.dropped => ? scalars.shift'
  'kernels/storage.cuh: 61440.0f => 57344.0f'
  'kernels/drop/packed.cuh: (1u << left) - 1 : 0xff => 0xff : 0xff'
  'kernels/drop/packed.cuh: + count <= walk.shape => <= walk.shape'
  'kernels/drop/count.cuh: distance > 0 => distance > 1'
  'include/cudrop/device.cuh: group, 1 + lane => group, 2 + lane'
  'include/cudrop/device.cuh: (uint32_t)index \& 7, mask => (uint32_t)index \& 3, mask'
  'include/cudrop/device.cuh: moved |= digit => moved \&= ~digit'
  'include/cudrop/device.cuh: find_zero_half(word\[2\], bits) | => find_zero_half(word[0], bits) |'
  'include/cudrop/device.cuh: minimum_halves(word\[2\], word\[3\]) => minimum_halves(word[2], word[2])'
  'include/cudrop/device.cuh: \& ~word \& bits => \& bits'
  'kernels/rows.cuh: (1u << left) - 1 : 0xff => 0xff : 0xff'
  'kernels/rows.cuh: shared\[(uint32_t)way \* width => shared[0 * width'
  'kernels/rows.cuh: Type::get(chunk, j) + values\[j\] => Type::get(chunk, 0) + values[j]'
  'kernels/rows_cursor.cuh: if (args.adds_to_data) => if (false)'
  'kernels/fused/fused.cuh: keep\[j\] ? values\[j\] \* mask.schedule.scale : 0.0f => values[j] * (keep[j] ? mask.schedule.scale : 0.0f)'
  'kernels/rows_cursor.cuh: drawn.group, keep => drawn.group + 1, keep'
  'kernels/fused/fused_gradient.cuh: sums\[j\] + gradient\[j\] => sums[j] - gradient[j]'
  'kernels/column_sums.cuh: slab += CUDROPI_STRANDS => slab += 2 * CUDROPI_STRANDS'
  'kernels/norm/norm.cuh: cudropi_rows_put_at<walk>(args, to_stored, place, h); => ;'
  'kernels/norm/norm.cuh: mean = mean + drift; => ;'
  'kernels/row_sum.cuh: shared_b\[warp\] = b => shared_b[warp] = a'
  'kernels/norm/norm.cuh: held\[turn \* CUDROPI_TILE_THREADS\] = h => held[0] = h'
  'kernels/norm/norm_gradient.cuh: dy\[j\] \* hhat\[j\] => dy[j]'
  'kernels/norm/norm_gradient.cuh: args.rows + place.row => place.row'
  'kernels/norm/norm_gradient.cuh: cudropi_mean_g(&args.options, mean_g) => cudropi_mean_gh(\&args.options, mean_g)'
  'kernels/norm/norm_means.cuh: cudropi_mean_g(&args.options, sum_g) => cudropi_mean_gh(\&args.options, sum_g)'
  'kernels/row_sum.cuh: of_b\[row + chunk\] => of_a[row + chunk]'
  'kernels/row_sum.cuh: if (chunk >= lanes) break => if (chunk >= lanes / 2) break'
  'kernels/row_sum.cuh: cudropi_row_tree(lanes \/ 2, a, b) => cudropi_row_tree(lanes \/ 4, a, b)'
  'kernels/row_sum.cuh: distance > 0; => distance > 1;'
  'kernels/attention/attention_row.cuh: bits \& place.valid => bits'
  'kernels/attention/attention_row.cuh: cudropi_rows_bits(args.bits, first, => cudropi_rows_bits(args.bits, first + 8,'
  'kernels/attention/attention.cuh: most == -INFINITY ? 0.0f : most => most'
  'kernels/attention/attention.cuh: cudropi_attention_inverse(most, sum) => 1.0f / sum'
  'kernels/attention/attention_row.cuh: keep\[j\] \&\& (place.valid => keep[j] \&\& (0xff | place.valid'
  'kernels/attention/attention_gradient.cuh: product\[j\] = 0.0f => ;'
  'kernels/attention/attention_gradient.cuh: place.valid >> j \& 1 ? gradient : 0.0f => gradient'
  'kernels/attend/attend_row.cuh: lse == -INFINITY ? INFINITY : lse => lse'
  'kernels/attend/attend_any.cuh: cudropi_sees(queries.seen\[r\], own) ? scores\[r\] : -INFINITY => scores[r]'
  'kernels/attend/attend_any.cuh: kept >> r \& 1 ? weight : 0.0f => weight'
  'kernels/attend/attend_any.cuh: state.sum\[r\] \* factor + weight => state.sum[r] + weight'
  'kernels/attend/attend_tensor.cuh: is_zero ? 0.0f : a, => a,'
  'kernels/attend/attend_slope.cuh: is_kept ? dp : 0.0f => dp'
  'kernels/attend/attend_tile.cuh: visible.is_causal ? (int)visible.query_offset + 1 : (int)visible.keys => (int)visible.keys'
  'kernels/attend/attend_tensor.cuh: key >= seen || key < begin => key >= seen'
  'kernels/attend/attend_queries_tensor.cuh: key >= seen || key < begin => key >= seen'
  'kernels/attend/attend_keys_part.cuh: own >= seen || own < begin => own >= seen'
  'kernels/attend/attend_tensor.cuh: __fmul_rn(state.most\[m\]\[h\], scale_log2) - reference => __fmaf_rn(state.most[m][h], scale_log2, -reference)'
  'kernels/embedding/embedding.cuh: place.col == 0 \&\& => true \&\&'
  'kernels/embedding/embedding.cuh: is_token ? -0.0f : 0.0f => 0.0f'
  'kernels/embedding/embedding.cuh: if (is_token) => if (id >= 0)'
  'kernels/embedding/lookup.cuh: if (args.adds_to_parameters) => if (false)'
  'kernels/embedding/embedding_gradient.cuh: is_tail || is_head) { => is_tail) {'
  'kernels/embedding/embedding_gradient.cuh: is_tail = false; => ;'
  'kernels/embedding/embedding_gradient.cuh: key >= args.options.gather.keys => false'
  'kernels/embedding/embedding_gradient.cuh: sums\[j\] + cudropi_f32::get(tail => sums[j] - cudropi_f32::get(tail'
  'kernels/embedding/embedding_gradient.cuh: while (is_there\[ahead - 1\]) => while (false)'
  'kernels/embedding/embedding_gradient.cuh: is_tail ? first : end - 1 => first'
  'kernels/embedding/embedding_gradient.cu: part \*= CUDROPI_SEGMENT => part *= 2048'
  'kernels/embedding/list.cuh: cudropi_is_token(&args.options.lookup, id) => true'
  'kernels/embedding/embedding_gradient.cu: gather.sorted = sorted => gather.sorted = 0'
)

# The suite that a file is for.
find_suite() {
  case "$1" in
    include/cudrop/device.cuh) echo test_device ;;
    kernels/fused/* | kernels/rows*.cuh | kernels/column_sums.cuh) echo test_fused ;;
    kernels/norm/* | kernels/row_walk.cuh | kernels/row_sum.cuh) echo test_norm ;;
    kernels/attend/*) echo test_attend ;;
    kernels/attention/*) echo test_attention ;;
    kernels/embedding/*) echo test_embedding ;;
    *) echo test_operators ;;
  esac
}

compile() {
  "$cxx" -std=c++17 -O1 -x c++ -w -ffp-contract=off -DCUDROP_WITH_CUDA -isystem "$toolkit" \
    -I"$source/tests/simt" -I"$work/tree/include" -I"$source/csrc" \
    -I"$work/tree/kernels" -c "$1" -o "$work/$(basename "$1").o" -MMD || touch "$work/failed"
}

# The mutant's kernels in front of the library: the linker takes them first. test_device has
# kernels of its own, which include the mutant's headers.
link_and_run() {
  local suite=("$build/tests/simt/CMakeFiles/$1_emulated.dir/__/$1.c.o")
  if [ "$1" = test_device ]; then
    compile "$source/tests/simt/test_device.cpp"
    rm "$work/test_device.cpp.d"
    suite=()
  fi
  "$cxx" "${suite[@]}" \
    "$build/tests/libcudrop_test_support.a" "$work"/*.o \
    "$build/tests/simt/libcudrop_emulated.a" "$build/tests/simt/libcudrop_simt.a" \
    $(pkg-config --libs check) -lm -o "$work/test"
  CUDROP_TEST_BACKEND=cuda CK_EXCLUDE_TAGS=slow timeout 600 "$work/test" >"$work/log" 2>&1
}

compile_all() {
  local kernel
  rm -f "$work"/*.o
  for kernel in "$@"; do
    compile "$kernel" &
    [ "$(jobs -r | wc -l)" -lt "$(nproc)" ] || wait -n
  done
  wait
}

# The sources that a file is part of, by what the compiler wrote for the unchanged tree.
find_sources() {
  local name
  for name in $(grep -lF "/$1" "$work"/unchanged/*.d); do
    name=${name##*/}
    find "$work/tree/kernels" -name "${name%.d}"
  done
}

begin() {
  rm -rf "$work/tree"
  mkdir "$work/tree"
  cp -r "$source/kernels" "$source/include" "$work/tree"
}

begin
compile_all $(find "$work/tree/kernels" -name "*.cu" -not -path "*/sort/*")
for suite in test_operators test_fused test_norm test_attend test_attention test_embedding \
  test_device; do
  link_and_run "$suite" || {
    tail -5 "$work/log"
    echo "$suite fails with the unchanged kernels"
    exit 1
  }
done
mkdir "$work/unchanged"
mv "$work"/*.d "$work/unchanged"
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
  compile_all $(find_sources "$file")
  if [ -e "$work/failed" ]; then
    echo "does not compile: ${mutant%%: *}: $from -> $to"
    exit 1
  fi
  if link_and_run "$(find_suite "$file")"; then
    echo "survives: ${mutant%%: *}: $from -> $to"
    survivors=$((survivors + 1))
  fi
done
echo "${#mutants[@]} mutants, $survivors survive"
[ "$survivors" -eq 0 ]
