/*
 * attention_row.cuh - what the kernels of attention weights share: rows by the threads of
 * row_sum.h, the keys that they see, and keep bits.
 *
 *   a row of 5 chunks, threads t = 2         thread 0 | thread 1 | thread 0 | ...
 *                                            first two turns        | next two turns
 *
 * A thread takes its chunks two turns at a time. Where two turns are the whole row, values stay
 * in registers from one pass over the row to the next; in longer rows each pass finds them again.
 */
#ifndef CUDROP_KERNEL_ATTENTION_ROW_CUH
#define CUDROP_KERNEL_ATTENTION_ROW_CUH

#include "ops/attention/attention.h"
#include "row_sum.cuh"
#include "rows.cuh"

using cudropi_attention_args_t = cudropi_rows_args_of<cudropi_attention_t>;

/* Two turns serve any row; a kernel of one turn, with fewer registers, rows of up to 2048 keys. */
enum { CUDROPI_ONE_TURN = CUDROPI_ROW_MOST_THREADS * CUDROPI_CHUNK };

/* Blocks that a multiprocessor holds at least, which is what limits registers. */
enum { CUDROPI_ATTENTION_BLOCKS = 2 };

/* The row of a thread. */
struct cudropi_attention_row_t {
  int64_t row;
  int64_t cols,
      seen;      /* of the row, and the first ones that count; 0 behind the last row */
  int64_t first; /* column of the thread's first chunk; the next ones are each ... */
  int64_t step;  /* ... so many columns further */
};

/* How many groups of rows there are: a block does one at a time. */
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
  row.seen = cudropi_count_visible(&args.options.visible, row.row);
  return row;
}

/* Are these turns the whole row? */
template <int turns>
CUDROPI_DEVICE bool cudropi_attention_is_held(const cudropi_attention_args_t &args) {
  return turns == 1 || args.cols <= (int64_t)(turns * CUDROPI_CHUNK) << args.row_log2;
}

/* The bits of those of 8 columns from `col` on that lie before `end`. */
CUDROPI_DEVICE uint32_t cudropi_bits_before(int64_t end, int64_t col) {
  const int64_t left = end - col;
  return left <= 0 ? 0 : left < CUDROPI_CHUNK ? (1u << left) - 1 : 0xff;
}

/* Columns of a row, as far as they are seen; and what a walk moves of them. */
CUDROPI_DEVICE cudropi_rows_place_t cudropi_seen(const cudropi_attention_row_t &row,
                                                 int64_t col) {
  cudropi_rows_place_t place;
  place.row = row.row;
  place.col = col;
  place.valid = cudropi_bits_before(row.seen, col);
  return place;
}

/* The caller's keep bits, which are those of the tensor row-major. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE uint32_t cudropi_read_bits(const cudropi_attention_args_t &args,
                                          const cudropi_rows_place_t &place) {
  const int64_t first = place.row * args.cols + place.col;
  if constexpr (walk != CUDROPI_ROWS_GENERAL) {
    return args.bits[first >> 3];
  } else {
    uint32_t bits = 0;
#pragma unroll 1
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      if (place.valid >> j & 1)
        bits |= (uint32_t)(args.bits[(first + j) >> 3] >> ((first + j) & 7) & 1) << j;
    return bits;
  }
}

/* Which columns are kept, of those that are valid. */
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
 * The keep bits of the chunks from `col` on, 8 a turn, the first turn's lowest. A loop, because
 * its body is large and seldom needed twice.
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

/* Load what is seen of a chunk: all of it, or nothing, if the walk has whole chunks. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE cudropi_chunk_t<Type::bytes> cudropi_load_seen(
    const cudropi_attention_args_t &args, int operand,
    const cudropi_rows_place_t &place) {
  if (place.valid == 0) return {};
  return cudropi_rows_load<walk, Type>(args, operand, place);
}

/* Store the columns that are seen, and no others. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_store_seen(const cudropi_attention_args_t &args, int operand,
                                       const cudropi_rows_place_t &place,
                                       const float (&values)[CUDROPI_CHUNK]) {
  if (place.valid == 0xff || walk == CUDROPI_ROWS_GENERAL) {
    cudropi_rows_store<walk, Type>(args, operand, place, values);
  } else if (place.valid != 0) {
    const cudropi_rows_side_t &side = args.side[operand];
    cudropi_chunk_t<Type::bytes> stored = {};
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; j += 2)
      Type::set(stored, j, values[j], values[j + 1]);
    cudropi_store<Type::bytes>(side.data,
                               cudropi_rows_position<walk>(args, side.stride, place), 1,
                               place.valid, stored);
  }
}

/* Store all columns of the row that there are, seen or not. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_store_all(const cudropi_attention_args_t &args, int operand,
                                      cudropi_rows_place_t place,
                                      const float (&values)[CUDROPI_CHUNK]) {
  place.valid = cudropi_bits_before(args.cols, place.col);
  cudropi_rows_store<walk, Type>(args, operand, place, values);
}

/* The kernels of an operator in one type, of one turn or of two: only the walks over whole chunks
 * have both. */
#define CUDROPI_ATTENTION_INSTANCE(KERNEL, DTYPE, TYPE, TURNS) \
  {                                                            \
    DTYPE, DTYPE, {                                            \
      KERNEL<TYPE, CUDROPI_ROWS_DRAWN, TURNS>,                 \
          KERNEL<TYPE, CUDROPI_ROWS_PREPARED, TURNS>,          \
          KERNEL<TYPE, CUDROPI_ROWS_GENERAL, 2>                \
    }                                                          \
  }
#define CUDROPI_ATTENTION_INSTANCES(KERNEL, TURNS)                           \
  {                                                                          \
    CUDROPI_ATTENTION_INSTANCE(KERNEL, CUDROP_F32, cudropi_f32, TURNS),      \
        CUDROPI_ATTENTION_INSTANCE(KERNEL, CUDROP_F16, cudropi_f16, TURNS),  \
        CUDROPI_ATTENTION_INSTANCE(KERNEL, CUDROP_BF16, cudropi_bf16, TURNS) \
  }

using cudropi_attention_instance_t = cudropi_rows_instance_t<cudropi_attention_args_t>;

/* Launch with a block for each group of rows, or as many as there may be. */
static inline cudaError_t cudropi_attention_launch(
    const cudropi_attention_instance_t (&one_turn)[3],
    const cudropi_attention_instance_t (&two_turns)[3], const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  const int64_t each = CUDROPI_TILE_THREADS / cudropi_row_threads(plan->cols);
  const int64_t groups = (plan->rows + each - 1) / each, most = INT32_MAX;
  return cudropi_rows_launch_blocks(plan->cols <= CUDROPI_ONE_TURN ? one_turn : two_turns,
                                    work, groups < most ? groups : most);
}

#endif /* CUDROP_KERNEL_ATTENTION_ROW_CUH */
