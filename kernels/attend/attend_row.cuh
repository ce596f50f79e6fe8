/*
 * attend_row.cuh - what the kernels of attention without a matrix share: the places of rows and
 * keys, keep bits, and the walk of the kernels that take any call.
 *
 * In that walk a warp has 4 rows on the left, of queries or of keys, in shared memory, and goes
 * through rows on the right, of keys or of queries, 32 at a time:
 *
 *   weights    lane l makes those of right row l, for each of the 4 left rows
 *   products   lane l has the columns l, l + 32, ... of the sums over the 32 right rows
 *
 * Warps do not wait for each other.
 */
#ifndef CUDROP_KERNEL_ATTEND_ROW_CUH
#define CUDROP_KERNEL_ATTEND_ROW_CUH

#include "ops/attend/attend.h"
#include "ops/fused/activation.h"
#include "row_walk.cuh"

using cudropi_attend_args_t = cudropi_rows_args_of<cudropi_attend_t>;

enum {
  CUDROPI_ATTEND_WARPS = 4, /* of a block */
  CUDROPI_ATTEND_THREADS = CUDROPI_ATTEND_WARPS * CUDROPI_WARP,
  CUDROPI_ATTEND_LEFT = 4,                                       /* left rows of a warp */
  CUDROPI_ATTEND_TURNS = CUDROPI_ATTEND_MOST_COLS / CUDROPI_WARP /* columns of a lane */
};

/* Tuning: the least number of blocks that fit on a multiprocessor. With 3 the compiler spills for
 * sm_120, where it takes up to 184 registers. On sm_75 to sm_90 it takes at most 166: 3 blocks fit. */
enum { CUDROPI_ATTEND_BLOCKS = 2 };

/* Tensor cores make weights times 2^at, so that F16 holds small ones too. BF16 needs no lift. */
template <class Type>
struct cudropi_lift {
  static constexpr float at = 0.0f, back = 1.0f;
};
template <>
struct cudropi_lift<cudropi_f16> {
  static constexpr float at = 12.0f, back = 0x1p-12f;
};

#define CUDROPI_LOG2_E 0x1.715476p0f
#define CUDROPI_LN_2 0x1.62e43p-1f

/* ---- Places ------------------------------------------------------------------------------ */

/* Where a row of an operand begins. Of K, V, DK and DV: the first key that the row may see. */
CUDROPI_DEVICE int64_t cudropi_attend_place(const cudropi_attend_args_t &args,
                                            int operand, int64_t row) {
  return cudropi_row_place(args.rank, args.shape, args.side[operand].stride, row);
}

/* From a query of a head to the next. With one query a head the number is not used. */
CUDROPI_DEVICE int64_t cudropi_query_stride(const cudropi_attend_args_t &args,
                                            int operand) {
  return args.side[operand].stride[args.rank - 1];
}

CUDROPI_DEVICE bool cudropi_attend_has(const cudropi_attend_args_t &args, int operand) {
  return args.side[operand].data != nullptr;
}

/* ---- Numbers of a row -------------------------------------------------------------------- */

/* The lse of a row, made +infinity for a row without keys, all of whose weights then are 0. */
CUDROPI_DEVICE float cudropi_attend_lse(const cudropi_attend_args_t &args, int64_t row) {
  const float lse = cudropi_row_read(args, CUDROPI_ATTEND_LSE, row);
  return lse == -INFINITY ? INFINITY : lse;
}

/* Is every weight dropped, with no draw? */
CUDROPI_DEVICE bool cudropi_drops_all(const cudropi_attend_args_t &args,
                                      const cudropi_rows_mask_t &mask) {
  return args.bits == nullptr && mask.schedule.fate == CUDROP_MASK_DROPPED;
}

/* The mask index of the first key of a row. */
CUDROPI_DEVICE uint64_t cudropi_attend_index(const cudropi_attend_args_t &args,
                                             const cudropi_rows_mask_t &mask,
                                             int64_t row) {
  return mask.index_base +
         (uint64_t)cudropi_row_place(args.rank, args.shape, args.index_stride, row);
}

/* The keep bits of the keys [key, key + 8) of a row; those not in `wanted` are unspecified. */
CUDROPI_DEVICE uint32_t cudropi_attend_keep(const cudropi_attend_args_t &args,
                                            const cudropi_rows_mask_t &mask, int64_t row,
                                            int64_t key, uint32_t wanted) {
  if (args.bits == nullptr && mask.schedule.fate != CUDROP_MASK_DRAWN)
    return mask.schedule.fate == CUDROP_MASK_KEPT ? 0xff : 0;
  if (args.bits == nullptr)
    return cudropi_keep_strided(
        mask.schedule,
        cudropi_attend_index(args, mask, row) + (uint64_t)(key * args.index_step),
        (uint64_t)args.index_step, wanted);
  return cudropi_rows_bits(args.bits, row * args.options.attention.visible.keys + key,
                           wanted);
}

/* ---- The walk ---------------------------------------------------------------------------- */

/* What a warp keeps in shared memory: its left rows, of `sides` operands, and as many weights of
 * each pair of a left and a right row. */
template <int sides>
struct cudropi_attend_held_t {
  float left[sides][CUDROPI_ATTEND_LEFT][CUDROPI_ATTEND_MOST_COLS];
  float weight[sides][CUDROPI_WARP][CUDROPI_ATTEND_LEFT];
};

/* The columns of a lane, of sums for the left rows. */
using cudropi_attend_sums_t = float[CUDROPI_ATTEND_LEFT][CUDROPI_ATTEND_TURNS];

CUDROPI_DEVICE uint32_t cudropi_lane() {
  return threadIdx.x % CUDROPI_WARP;
}
CUDROPI_DEVICE uint32_t cudropi_warp() {
  return threadIdx.x / CUDROPI_WARP;
}

/* Load row `at` of an operand, times `scale`, to shared memory; +0 if there is no such row. */
template <class Type>
CUDROPI_DEVICE void cudropi_attend_load_left(const cudropi_attend_args_t &args,
                                             int operand, bool is_there, int64_t at,
                                             float scale, float *left) {
  const int64_t col = (int64_t)cudropi_lane() * CUDROPI_CHUNK;
  float values[CUDROPI_CHUNK] = {};
  if (col >= args.cols) return;
  if (is_there)
    cudropi_rows_get<Type>(
        cudropi_load<Type::bytes>(args.side[operand].data, at + col, 1, 0xff), values);
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) left[col + j] = values[j] * scale;
}

/* dots[r] = the sum over the columns of left row r times the row `at` of an operand */
template <class Type>
CUDROPI_DEVICE void cudropi_attend_dots(
    const cudropi_attend_args_t &args, int operand, int64_t at,
    const float (&left)[CUDROPI_ATTEND_LEFT][CUDROPI_ATTEND_MOST_COLS],
    float (&dots)[CUDROPI_ATTEND_LEFT]) {
  const int chunks = (int)args.cols / CUDROPI_CHUNK;
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) dots[r] = 0.0f;
#pragma unroll 1
  for (int c = 0; c < chunks; ++c) {
    float values[CUDROPI_CHUNK];
    cudropi_rows_get<Type>(cudropi_load<Type::bytes>(args.side[operand].data,
                                                     at + c * CUDROPI_CHUNK, 1, 0xff),
                           values);
#pragma unroll
    for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j)
        dots[r] = __fmaf_rn(left[r][c * CUDROPI_CHUNK + j], values[j], dots[r]);
    }
  }
}

/* sums += weights times the right rows at `at`, at + stride, ..., of those in `wanted` */
template <class Type>
CUDROPI_DEVICE void cudropi_attend_add(
    const cudropi_attend_args_t &args, int operand, int64_t at, int64_t stride,
    uint32_t wanted, const float (&weight)[CUDROPI_WARP][CUDROPI_ATTEND_LEFT],
    cudropi_attend_sums_t &sums) {
#pragma unroll 1
  for (int k = 0; k < CUDROPI_WARP; ++k) {
    if ((wanted >> k & 1) == 0) continue;
#pragma unroll
    for (int turn = 0; turn < CUDROPI_ATTEND_TURNS; ++turn) {
      const int64_t col = turn * CUDROPI_WARP + (int64_t)cudropi_lane();
      if (col >= args.cols) break;
      const float value = Type::get(
          cudropi_load<Type::bytes>(args.side[operand].data, at + k * stride + col, 1, 1),
          0);
#pragma unroll
      for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r)
        sums[r][turn] = __fmaf_rn(weight[k][r], value, sums[r][turn]);
    }
  }
}

/* A sum times its factor, +0 where the product is -0. */
CUDROPI_DEVICE float cudropi_attend_scale(float sum, float factor) {
  return __fmaf_rn(sum, factor, 0.0f);
}

/* Write the sums of left row r, times `factor`, to shared memory. A factor of 0 makes +0 of NaN,
 * too. */
CUDROPI_DEVICE void cudropi_attend_finish(const cudropi_attend_args_t &args, int r,
                                          float factor, const cudropi_attend_sums_t &sums,
                                          float *finished) {
#pragma unroll
  for (int turn = 0; turn < CUDROPI_ATTEND_TURNS; ++turn) {
    const int64_t col = turn * CUDROPI_WARP + (int64_t)cudropi_lane();
    if (col < args.cols)
      finished[col] = factor == 0.0f ? 0.0f : cudropi_attend_scale(sums[r][turn], factor);
  }
}

/* Store a finished row at `at` of an operand, or add it to the row there. */
template <class Type>
CUDROPI_DEVICE void cudropi_attend_store(const cudropi_attend_args_t &args, int operand,
                                         int64_t at, const float *finished) {
  const int64_t col = (int64_t)cudropi_lane() * CUDROPI_CHUNK;
  float values[CUDROPI_CHUNK];
  if (col >= args.cols) return;
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = finished[col + j];
  if (args.adds_to_data)
    cudropi_rows_add<Type>(
        cudropi_load<Type::bytes>(args.side[operand].data, at + col, 1, 0xff), values);
  cudropi_store<Type::bytes>(args.side[operand].data, at + col, 1, 0xff,
                             cudropi_rows_pack<Type>(values));
}

/* Store the sums of the left rows in `wanted`, times `factor`, at `at`, at + stride, ... `finished`
 * is shared memory that no lane reads any more. */
template <class Type>
CUDROPI_DEVICE void cudropi_attend_store_sums(
    const cudropi_attend_args_t &args, int operand, int64_t at, int64_t stride,
    uint32_t wanted, float factor, const cudropi_attend_sums_t &sums,
    float (&finished)[CUDROPI_ATTEND_LEFT][CUDROPI_ATTEND_MOST_COLS]) {
  __syncwarp();
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r)
    cudropi_attend_finish(args, r, factor, sums, finished[r]);
  __syncwarp();
#pragma unroll 1
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r)
    if (wanted >> r & 1)
      cudropi_attend_store<Type>(args, operand, at + r * stride, finished[r]);
}

/* ---- Queries on the left ----------------------------------------------------------------- */

/* The left rows of a warp: `n` queries of one head, from `row` on. */
struct cudropi_attend_queries_t {
  int64_t row;
  int n;
  cudropi_seen_t seen[CUDROPI_ATTEND_LEFT]; /* the keys of each */
  cudropi_seen_t all;                       /* these, and those between them */
};

CUDROPI_DEVICE bool cudropi_sees(const cudropi_seen_t &seen, int64_t key) {
  return key >= seen.begin && key < seen.end;
}

/* The keys of `a` and of `b`, and those between them. */
CUDROPI_DEVICE cudropi_seen_t cudropi_join(const cudropi_seen_t &a,
                                           const cudropi_seen_t &b) {
  if (a.begin == a.end) return b;
  if (b.begin == b.end) return a;
  return {a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}

/* How many tasks, of 4 rows each, there are for `rows` rows in heads of `each`. */
CUDROP_INLINE int64_t cudropi_attend_tasks(int64_t rows, int64_t each) {
  return rows / each * ((each + CUDROPI_ATTEND_LEFT - 1) / CUDROPI_ATTEND_LEFT);
}

CUDROPI_DEVICE cudropi_attend_queries_t
cudropi_attend_begin(const cudropi_attend_args_t &args, int64_t task) {
  const cudropi_visible_t &visible = args.options.attention.visible;
  const int64_t in_head = cudropi_attend_tasks(visible.queries, visible.queries);
  const int64_t head = task / in_head, at = (task - head * in_head) * CUDROPI_ATTEND_LEFT;
  const int64_t left = visible.queries - at;
  cudropi_attend_queries_t queries = {};
  queries.row = head * visible.queries + at;
  queries.n = left < CUDROPI_ATTEND_LEFT ? (int)left : CUDROPI_ATTEND_LEFT;
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
    if (r < queries.n) queries.seen[r] = cudropi_find_seen(&visible, queries.row + r);
    queries.all = cudropi_join(queries.all, queries.seen[r]);
  }
  return queries;
}

/* The keep bits of the lane's key, key + lane: bit r is that of left row r. Lane 4 r + i draws the
 * i-th 8 of the 32 keys, of row r. */
CUDROPI_DEVICE uint32_t cudropi_attend_keep_lane(const cudropi_attend_args_t &args,
                                                 const cudropi_rows_mask_t &mask,
                                                 const cudropi_attend_queries_t &queries,
                                                 int64_t key) {
  const uint32_t lane = cudropi_lane(), r = lane / 4;
  const int64_t first = key + lane % 4 * CUDROPI_CHUNK;
  uint32_t drawn = 0, kept = 0;
  const uint32_t wanted = cudropi_bits_before(args.options.attention.visible.keys, first);
  if ((int)r < queries.n && wanted != 0)
    drawn = cudropi_attend_keep(args, mask, queries.row + r, first, wanted);
#pragma unroll
  for (int row = 0; row < CUDROPI_ATTEND_LEFT; ++row) {
    const uint32_t byte = __shfl_sync(0xffffffffu, drawn, 4 * row + (int)(lane / 8));
    kept |= (byte >> lane % 8 & 1) << row;
  }
  return kept;
}

/* The first of the 32 keys that a key is done with. */
CUDROPI_DEVICE int64_t cudropi_attend_first(int64_t key) {
  return key / CUDROPI_WARP * CUDROPI_WARP;
}

/* Lanes whose key is before `end`, of the keys from `key` on. */
CUDROPI_DEVICE uint32_t cudropi_lanes_before(int64_t end, int64_t key) {
  const int64_t left = end - key;
  return left >= CUDROPI_WARP ? 0xffffffffu : left <= 0 ? 0 : (1u << left) - 1;
}

/* Lanes whose key is seen. */
CUDROPI_DEVICE uint32_t cudropi_attend_lanes(const cudropi_seen_t &seen, int64_t key) {
  return cudropi_lanes_before(seen.end, key) & ~cudropi_lanes_before(seen.begin, key);
}

/* Do task(0), ..., task(tasks - 1), each by one warp. */
template <class Task>
CUDROPI_DEVICE void cudropi_attend_each(int64_t tasks, Task task) {
#pragma unroll 1
  for (int64_t t =
           (int64_t)blockIdx.x * CUDROPI_ATTEND_WARPS + threadIdx.x / CUDROPI_WARP;
       t < tasks; t += (int64_t)gridDim.x * CUDROPI_ATTEND_WARPS) {
    __syncwarp();
    task(t);
  }
}

/* ---- Launch ------------------------------------------------------------------------------ */

/* A kernel for one type. */
struct cudropi_attend_instance_t {
  cudrop_dtype_t dtype;
  void (*kernel)(cudropi_attend_args_t);
};

/* The instances of a kernel template <type> for every type. */
#define CUDROPI_ATTEND_INSTANCES(KERNEL)                                    \
  {                                                                         \
    {CUDROP_F32, KERNEL<cudropi_f32>}, {CUDROP_F16, KERNEL<cudropi_f16>}, { \
      CUDROP_BF16, KERNEL<cudropi_bf16>                                     \
    }                                                                       \
  }

/* Launch a kernel for `tasks` tasks, one a warp. */
static inline cudaError_t cudropi_attend_launch(
    const cudropi_attend_instance_t (&instances)[3], const cudropi_work_t *work,
    int64_t tasks) {
  const int64_t blocks = (tasks + CUDROPI_ATTEND_WARPS - 1) / CUDROPI_ATTEND_WARPS;
  const cudropi_attend_args_t args = cudropi_rows_args<cudropi_attend_args_t>(work->plan);
  const dim3 grid((unsigned)(blocks < INT32_MAX ? blocks : INT32_MAX));
  if (tasks == 0) return cudaSuccess;
  for (const cudropi_attend_instance_t &instance : instances)
    if (instance.dtype == work->plan->branch)
      return LAUNCH(instance.kernel, grid, CUDROPI_ATTEND_THREADS, 0, work->stream, args);
  return cudaErrorInvalidDeviceFunction;
}

#endif /* CUDROP_KERNEL_ATTEND_ROW_CUH */
