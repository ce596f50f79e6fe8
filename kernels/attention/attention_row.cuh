/*
 * attention_row.cuh - what the kernels of attention weights share: the threads of a row, the keys
 * that a row sees, and keep bits.
 *
 * The threads of a row take the row's chunks in turn, as in row_sum.h. For 2 threads:
 *
 *   chunk        0          1          2          3          4
 *   taken by  thread 0 | thread 1 | thread 0 | thread 1 | thread 0
 *   turn         0          0          1          1          2
 *
 * A kernel of one turn holds one chunk per thread at a time, a kernel of four turns holds four. If
 * these chunks are the whole row, their values stay in registers from one pass over the row to the
 * next. In longer rows each pass loads and computes the values again.
 */
#ifndef CUDROP_KERNEL_ATTENTION_ROW_CUH
#define CUDROP_KERNEL_ATTENTION_ROW_CUH

#include "ops/attention/attention.h"
#include "row_sum.cuh"
#include "rows_cursor.cuh"
#include "rows_launch.cuh"

using cudropi_attention_args_t = cudropi_rows_args_of<cudropi_attention_t>;

/* The most keys of a row in a kernel of one turn, which needs fewer registers. A kernel of
 * CUDROPI_ROW_TURNS turns takes any row. */
enum { CUDROPI_ONE_TURN = CUDROPI_WARP * CUDROPI_CHUNK };

/* Tuning: the least number of blocks that fit on a multiprocessor, which limits registers. */
constexpr int cudropi_attention_blocks(cudropi_rows_walk_t walk, int turns) {
  return turns == 1 && walk != CUDROPI_ROWS_GENERAL ? 4 : 2;
}

/* The row of a thread. */
struct cudropi_attention_row_t {
  int64_t row;
  int64_t cols;        /* 0 without a row, which then sees nothing */
  cudropi_seen_t seen; /* columns */
  int64_t first;       /* column of the thread's first chunk */
  int64_t step;        /* columns from one chunk of the thread to the next */
};

/* The number of groups of rows. A block takes one group at a time. */
CUDROP_INLINE int64_t cudropi_attention_groups(int64_t rows, int row_log2) {
  const int group_log2 = 8 - row_log2;
  return (rows + (1 << group_log2) - 1) >> group_log2;
}
static_assert(CUDROPI_TILE_THREADS == 1 << 8 && CUDROPI_ROW_MOST_THREADS == 1 << 8,
              "a block is a row at most");

CUDROPI_DEVICE cudropi_attention_row_t
cudropi_attention_begin(const cudropi_attention_args_t &args, int64_t group) {
  const uint32_t threads = 1u << args.row_log2;
  cudropi_attention_row_t row = {};
  row.row = (group << (8 - args.row_log2)) + (threadIdx.x >> args.row_log2);
  row.first = (int64_t)(threadIdx.x & (threads - 1)) * CUDROPI_CHUNK;
  row.step = (int64_t)threads * CUDROPI_CHUNK;
  if (row.row >= args.rows) return row;
  row.cols = args.cols;
  row.seen = cudropi_find_seen(&args.options.visible, row.row);
  return row;
}

/* Do `turns` turns take the whole row? */
template <int turns>
CUDROPI_DEVICE bool cudropi_attention_is_held(const cudropi_attention_args_t &args) {
  return turns == 1 || args.cols <= (int64_t)(turns * CUDROPI_CHUNK) << args.row_log2;
}

/* Those of the 8 columns from `col` on that are seen, as bits. */
CUDROPI_DEVICE uint32_t cudropi_seen_bits(const cudropi_seen_t &seen, int64_t col) {
  return cudropi_bits_before(seen.end, col) & ~cudropi_bits_before(seen.begin, col);
}

/* The thread's first column in the turns, of `step` columns each, that see anything. `step` is a
 * power of two. */
CUDROPI_DEVICE int64_t cudropi_attention_first(const cudropi_attention_row_t &row,
                                               int64_t step) {
  return row.first + (row.seen.begin & -step);
}

/* The chunk of a row at column `col`. The columns that the row sees are valid. */
CUDROPI_DEVICE cudropi_rows_place_t cudropi_seen(const cudropi_attention_row_t &row,
                                                 int64_t col) {
  cudropi_rows_place_t place;
  place.row = row.row;
  place.col = col;
  place.valid = cudropi_seen_bits(row.seen, col);
  return place;
}

/* The caller's keep bits of a chunk. They are packed in the tensor's row-major order. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE uint32_t cudropi_read_bits(const cudropi_attention_args_t &args,
                                          const cudropi_rows_place_t &place) {
  const int64_t first = place.row * args.cols + place.col;
  if (walk != CUDROPI_ROWS_GENERAL) return args.bits[first >> 3];
  return cudropi_rows_bits(args.bits, first, place.valid);
}

/* keep[j] is false if column j is not valid. Few chunks have such columns. */
CUDROPI_DEVICE void cudropi_keep_seen(const cudropi_rows_place_t &place,
                                      bool (&keep)[CUDROPI_CHUNK]) {
  if (place.valid == 0xff) return;
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) keep[j] = keep[j] && (place.valid >> j & 1);
}

/* keep[j] is true if column j of a chunk is valid and kept. Not in GENERAL. `group` is the chunk's
 * group of the mask. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE void cudropi_attention_keep8(const cudropi_attention_args_t &args,
                                            const cudropi_rows_mask_t &mask,
                                            const cudropi_rows_place_t &place,
                                            uint64_t group, bool (&keep)[CUDROPI_CHUNK]) {
  if (args.bits != nullptr) {
    const uint32_t bits = cudropi_read_bits<walk>(args, place);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) keep[j] = bits >> j & 1;
  } else {
    cudropi_rows_keep_group<walk>(mask, group, keep);
  }
  cudropi_keep_seen(place, keep);
}

/* The keep bits of a chunk; 0 for columns that are not valid. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE uint32_t cudropi_attention_keep(const cudropi_attention_args_t &args,
                                               const cudropi_rows_mask_t &mask,
                                               const cudropi_rows_place_t &place) {
  bool keep[CUDROPI_CHUNK];
  uint32_t bits = 0;
  if (place.valid == 0) return 0;
  if (args.bits != nullptr) return cudropi_read_bits<walk>(args, place) & place.valid;
  cudropi_rows_keep<walk>(args, mask, place, keep);
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) bits |= (uint32_t)keep[j] << j;
  return bits & place.valid;
}

/*
 * The keep bits of the thread's chunks from `col` on, 8 per turn, the first turn's lowest. The
 * loop is not unrolled: its body is large, and later turns are seldom needed.
 */
template <cudropi_rows_walk_t walk, int turns>
CUDROPI_DEVICE uint32_t cudropi_attention_keep_turns(const cudropi_attention_args_t &args,
                                                     const cudropi_rows_mask_t &mask,
                                                     const cudropi_attention_row_t &row,
                                                     int64_t col) {
  uint32_t bits = 0;
#pragma unroll 1
  for (uint32_t t = 0; t < turns; ++t)
    bits |=
        cudropi_attention_keep<walk>(args, mask, cudropi_seen(row, col + t * row.step))
        << CUDROPI_CHUNK * t;
  return bits;
}

/* Load a chunk, or +0 if no column is valid. DRAWN and PREPARED load all columns of a chunk if
 * one is valid. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE cudropi_chunk_t<Type::bytes> cudropi_load_seen(
    const cudropi_attention_args_t &args, int operand,
    const cudropi_rows_place_t &place) {
  if (place.valid == 0) return {};
  return cudropi_rows_load<walk, Type>(args, operand, place);
}

/* A cursor at column `col` of a row, which goes along the row with the thread. */
template <class Type>
CUDROPI_DEVICE cudropi_rows_cursor_t<Type> cudropi_attention_point(
    const cudropi_attention_args_t &args, int operand, const cudropi_attention_row_t &row,
    int64_t col) {
  return cudropi_rows_point<Type>(args, operand, {row.row, col, 0}, 0, (int32_t)row.step);
}

/* Store the valid columns of a chunk, which are the ones that the row sees. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_put_seen(const cudropi_attention_args_t &args,
                                     const cudropi_rows_cursor_t<Type> &to,
                                     const cudropi_rows_place_t &place,
                                     const cudropi_chunk_t<Type::bytes> &stored) {
  if (place.valid == 0xff || walk == CUDROPI_ROWS_GENERAL) {
    cudropi_rows_put_at<walk>(args, to, place, stored);
  } else if (place.valid != 0) {
    cudropi_store<Type::bytes>(to.chunk, 0, 1, place.valid, stored);
  }
}

/* Store all columns of a chunk that the row has, seen or not. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_store_all(const cudropi_attention_args_t &args, int operand,
                                      cudropi_rows_place_t place,
                                      const float (&values)[CUDROPI_CHUNK]) {
  place.valid = cudropi_bits_before(args.cols, place.col);
  cudropi_rows_store<walk, Type>(args, operand, place, values);
}

/* The kernels of an operator in one type, with TURNS turns. GENERAL always has all. */
#define CUDROPI_ATTENTION_INSTANCE(KERNEL, DTYPE, TYPE, TURNS)  \
  {                                                             \
    DTYPE, DTYPE, {                                             \
      KERNEL<TYPE, CUDROPI_ROWS_DRAWN, TURNS>,                  \
          KERNEL<TYPE, CUDROPI_ROWS_PREPARED, TURNS>,           \
          KERNEL<TYPE, CUDROPI_ROWS_GENERAL, CUDROPI_ROW_TURNS> \
    }                                                           \
  }

/* The kernels of an operator in every type. */
#define CUDROPI_ATTENTION_INSTANCES(KERNEL, TURNS)                           \
  {                                                                          \
    CUDROPI_ATTENTION_INSTANCE(KERNEL, CUDROP_F32, cudropi_f32, TURNS),      \
        CUDROPI_ATTENTION_INSTANCE(KERNEL, CUDROP_F16, cudropi_f16, TURNS),  \
        CUDROPI_ATTENTION_INSTANCE(KERNEL, CUDROP_BF16, cudropi_bf16, TURNS) \
  }

using cudropi_attention_instance_t = cudropi_rows_instance_t<cudropi_attention_args_t>;

/* Launch one block per group of rows, up to the largest grid. */
static inline cudaError_t cudropi_attention_launch(
    const cudropi_attention_instance_t (&one_turn)[3],
    const cudropi_attention_instance_t (&all_turns)[3], const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  const int64_t each = CUDROPI_TILE_THREADS / cudropi_row_threads(plan->cols);
  const int64_t groups = (plan->rows + each - 1) / each, most = INT32_MAX;
  return cudropi_rows_launch_blocks(plan->cols <= CUDROPI_ONE_TURN ? one_turn : all_turns,
                                    work, groups < most ? groups : most);
}

#endif /* CUDROP_KERNEL_ATTENTION_ROW_CUH */
