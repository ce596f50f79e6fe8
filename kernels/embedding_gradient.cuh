/*
 * embedding_gradient.cuh - a row of a table = the sum of drop(dy) over the entries of its key,
 * in the order of embedding.h: runs first, and then those of a key together.
 *
 * A block has some segments, one a way; a thread does 8 columns of one.
 */
#ifndef CUDROP_KERNEL_EMBEDDING_GRADIENT_CUH
#define CUDROP_KERNEL_EMBEDDING_GRADIENT_CUH

#include "lookup.cuh"

/* Tuning: rows of dy that a thread has under way, 64 bytes of them. */
template <class Type, cudropi_rows_walk_t walk>
static constexpr int cudropi_gather_ahead =
    walk == CUDROPI_ROWS_GENERAL ? 1 : 8 / Type::bytes;

/* Tuning: blocks that a multiprocessor shall hold at least. */
enum { CUDROPI_GATHER_BLOCKS = 2 };

/* The thread's columns, with its segment in place of a row. */
CUDROPI_DEVICE cudropi_rows_place_t
cudropi_gather_begin(const cudropi_rows_args_t &args) {
  const uint32_t tiles = (uint32_t)args.tiling.tiles;
  const uint32_t turn = blockIdx.x / tiles, tile = blockIdx.x - turn * tiles;
  const uint32_t lane = threadIdx.x & ((1u << args.lanes_log2) - 1);
  cudropi_rows_place_t place;
  place.row = (int64_t)turn * args.tiling.ways + (threadIdx.x >> args.lanes_log2);
  place.col = (((int64_t)tile << args.lanes_log2) + lane) * CUDROPI_CHUNK;
  place.valid = cudropi_rows_valid(args, place.col);
  if (place.row >= args.gather.segments) place.valid = 0;
  return place;
}

/* Where the segment's sum lies in what is kept of each segment. */
CUDROPI_DEVICE int64_t cudropi_gather_at(const cudropi_rows_args_t &args,
                                         const cudropi_rows_place_t &place) {
  return place.row * args.cols + place.col;
}

/* A finished sum to its row of the table; none for ids out of range. */
template <class Type>
CUDROPI_DEVICE void cudropi_gather_store(const cudropi_rows_args_t &args, uint32_t key,
                                         const cudropi_rows_place_t &place,
                                         float (&sums)[CUDROPI_CHUNK]) {
  const int64_t stride = cudropi_table_stride(&args.lookup, &args.gather);
  if (key >= args.gather.keys) return;
  cudropi_lookup_store<Type>(
      args, args.gather.is_sorted ? CUDROPI_ROWS_DTOKENS : CUDROPI_ROWS_DPOSITIONS,
      key * stride + place.col, place.valid, sums);
}

/* A run's sum, which is a tail, a head, or all of its key. */
template <class Type>
CUDROPI_DEVICE void cudropi_gather_end_run(const cudropi_rows_args_t &args, uint32_t key,
                                           const cudropi_rows_place_t &place,
                                           bool is_tail, bool is_head,
                                           float (&sums)[CUDROPI_CHUNK]) {
  if (is_tail || is_head) {
    cudropi_store<4>(is_tail ? args.gather.tail : args.gather.head,
                     cudropi_gather_at(args, place), 1, place.valid,
                     cudropi_rows_pack<cudropi_f32>(sums));
  } else {
    cudropi_gather_store<Type>(args, key, place, sums);
  }
}

template <class Type, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, CUDROPI_GATHER_BLOCKS)
    cudropi_embedding_gradient(const __grid_constant__ cudropi_rows_args_t args) {
  constexpr int ahead = cudropi_gather_ahead<Type, walk>;
  SHARED_ARRAY(cudrop_mask_schedule_t, shared_mask, 1);
  cudropi_rows_read_mask<walk>(args, shared_mask);
  const cudrop_mask_schedule_t &mask =
      walk == CUDROPI_ROWS_DRAWN ? args.mask : shared_mask[0];
  const cudropi_rows_place_t place = cudropi_gather_begin(args);
  if (place.valid == 0) return;
  const int64_t first = place.row * CUDROPI_SEGMENT;
  const int64_t left = args.gather.entries - first;
  const int n = left < CUDROPI_SEGMENT ? (int)left : CUDROPI_SEGMENT;
  const bool goes_on = cudropi_goes_on(&args.gather, place.row);
  bool is_tail = cudropi_has_tail(&args.gather, place.row);
  uint32_t key = cudropi_entry_key(&args.gather, first);
  float sums[CUDROPI_CHUNK] = {};
  for (int begin = 0; begin < n; begin += ahead) {
    cudropi_rows_place_t row[ahead];
    uint32_t keys[ahead];
    cudropi_chunk_t<Type::bytes> dy[ahead];
#pragma unroll
    for (int k = 0; k < ahead;
         ++k) { /* past the end the last one again, which is not used */
      const int64_t entry = first + (begin + k < n ? begin + k : n - 1);
      keys[k] = cudropi_entry_key(&args.gather, entry);
      row[k] = {(int64_t)cudropi_entry_row(&args.gather, entry), place.col, place.valid};
      dy[k] = cudropi_rows_load<walk, Type>(args, CUDROPI_ROWS_DY, row[k]);
    }
#pragma unroll
    for (int k = 0; k < ahead; ++k) {
      if (begin + k >= n) break;
      if (keys[k] != key) {
        cudropi_gather_end_run<Type>(args, key, place, is_tail, false, sums);
#pragma unroll
        for (int j = 0; j < CUDROPI_CHUNK; ++j) sums[j] = 0.0f;
        key = keys[k];
        is_tail = false;
      }
      if (!cudropi_is_token(&args.lookup, cudropi_lookup_id<walk>(args, row[k].row)))
        continue;
      bool keep[CUDROPI_CHUNK];
      cudropi_rows_keep<walk>(args, mask, row[k], keep);
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j)
        sums[j] = sums[j] + (keep[j] ? Type::get(dy[k], j) * mask.scale : 0.0f);
    }
  }
  cudropi_gather_end_run<Type>(args, key, place, is_tail, goes_on, sums);
}

/* The key that begins with the segment's head, if it has one: its runs together. */
template <class Type>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS)
    cudropi_join_runs(const __grid_constant__ cudropi_rows_args_t args) {
  const cudropi_gather_t &gather = args.gather;
  cudropi_rows_place_t place = cudropi_gather_begin(args);
  if (place.valid == 0 || !cudropi_has_head(&gather, place.row)) return;
  const uint32_t key = cudropi_entry_key(&gather, (place.row + 1) * CUDROPI_SEGMENT);
  float sums[CUDROPI_CHUNK];
  cudropi_rows_get<cudropi_f32>(
      cudropi_load<4>(gather.head, cudropi_gather_at(args, place), 1, place.valid), sums);
  for (++place.row; place.row < gather.segments &&
                    cudropi_entry_key(&gather, place.row * CUDROPI_SEGMENT) == key;
       ++place.row) {
    float tail[CUDROPI_CHUNK];
    cudropi_rows_get<cudropi_f32>(
        cudropi_load<4>(gather.tail, cudropi_gather_at(args, place), 1, place.valid),
        tail);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) sums[j] = sums[j] + tail[j];
  }
  cudropi_gather_store<Type>(args, key, place, sums);
}

#endif /* CUDROP_KERNEL_EMBEDDING_GRADIENT_CUH */
