/* attend_keys_tensor.cuh - dK and dV by tensor cores: the walk through the queries of all heads
 * that read a block's keys */
#ifndef CUDROP_KERNEL_ATTEND_KEYS_TENSOR_CUH
#define CUDROP_KERNEL_ATTEND_KEYS_TENSOR_CUH

#include "attend/attend_keys_part.cuh"

/* The queries of a step. */
struct cudropi_keys_place_t {
  int64_t row; /* the head's first query */
  int from;    /* the step's first query in the head */
  int side;    /* where the head is kept: heads take turns */
};

/* Begin to copy the queries of a step. */
template <int cols>
CUDROPI_DEVICE void cudropi_keys_fetch(const cudropi_attend_args_t &args,
                                       const cudropi_keys_place_t &place,
                                       const cudropi_keys_head_t &head,
                                       const cudropi_keys_shared_t<cols> &shared) {
  constexpr int rows = CUDROPI_STEP_QUERIES;
  const cudropi_range_t seers = head.seers;
  const int own = place.from + (int)cudropi_lane();
  const bool is_there = own >= seers.begin && own < seers.end;
  const int query = is_there ? own : 0;
  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(shared.q, head.q, place.from, seers.end,
                                                  seers.begin);
  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(shared.dout, head.dout, place.from,
                                                  seers.end, seers.begin);
  const float *const numbers = args.of_rows + args.rows + place.row + query;
  if (threadIdx.x < CUDROPI_WARP)
    cudropi_copy4(shared.lifted + cudropi_lane(), numbers, is_there);
  else if (threadIdx.x < 2 * CUDROPI_WARP)
    cudropi_copy4(shared.delta + cudropi_lane(), numbers + args.rows, is_there);
}

/* The end of the queries of a head that see a key before `end`. */
CUDROPI_DEVICE int64_t cudropi_keys_queries(const cudropi_attend_args_t &args, int end) {
  const cudropi_visible_t &visible = args.options.attention.visible;
  const int64_t last = end - visible.query_skip; /* query i begins at i + skip */
  return last < visible.queries ? last : visible.queries;
}

/* Go to the first step of this head or of a later one before `end` that sees one of the block's
 * keys. A head that is gone to is kept in head[place.side]. */
CUDROPI_DEVICE void cudropi_keys_seek(const cudropi_attend_args_t &args,
                                      const cudropi_rows_mask_t &mask, int64_t end,
                                      const cudropi_range_t &keys,
                                      cudropi_keys_place_t &place,
                                      cudropi_keys_head_t *head) {
  const int64_t queries = args.options.attention.visible.queries;
#pragma unroll 1
  for (place.from = 0; place.row < end; place.row += queries) {
    const cudropi_sight_t sight = cudropi_find_sight(args, place.row);
    /* Query i sees a key before i + ahead. */
    const int first = cudropi_larger(0, keys.begin + 1 - sight.ahead);
    if (keys.begin >= sight.end || first >= cudropi_keys_queries(args, keys.end))
      continue;
    place.from = first / CUDROPI_STEP_QUERIES * CUDROPI_STEP_QUERIES;
    place.side ^= 1;
    if (cudropi_lane() == 0)
      head[place.side] = {cudropi_query_lines(args, CUDROPI_ATTEND_Q, place.row),
                          cudropi_query_lines(args, CUDROPI_ATTEND_DOUT, place.row),
                          cudropi_find_groups(args, mask, place.row), sight,
                          cudropi_find_seers(sight, (int)queries)};
    __syncwarp();
    return;
  }
}

CUDROPI_DEVICE void cudropi_keys_next(const cudropi_attend_args_t &args,
                                      const cudropi_rows_mask_t &mask, int64_t end,
                                      const cudropi_range_t &keys,
                                      cudropi_keys_place_t &place,
                                      cudropi_keys_head_t *head) {
  place.from += CUDROPI_STEP_QUERIES;
  if (place.from < cudropi_keys_queries(args, keys.end)) return;
  place.row += args.options.attention.visible.queries;
  cudropi_keys_seek(args, mask, end, keys, place, head);
}

/* The keys that the queries of the heads [row, end) see, and those between. */
CUDROPI_DEVICE cudropi_range_t cudropi_keys_seen(const cudropi_attend_args_t &args,
                                                 int64_t row, int64_t end) {
  const int64_t queries = args.options.attention.visible.queries;
  cudropi_range_t seen = {};
#pragma unroll 1
  for (; row < end; row += queries) {
    const cudropi_sight_t sight = cudropi_find_sight(args, row);
    seen.begin = cudropi_first_seen(sight, 0); /* of every head */
    seen.end = cudropi_larger(seen.end, cudropi_count_seen(sight, (int)queries - 1));
  }
  return seen;
}

/* Store a warp's sums for its keys, of those in `stored`. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_keys_store(const cudropi_attend_args_t &args, int operand,
                                       int64_t row, int first,
                                       const cudropi_range_t &stored, float factor,
                                       const cudropi_sum_t (&sum)[tiles][cols / 8]) {
  const int lane = (int)cudropi_lane();
  const int64_t begin = cudropi_attend_place(args, operand, row) + 2 * (lane % 4);
  if (!cudropi_attend_has(args, operand)) return;
#pragma unroll
  for (int a = 0; a < tiles; ++a) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int key = first + 16 * a + 2 * (lane / 4) + h;
      if (key < stored.begin || key >= stored.end) continue;
#pragma unroll
      for (int d = 0; d < cols / 8; ++d)
        cudropi_store_pair<Type>(args.side[operand].data,
                                 begin + key * args.options.key_stride[operand] + 8 * d,
                                 args.adds_to_data,
                                 cudropi_attend_scale(sum[a][d].at[2 * h], factor),
                                 cudropi_attend_scale(sum[a][d].at[2 * h + 1], factor));
    }
  }
}

/* A block: the keys [first, first + rows) of the heads whose rows begin at `row`. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_keys_block(const cudropi_attend_args_t &args,
                                       const cudropi_rows_mask_t &mask, int64_t row,
                                       int first,
                                       const cudropi_keys_shared_t<cols> &shared,
                                       cudropi_keys_head_t *head) {
  constexpr int rows = CUDROPI_ATTEND_WARPS * 16 * tiles, step = CUDROPI_STEP_QUERIES;
  const int64_t end = row + args.options.group * args.options.attention.visible.queries;
  const cudropi_range_t seen = cudropi_keys_seen(args, row, end),
                        keys = {first, first + rows};
  const cudropi_slopes_t slopes = cudropi_find_slopes<Type>(args, mask);
  cudropi_keys_place_t place = {row, 0, 0};
  cudropi_keys_t<cols, tiles> state;
  state.own = (int)(threadIdx.x / CUDROPI_WARP) * 16 * tiles;
  state.first = first + state.own;
#pragma unroll
  for (int a = 0; a < tiles; ++a) {
#pragma unroll
    for (int d = 0; d < cols / 8; ++d) state.dk[a][d] = {}, state.dv[a][d] = {};
  }
  cudropi_keys_seek(args, mask, end, keys, place, head);
  cudropi_fetch_tile<cols, rows, cudropi_by_twos>(
      shared.k, cudropi_key_lines(args, CUDROPI_ATTEND_K, row), first, seen.end,
      seen.begin);
  cudropi_fetch_tile<cols, rows, cudropi_by_twos>(
      shared.v, cudropi_key_lines(args, CUDROPI_ATTEND_V, row), first, seen.end,
      seen.begin);
  if (place.row < end) cudropi_keys_fetch(args, place, head[place.side], shared);
  cudropi_end_batch();
  cudropi_await_batches<0>();
  __syncthreads();
#pragma unroll 1
  for (int turn = 0; place.row < end; turn ^= 1) {
    const cudropi_keys_head_t &now = head[place.side];
    const int from = place.from;
    cudropi_keys_next(args, mask, end, keys, place, head);
    if (place.row < end)
      cudropi_keys_fetch(args, place, head[place.side], shared.at((turn ^ 1) * step));
    cudropi_end_batch();
#pragma unroll 1
    for (int at = 0; at < step; at += 16) /* the same for all threads of a warp */
      if (cudropi_any_sees(now.sight, from + at, 16, state.first, 16 * tiles))
        cudropi_keys_part<Type>(args, mask, slopes, now, from + at,
                                shared.at(turn * step + at), state);
    cudropi_await_batches<0>();
    __syncthreads();
  }
  cudropi_range_t stored = {0, (int)args.options.attention.visible.keys};
  if (args.adds_to_data) stored = seen;
  cudropi_keys_store<Type, cols, tiles>(args, CUDROPI_ATTEND_DK, row, state.first, stored,
                                        args.options.attention.scores_scale, state.dk);
  cudropi_keys_store<Type, cols, tiles>(args, CUDROPI_ATTEND_DV, row, state.first, stored,
                                        slopes.factor, state.dv);
}

template <class Type, int cols, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS, CUDROPI_TILE_BLOCKS)
    cudropi_attend_keys_tensor(const __grid_constant__ cudropi_attend_args_t args) {
  if constexpr (cudropi_has_tensor_cores) {
    DYNAMIC_SHARED(uint16_t, memory);
    using shape = cudropi_keys_shape<cols>;
    constexpr int step = CUDROPI_STEP_QUERIES;
    SHARED_ARRAY(cudropi_keys_head_t, heads, 2 * CUDROPI_ATTEND_WARPS);
    cudropi_begin_batches();
    CUDROPI_ROWS_MASK(walk, args, mask);
    cudropi_keys_shared_t<cols> shared;
    shared.k = memory;
    shared.v = shared.k + shape::rows * cols;
    shared.q = shared.v + shape::rows * cols;
    shared.dout = shared.q + 2 * step * cols;
    shared.lifted = reinterpret_cast<float *>(shared.dout + 2 * step * cols);
    shared.delta = shared.lifted + 2 * step;
    const cudropi_visible_t &visible = args.options.attention.visible;
    const uint32_t tiles = (uint32_t)((visible.keys + shape::rows - 1) / shape::rows);
    const uint32_t head = blockIdx.x / tiles, tile = blockIdx.x - head * tiles;
    cudropi_keys_block<Type, cols, shape::tiles>(
        args, mask, head * args.options.group * visible.queries, (int)tile * shape::rows,
        shared, heads + 2 * (threadIdx.x / CUDROPI_WARP));
  }
}

#endif /* CUDROP_KERNEL_ATTEND_KEYS_TENSOR_CUH */
