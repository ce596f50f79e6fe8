/*
 * embedding_gradient.cuh - the gradient of a row of a table: the sum of drop(dy) over the entries
 * of the row's key, in the order of embedding.h. The first level adds the entries of each run. Each
 * higher level adds the runs of each key.
 *
 * One launch is one level. Each way of a block takes one segment, or at higher levels one part of
 * a segment. A thread takes 8 columns of the segment or part.
 */
#ifndef CUDROP_KERNEL_EMBEDDING_GRADIENT_CUH
#define CUDROP_KERNEL_EMBEDDING_GRADIENT_CUH

#include "embedding/lookup.cuh"

/* Tuning: how many rows of dy a thread loads at a time: 64 bytes of them, or one in GENERAL. */
template <class Type, cudropi_rows_walk_t walk>
static constexpr int cudropi_gather_ahead =
    walk == CUDROPI_ROWS_GENERAL ? 1 : 8 / Type::bytes;

/* Tuning. GATHER_BLOCKS and JOIN_BLOCKS are the least number of blocks that fit on a
 * multiprocessor, at the first level and at higher levels. JOIN_AHEAD is how many runs a thread
 * loads at a time at higher levels. */
enum { CUDROPI_GATHER_BLOCKS = 2, CUDROPI_JOIN_BLOCKS = 3, CUDROPI_JOIN_AHEAD = 4 };

/* The place of the thread: its columns, with the first entry of its segment or part as `row`. */
CUDROPI_DEVICE cudropi_rows_place_t
cudropi_gather_begin(const cudropi_embedding_args_t &args) {
  const uint32_t tiles = (uint32_t)args.tiling.tiles;
  const uint32_t turn = blockIdx.x / tiles, tile = blockIdx.x - turn * tiles;
  const uint32_t lane = threadIdx.x & ((1u << args.lanes_log2) - 1);
  cudropi_rows_place_t place;
  place.row = ((int64_t)turn * args.tiling.ways + (threadIdx.x >> args.lanes_log2)) *
              args.options.gather.width;
  place.col = (((int64_t)tile << args.lanes_log2) + lane) * CUDROPI_CHUNK;
  place.valid = cudropi_rows_valid(args, place.col);
  if (place.row >= args.options.gather.entries) place.valid = 0;
  return place;
}

/* The position of the sums in `head` and `tail` for the segment that has this entry. */
CUDROPI_DEVICE int64_t cudropi_gather_at(const cudropi_embedding_args_t &args,
                                         int64_t entry, int64_t col) {
  return cudropi_find_slot(entry) * args.cols + col;
}

/* Store a finished sum in its row of the table. Keys of ids out of range have no row. */
template <class Type>
CUDROPI_DEVICE void cudropi_gather_store(const cudropi_embedding_args_t &args,
                                         uint32_t key, const cudropi_rows_place_t &place,
                                         float (&sums)[CUDROPI_CHUNK]) {
  const int64_t stride = cudropi_table_stride(&args.options.lookup, &args.options.gather);
  if (key >= args.options.gather.keys) return;
  cudropi_lookup_store<Type>(args, cudropi_find_table(&args.options.gather),
                             key * stride + place.col, place.valid, sums);
}

/* Store the sum of a run: in `tail` or `head`, in the slot of `entry`, if the run is a tail or a
 * head. Any other run is all of its key, and its sum goes to the table. */
template <class Type>
CUDROPI_DEVICE void cudropi_gather_end_run(const cudropi_embedding_args_t &args,
                                           uint32_t key,
                                           const cudropi_rows_place_t &place,
                                           int64_t entry, bool is_tail, bool is_head,
                                           float (&sums)[CUDROPI_CHUNK]) {
  if (is_tail || is_head) {
    cudropi_store<4>(is_tail ? args.options.gather.tail : args.options.gather.head,
                     cudropi_gather_at(args, entry, place.col), 1, place.valid,
                     cudropi_rows_pack<cudropi_f32>(sums));
  } else {
    cudropi_gather_store<Type>(args, key, place, sums);
  }
}

/* Is a row of dy added to its sum? A row whose id is out of range is not. In a sorted list such
 * rows have a sum of their own, which is never stored. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE bool cudropi_is_added(const cudropi_embedding_args_t &args, int64_t row) {
  return args.options.gather.is_sorted ||
         cudropi_is_token(&args.options.lookup, cudropi_lookup_id<walk>(args, row));
}

template <class Type, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, CUDROPI_GATHER_BLOCKS)
    cudropi_embedding_gradient(const __grid_constant__ cudropi_embedding_args_t args) {
  constexpr int ahead = cudropi_gather_ahead<Type, walk>;
  CUDROPI_ROWS_MASK(walk, args, mask);
  const cudropi_rows_place_t place = cudropi_gather_begin(args);
  if (place.valid == 0) return;
  const int64_t first = place.row;
  const int64_t left = args.options.gather.entries - first;
  const int n = left < CUDROPI_SEGMENT ? (int)left : CUDROPI_SEGMENT;
  const bool goes_on = cudropi_goes_on(&args.options.gather, first + CUDROPI_SEGMENT);
  bool is_tail = cudropi_has_tail(&args.options.gather, first);
  uint32_t key = cudropi_entry_key(&args.options.gather, first);
  float sums[CUDROPI_CHUNK] = {};
  for (int begin = 0; begin < n; begin += ahead) {
    cudropi_rows_place_t row[ahead];
    uint32_t keys[ahead];
    cudropi_chunk_t<Type::bytes> dy[ahead];
#pragma unroll
    for (int k = 0; k < ahead; ++k) {
      /* Past the end, the last entry is loaded again and not used. */
      const int64_t entry = first + (begin + k < n ? begin + k : n - 1);
      keys[k] = cudropi_entry_key(&args.options.gather, entry);
      row[k] = {(int64_t)cudropi_entry_row(&args.options.gather, entry), place.col,
                place.valid};
      dy[k] = cudropi_rows_load<walk, Type>(args, CUDROPI_EMBEDDING_GRADIENT_DY, row[k]);
    }
#pragma unroll
    for (int k = 0; k < ahead; ++k) {
      if (begin + k >= n) break;
      if (keys[k] != key) {
        cudropi_gather_end_run<Type>(args, key, place, first, is_tail, false, sums);
#pragma unroll
        for (int j = 0; j < CUDROPI_CHUNK; ++j) sums[j] = 0.0f;
        key = keys[k];
        is_tail = false;
      }
      if (!cudropi_is_added<walk>(args, row[k].row)) continue;
      bool keep[CUDROPI_CHUNK];
      cudropi_rows_keep<walk>(args, mask, row[k], keep);
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j)
        sums[j] = sums[j] + (keep[j] ? Type::get(dy[k], j) * mask.schedule.scale : 0.0f);
    }
  }
  cudropi_gather_end_run<Type>(args, key, place, first, is_tail, goes_on, sums);
}

/*
 * Add the tails of `key` to sums, from the part at entry `at` up to the first part that begins with
 * another key or lies behind `end`. All parts that begin with the key follow each other.
 */
CUDROPI_DEVICE void cudropi_join_tails(const cudropi_embedding_args_t &args,
                                       const cudropi_rows_place_t &place, uint32_t key,
                                       int64_t at, int64_t end,
                                       float (&sums)[CUDROPI_CHUNK]) {
  constexpr int ahead = CUDROPI_JOIN_AHEAD;
  const cudropi_gather_t &gather = args.options.gather;
  const int64_t last = end < gather.entries ? end : gather.entries;
  bool is_there[ahead];
  do {
    cudropi_chunk_t<4> tail[ahead];
#pragma unroll
    for (int k = 0; k < ahead; ++k) {
      const int64_t first = at + k * gather.width;
      is_there[k] = first < last && cudropi_entry_key(&gather, first) == key;
    }
#pragma unroll
    for (int k = 0; k < ahead; ++k) {
      const int64_t from = cudropi_gather_at(args, at + k * gather.width, place.col);
      tail[k] = cudropi_load<4>(gather.tail, from, 1, is_there[k] ? place.valid : 0);
    }
#pragma unroll
    for (int k = 0; k < ahead; ++k) {
      if (!is_there[k]) break;
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j)
        sums[j] = sums[j] + cudropi_f32::get(tail[k], j);
    }
    at += ahead * gather.width;
  } while (is_there[ahead - 1]);
}

/*
 * One part of a segment of a higher level. If the part is the segment's first and the segment has a
 * tail, add up the tail. If the part has a head, add up the run that begins with the head.
 */
template <class Type>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, CUDROPI_JOIN_BLOCKS)
    cudropi_join_runs(const __grid_constant__ cudropi_embedding_args_t args) {
  const cudropi_gather_t &gather = args.options.gather;
  const cudropi_rows_place_t place = cudropi_gather_begin(args);
  const int64_t first = place.row, next = first + gather.width;
  const int64_t segment = first & -(gather.width * CUDROPI_SEGMENT); /* powers of 2 */
  const int64_t end = segment + gather.width * CUDROPI_SEGMENT;
  if (place.valid == 0) return;
  int turn = first == segment && cudropi_has_tail(&gather, first) ? 0 : 1;
  const int turns = cudropi_has_head(&gather, first, next) ? 2 : 1;
  CUDROPI_ROLLED
  for (; turn < turns; ++turn) {
    const bool is_tail = turn == 0;
    const uint32_t key = cudropi_entry_key(&gather, is_tail ? first : next);
    float sums[CUDROPI_CHUNK];
    cudropi_rows_get<cudropi_f32>(
        cudropi_load<4>(gather.head, cudropi_gather_at(args, next - 1, place.col), 1,
                        is_tail ? 0 : place.valid),
        sums);
    cudropi_join_tails(args, place, key, is_tail ? first : next, end, sums);
    const bool goes_on = end < gather.entries && cudropi_entry_key(&gather, end) == key;
    cudropi_gather_end_run<Type>(args, key, place, is_tail ? first : end - 1, is_tail,
                                 goes_on, sums);
  }
}

#endif /* CUDROP_KERNEL_EMBEDDING_GRADIENT_CUH */
