/*
 * attend_tile.cuh - what the tensor-core kernels of attention share: the rows of a head, their
 * tiles in shared memory, and which pairs of a query and a key are seen and kept.
 *
 * A tile has rows of `cols` elements of 16 bits, in chunks of 8. ldmatrix reads a chunk of 8 rows
 * at a time, and is fastest if these lie in 8 different places modulo 128 bytes. So chunk c of row
 * r lies where chunk c XOR turn(r) would, with `turn` by the rows that are read together.
 */
#ifndef CUDROP_KERNEL_ATTEND_TILE_CUH
#define CUDROP_KERNEL_ATTEND_TILE_CUH

#include "attend/attend_row.cuh"
#include "attend/tensor_core.cuh"

/* Tuning. */
enum {
  CUDROPI_STEP_KEYS = 64,    /* of a step along keys */
  CUDROPI_STEP_QUERIES = 32, /* of a step along queries */
  CUDROPI_TILE_BLOCKS = 2    /* the least number of blocks that fit on a multiprocessor */
};

/* ---- Rows of a head ---------------------------------------------------------------------- */

/* The rows of an operand along the queries or the keys of a head. */
struct cudropi_lines_t {
  const uint16_t *first;
  int64_t stride;
};

CUDROPI_DEVICE cudropi_lines_t cudropi_query_lines(const cudropi_attend_args_t &args,
                                                   int operand, int64_t row) {
  return {static_cast<const uint16_t *>(args.side[operand].data) +
              cudropi_attend_place(args, operand, row),
          cudropi_query_stride(args, operand)};
}

CUDROPI_DEVICE cudropi_lines_t cudropi_key_lines(const cudropi_attend_args_t &args,
                                                 int operand, int64_t row) {
  return {static_cast<const uint16_t *>(args.side[operand].data) +
              cudropi_attend_place(args, operand, row),
          args.options.key_stride[operand]};
}

CUDROPI_DEVICE int cudropi_smaller(int a, int b) {
  return a < b ? a : b;
}
CUDROPI_DEVICE int cudropi_larger(int a, int b) {
  return a > b ? a : b;
}

/* Which keys the queries of a head see: query i those from i + skip on, before i + ahead, and of
 * these those before `end`. */
struct cudropi_sight_t {
  int end, ahead, skip;
};

CUDROPI_DEVICE cudropi_sight_t cudropi_find_sight(const cudropi_attend_args_t &args,
                                                  int64_t row) {
  const cudropi_visible_t &visible = args.options.attention.visible;
  cudropi_visible_t all = visible;
  all.is_causal = false;
  const int end = (int)cudropi_find_seen(&all, row).end;
  return {end, visible.is_causal ? (int)visible.query_offset + 1 : (int)visible.keys,
          (int)visible.query_skip};
}

/* A query sees the keys from cudropi_first_seen() on and before cudropi_count_seen(), if there are
 * any. */
CUDROPI_DEVICE int cudropi_count_seen(const cudropi_sight_t &sight, int query) {
  return cudropi_larger(0, cudropi_smaller(sight.end, query + sight.ahead));
}
CUDROPI_DEVICE int cudropi_first_seen(const cudropi_sight_t &sight, int query) {
  return cudropi_larger(0, query + sight.skip);
}

/* What lies from `begin` on, before `end`. */
struct cudropi_range_t {
  int begin, end;
};

/* The queries of a head that see a key, if one does. Others are not looked at: a NaN there would be
 * in every sum. */
CUDROPI_DEVICE cudropi_range_t cudropi_find_seers(const cudropi_sight_t &sight,
                                                  int queries) {
  return {cudropi_larger(0, 1 - sight.ahead),
          cudropi_smaller(queries, sight.end - sight.skip)};
}

/* Do the queries [query, query + n) all see the keys [key, key + keys)? Does one see one of them?
 * Both are worked out without a branch. */
CUDROPI_DEVICE bool cudropi_all_see(const cudropi_sight_t &sight, int query, int n,
                                    int key, int keys) {
  const bool ends = key + keys <= cudropi_count_seen(sight, query),
             begins = key >= cudropi_first_seen(sight, query + n - 1);
  return ends & begins;
}
CUDROPI_DEVICE bool cudropi_any_sees(const cudropi_sight_t &sight, int query, int n,
                                     int key, int keys) {
  const bool begins =
      key<cudropi_count_seen(sight, query + n - 1), ends = key + keys> cudropi_first_seen(
          sight, query);
  return begins & ends;
}

/* ---- Tiles ------------------------------------------------------------------------------- */

/* Rows r, r + 1, ..., r + 7 are read together. */
struct cudropi_by_ones {
  static __device__ __forceinline__ int turn(int r) { return r & 7; }
};
/* Rows r, r + 2, ..., r + 14. */
struct cudropi_by_twos {
  static __device__ __forceinline__ int turn(int r) { return r >> 1 & 7; }
};
/* Rows r, r + 1, r + 8, r + 9, ..., r + 25. */
struct cudropi_by_pairs {
  static __device__ __forceinline__ int turn(int r) { return (r & 1) | (r >> 2 & 6); }
};

template <int cols, class Order>
CUDROPI_DEVICE int cudropi_tile_place(int r, int c) {
  return r * cols + (c ^ Order::turn(r)) * CUDROPI_CHUNK;
}

/* From the place of (r, c) to that of (r + rows, c ^ chunks), for constants `rows` and `chunks`. r
 * and `rows` have no bit in common. */
template <int cols, class Order>
CUDROPI_DEVICE int cudropi_tile_move(int place, int rows, int chunks) {
  return (place ^ ((chunks ^ Order::turn(rows)) * CUDROPI_CHUNK)) + rows * cols;
}

/* Begin to copy the rows [first, first + rows) to a tile; +0 for rows from `end` on, or before
 * `begin`. */
template <int cols, int rows, class Order>
CUDROPI_DEVICE void cudropi_fetch_tile(uint16_t *tile, const cudropi_lines_t &lines,
                                       int first, int end, int begin = INT32_MIN) {
  constexpr int chunks = cols / CUDROPI_CHUNK, step = CUDROPI_ATTEND_THREADS / chunks;
  const int r = (int)threadIdx.x / chunks, c = (int)threadIdx.x % chunks;
  const int place = cudropi_tile_place<cols, Order>(r, c);
  const uint16_t *from = lines.first + (first + r) * lines.stride + c * CUDROPI_CHUNK;
#pragma unroll
  for (int i = 0; i < rows / step; ++i) {
    const int row = first + r + i * step;
    const bool is_there = row >= begin && row < end;
    cudropi_copy16(tile + cudropi_tile_move<cols, Order>(place, i * step, 0),
                   is_there ? from : lines.first, is_there);
    from += step * lines.stride;
  }
}

/* The left operand of 16 rows, at chunks 2 s and 2 s + 1. `place` is that of chunk lane / 16 of row
 * lane % 16 of them. */
template <int cols, class Order>
CUDROPI_DEVICE cudropi_left_t cudropi_load_left(const uint16_t *tile, int place, int s) {
  cudropi_left_t left;
  cudropi_load_matrices(tile + cudropi_tile_move<cols, Order>(place, 0, 2 * s),
                        left.word);
  return left;
}

/* Load a warp's rows of queries, from row `row` of a tile on, as left operands. Kernels load them
 * again in each step: kept, they would make others spill. */
template <int cols, int tiles>
CUDROPI_DEVICE void cudropi_load_queries(const uint16_t *tile, int row,
                                         cudropi_left_t (&q)[tiles][cols / 16]) {
  const int lane = (int)cudropi_lane();
  const int place = cudropi_tile_place<cols, cudropi_by_ones>(row + lane % 16, lane / 16);
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int s = 0; s < cols / 16; ++s)
      q[m][s] = cudropi_load_left<cols, cudropi_by_ones>(tile + 16 * m * cols, place, s);
  }
}

/* ---- Keys in an order of their own ------------------------------------------------------- */

/*
 * The keys of a stretch of 32 go to the columns of four products of 8 columns in this order:
 *
 *   column n of product k  <->  key 8 (n / 2) + 2 k + n % 2
 *
 * So thread t of a quad holds the keys 8 t to 8 t + 7 of its row, a group of the mask, whose word k
 * is of product k: nothing is drawn twice, and nothing is exchanged. K and V stay where they are,
 * as ldmatrix is passed their rows in that order.
 */
CUDROPI_DEVICE int cudropi_key_of_column(int column) {
  return 8 * (column >> 1) + (column & 1);
}
CUDROPI_DEVICE int cudropi_key_of_product(int product) {
  return 32 * (product / 4) + 2 * (product % 4);
}

/* The key of the thread's elements at[e] and at[2 + e] of a product. */
CUDROPI_DEVICE int cudropi_key_of_element(int product, int e) {
  return cudropi_key_of_product(product) + 8 * (int)(cudropi_lane() % 4) + e;
}

/* sum[m] += left[m] * the rows of a tile as columns, for the 8 keys of a product. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_multiply_keys(const uint16_t *tile, int product,
                                          const cudropi_left_t (&left)[tiles][cols / 16],
                                          cudropi_sum_t (&sum)[tiles]) {
  const int lane = (int)cudropi_lane();
  const int place = cudropi_tile_place<cols, cudropi_by_pairs>(
      cudropi_key_of_column(lane & 7), lane / 8);
#pragma unroll
  for (int half = 0; half < cols / 32; ++half) {
    uint32_t right[4];
    cudropi_load_matrices(tile + cudropi_tile_move<cols, cudropi_by_pairs>(
                                     place, cudropi_key_of_product(product), 4 * half),
                          right);
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
      cudropi_multiply(Type(), sum[m], left[m][2 * half], right[0], right[1]);
      cudropi_multiply(Type(), sum[m], left[m][2 * half + 1], right[2], right[3]);
    }
  }
}

/* sum[m] += left[m] * the rows of a tile, for the 16 keys of products 2 i and 2 i + 1. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_multiply_rows(const uint16_t *tile, int i,
                                          const cudropi_left_t (&left)[tiles],
                                          cudropi_sum_t (&sum)[tiles][cols / 8]) {
  const int lane = (int)cudropi_lane();
  const int place = cudropi_tile_place<cols, cudropi_by_pairs>(
      cudropi_key_of_column(lane & 7) + cudropi_key_of_product(lane >> 3 & 1), lane / 16);
#pragma unroll
  for (int d = 0; d < cols / 8; d += 2) {
    uint32_t right[4];
    cudropi_load_transposed(tile + cudropi_tile_move<cols, cudropi_by_pairs>(
                                       place, cudropi_key_of_product(2 * i), d),
                            right);
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
      cudropi_multiply(Type(), sum[m][d], left[m], right[0], right[1]);
      cudropi_multiply(Type(), sum[m][d + 1], left[m], right[2], right[3]);
    }
  }
}

/* ---- The mask ---------------------------------------------------------------------------- */

/* The groups of a head's rows: that of the first 8 keys of query i is first + i * stride. */
struct cudropi_groups_t {
  uint64_t first;
  uint32_t stride;
};

CUDROPI_DEVICE cudropi_groups_t cudropi_find_groups(const cudropi_attend_args_t &args,
                                                    const cudropi_rows_mask_t &mask,
                                                    int64_t row) {
  return {cudropi_attend_index(args, mask, row) / CUDROPI_CHUNK,
          (uint32_t)(args.index_stride[args.rank - 1] / CUDROPI_CHUNK)};
}

CUDROPI_DEVICE cudrop_philox_block_t cudropi_draw_group(const cudropi_rows_mask_t &mask,
                                                        const cudropi_groups_t &groups,
                                                        int query, int key_group) {
  return cudrop_device_draw(
      mask.schedule,
      groups.first + (uint64_t)(uint32_t)query * groups.stride + (uint32_t)key_group);
}

/* ---- Results ----------------------------------------------------------------------------- */

/* Store two neighbours at element `at`, which is even, or add them to what is there. */
template <class Type>
CUDROPI_DEVICE void cudropi_store_pair(void *data, int64_t at, bool adds, float a,
                                       float b) {
  uint32_t *const to = static_cast<uint32_t *>(data) + at / 2;
  if (adds) {
    const cudropi_pair_t old = {{*to}};
    a = Type::get(old, 0) + a;
    b = Type::get(old, 1) + b;
  }
  *to = cudropi_pack_pair<Type>(a, b);
}

/* ---- Launch ------------------------------------------------------------------------------ */

/* The kernels for one type and head size, by the mask's walk: DRAWN or PREPARED. */
struct cudropi_tile_instance_t {
  cudrop_dtype_t dtype;
  int cols;
  int rows, bytes; /* of a block: rows, and shared memory */
  void (*kernel[2])(cudropi_attend_args_t);
};

#define CUDROPI_TILE_INSTANCE(KERNEL, SHAPE, DTYPE, TYPE, COLS)                         \
  {                                                                                     \
    DTYPE, COLS, SHAPE<COLS>::rows, SHAPE<COLS>::bytes, {                               \
      KERNEL<TYPE, COLS, CUDROPI_ROWS_DRAWN>, KERNEL<TYPE, COLS, CUDROPI_ROWS_PREPARED> \
    }                                                                                   \
  }

/* The instances of a kernel template <type, head size, walk>, and of its template <head size> of
 * shapes. */
#define CUDROPI_TILE_INSTANCES(KERNEL, SHAPE)                                \
  {                                                                          \
    CUDROPI_TILE_INSTANCE(KERNEL, SHAPE, CUDROP_F16, cudropi_f16, 64),       \
        CUDROPI_TILE_INSTANCE(KERNEL, SHAPE, CUDROP_F16, cudropi_f16, 128),  \
        CUDROPI_TILE_INSTANCE(KERNEL, SHAPE, CUDROP_BF16, cudropi_bf16, 64), \
        CUDROPI_TILE_INSTANCE(KERNEL, SHAPE, CUDROP_BF16, cudropi_bf16, 128) \
  }

/* Launch a kernel for `heads` heads of `rows` rows each. */
static inline cudaError_t cudropi_tile_launch(
    const cudropi_tile_instance_t (&instances)[4], const cudropi_work_t *work,
    int64_t heads, int64_t rows) {
  const cudropi_plan_t *plan = work->plan;
  const cudropi_attend_args_t args = cudropi_rows_args<cudropi_attend_args_t>(plan);
  for (const cudropi_tile_instance_t &instance : instances) {
    if (instance.dtype != plan->branch || instance.cols != plan->cols) continue;
    const int64_t tiles = (rows + instance.rows - 1) / instance.rows;
    const dim3 grid((unsigned)(heads * tiles));
    return LAUNCH(instance.kernel[plan->draw.source == CUDROPI_FROM_PREPARED], grid,
                  CUDROPI_ATTEND_THREADS, (size_t)instance.bytes, work->stream, args);
  }
  return cudaErrorInvalidDeviceFunction;
}

#endif /* CUDROP_KERNEL_ATTEND_TILE_CUH */
