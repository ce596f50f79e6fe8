/*
 * rows.cuh - the walk of operators on rows. A block takes one slab of one tile (tiling.h). A
 * thread takes one chunk of 8 columns, in every row of its way.
 *
 * A kernel is compiled for three walks. DRAWN and PREPARED move whole chunks, each of which is a
 * group of the mask. DRAWN takes a mask with 0 < p < 1 by value, or the caller's keep bits.
 * PREPARED takes the mask from a prepared block, and masks that need no drawing. GENERAL takes any
 * alignment, number of columns, row strides and index map, and any mask.
 */
#ifndef CUDROP_KERNEL_ROWS_CUH
#define CUDROP_KERNEL_ROWS_CUH

#include "call/row_sum.h"
#include "general.cuh"

/* The walk that a kernel is compiled for. */
typedef enum {
  CUDROPI_ROWS_DRAWN,
  CUDROPI_ROWS_PREPARED,
  CUDROPI_ROWS_GENERAL,
  CUDROPI_ROWS_WALKS
} cudropi_rows_walk_t;

/* Tuning: the least number of blocks that fit on a multiprocessor, which limits registers. Four
 * spill from sm_100. */
template <cudropi_rows_walk_t walk>
static constexpr int cudropi_rows_blocks = walk == CUDROPI_ROWS_GENERAL
                                               ? (cudropi_is_sm_90 ? 4 : 2)
                                           : cudropi_has_wide_accesses ? 3
                                                                       : 4;

/* An operand on the device. */
struct cudropi_rows_side_t {
  void *data;  /* NULL if the operand is absent */
  bool is_f32; /* the operand's own type is F32 */
  int64_t stride[CUDROP_MAX_RANK];
  int64_t step; /* chunks from one row of a thread to the next, in DRAWN and PREPARED */
};

/* The schedule of a mask, and the mask index of the first element. */
struct cudropi_rows_mask_t {
  cudrop_mask_schedule_t schedule;
  uint64_t index_base;
};

struct cudropi_rows_args_t {
  cudropi_rows_side_t side[CUDROPI_SLOTS];
  int64_t rows, cols;
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  cudropi_tiling_t tiling;
  int lanes_log2;
  /* The mask, or with a prepared block only an index base that is added to the block's. */
  cudropi_rows_mask_t mask;
  uint64_t offset;                   /* added to the offset of the prepared block */
  const cudrop_prepared_t *prepared; /* the prepared block, or NULL */
  int64_t index_stride[CUDROP_MAX_RANK], index_step;
  int64_t
      group_step; /* groups from one row of a thread to the next, in DRAWN and PREPARED */
  /* The caller's keep bits, or NULL. Bit e & 7 of byte e >> 3 is the keep bit of element e. */
  const uint8_t *bits;
  bool adds_to_data, adds_to_parameters;
  float *partial[CUDROPI_SLOTS], *of_rows;
  int row_log2; /* log2 of the threads of a row (row_sum.h) */
};

/* The arguments with the options of an operator. */
template <class Options>
struct cudropi_rows_args_of : cudropi_rows_args_t {
  Options options;
};

/* The chunks from one row of a thread to the next. A stride of GENERAL may make the product
 * wrap. */
static inline int64_t cudropi_rows_step(int64_t stride, const cudropi_tiling_t &tiling) {
  return (int64_t)((uint64_t)(stride / CUDROPI_CHUNK) * (uint64_t)tiling.ways);
}

template <class Args>
static inline Args cudropi_rows_args(const cudropi_plan_t *plan) {
  Args args = {};
  for (int k = 0; k < CUDROPI_SLOTS; ++k) {
    args.side[k].data = plan->operand[k].data;
    args.side[k].is_f32 = plan->operand[k].dtype == CUDROP_F32;
    memcpy(args.side[k].stride, plan->operand[k].stride, sizeof args.side[k].stride);
    args.side[k].step = cudropi_rows_step(plan->operand[k].stride[0], plan->tiling);
  }
  args.rows = plan->rows;
  args.cols = plan->cols;
  args.rank = plan->rank;
  memcpy(args.shape, plan->shape, sizeof args.shape);
  args.tiling = plan->tiling;
  while (1 << args.lanes_log2 < plan->tiling.lanes) ++args.lanes_log2;
  args.mask.schedule = plan->draw.schedule;
  args.mask.index_base = plan->draw.index_base;
  args.prepared = plan->draw.prepared;
  args.offset = plan->draw.offset;
  memcpy(args.index_stride, plan->draw.index_stride, sizeof args.index_stride);
  args.index_step = plan->index_step;
  args.group_step = cudropi_rows_step(args.index_stride[0], plan->tiling);
  if (plan->draw.source == CUDROPI_FROM_OPERAND)
    args.bits = static_cast<const uint8_t *>(plan->operand[plan->op->keep].data);
  args.adds_to_data = plan->adds_to_data;
  args.adds_to_parameters = plan->adds_to_parameters;
  memcpy(args.partial, plan->partial, sizeof args.partial);
  args.of_rows = plan->of_rows;
  while (1 << args.row_log2 < cudropi_row_threads(plan->cols)) ++args.row_log2;
  memcpy(&args.options, plan->options, sizeof args.options);
  return args;
}

/* Copy the block's mask to shared memory. The walk DRAWN reads args.mask and needs no copy. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE void cudropi_rows_read_mask(const cudropi_rows_args_t &args,
                                           cudropi_rows_mask_t *mask) {
  if (walk == CUDROPI_ROWS_DRAWN) return;
  if (args.prepared != nullptr) {
    if (threadIdx.x == 0)
      mask->index_base = args.mask.index_base + args.prepared->index_base;
    cudrop_device_read(args.prepared, args.offset, &mask->schedule);
  } else {
    cudropi_copy_to_block(mask, &args.mask, sizeof *mask);
  }
}

/* Declare `mask`, the mask of the block. */
#define CUDROPI_ROWS_MASK(walk, args, mask)            \
  SHARED_ARRAY(cudropi_rows_mask_t, shared_##mask, 1); \
  cudropi_rows_read_mask<walk>(args, shared_##mask);   \
  const cudropi_rows_mask_t &mask =                    \
      (walk) == CUDROPI_ROWS_DRAWN ? (args).mask : shared_##mask[0]

/* ---- Elements ------------------------------------------------------------------------ */

/* A chunk of a row: the columns from `col` on. Column col + j counts if bit j of `valid` is 1. */
struct cudropi_rows_place_t {
  int64_t row, col;
  uint32_t valid;
};

/* Bit j is 1 if column col + j lies before `end`, for j from 0 to 7. */
CUDROPI_DEVICE uint32_t cudropi_bits_before(int64_t end, int64_t col) {
  const int64_t left = end - col;
  return left <= 0 ? 0 : left < CUDROPI_CHUNK ? (1u << left) - 1 : 0xff;
}

/* The `valid` of a place at column `col`. */
CUDROPI_DEVICE uint32_t cudropi_rows_valid(const cudropi_rows_args_t &args, int64_t col) {
  return cudropi_bits_before(args.cols, col);
}

template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE int64_t cudropi_rows_position(const cudropi_rows_args_t &args,
                                             const int64_t *stride,
                                             const cudropi_rows_place_t &place) {
  if (walk != CUDROPI_ROWS_GENERAL) return place.row * stride[0] + place.col;
  return cudropi_row_place(args.rank, args.shape, stride, place.row) + place.col;
}

/* Load a chunk of an operand that has the type Type. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE cudropi_chunk_t<Type::bytes> cudropi_rows_load(
    const cudropi_rows_args_t &args, int operand, const cudropi_rows_place_t &place) {
  using chunk = cudropi_chunk_t<Type::bytes>;
  const cudropi_rows_side_t &side = args.side[operand];
  const int64_t at = cudropi_rows_position<walk>(args, side.stride, place);
  if (walk == CUDROPI_ROWS_GENERAL)
    return cudropi_load<Type::bytes>(side.data, at, 1, place.valid);
  return static_cast<const chunk *>(side.data)[(uint64_t)at / CUDROPI_CHUNK];
}

/* Round values to a chunk of Type. */
template <class Type>
CUDROPI_DEVICE cudropi_chunk_t<Type::bytes> cudropi_rows_pack(
    const float (&values)[CUDROPI_CHUNK]) {
  cudropi_chunk_t<Type::bytes> chunk = {};
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; j += 2)
    Type::set(chunk, j, values[j], values[j + 1]);
  return chunk;
}

template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_put(const cudropi_rows_args_t &args, int operand,
                                     const cudropi_rows_place_t &place,
                                     const cudropi_chunk_t<Type::bytes> &stored) {
  using chunk = cudropi_chunk_t<Type::bytes>;
  const cudropi_rows_side_t &side = args.side[operand];
  const int64_t at = cudropi_rows_position<walk>(args, side.stride, place);
  if (walk == CUDROPI_ROWS_GENERAL) {
    cudropi_store<Type::bytes>(side.data, at, 1, place.valid, stored);
  } else {
    static_cast<chunk *>(side.data)[(uint64_t)at / CUDROPI_CHUNK] = stored;
  }
}

template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_store(const cudropi_rows_args_t &args, int operand,
                                       const cudropi_rows_place_t &place,
                                       const float (&values)[CUDROPI_CHUNK]) {
  cudropi_rows_put<walk, Type>(args, operand, place, cudropi_rows_pack<Type>(values));
}

/* values = the elements of a chunk */
template <class Type>
CUDROPI_DEVICE void cudropi_rows_get(const cudropi_chunk_t<Type::bytes> &chunk,
                                     float (&values)[CUDROPI_CHUNK]) {
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = Type::get(chunk, j);
}

/* values += the elements of a chunk */
template <class Type>
CUDROPI_DEVICE void cudropi_rows_add(const cudropi_chunk_t<Type::bytes> &chunk,
                                     float (&values)[CUDROPI_CHUNK]) {
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = Type::get(chunk, j) + values[j];
}

/* values *= the elements of a chunk */
template <class Type>
CUDROPI_DEVICE void cudropi_rows_multiply(const cudropi_chunk_t<Type::bytes> &chunk,
                                          float (&values)[CUDROPI_CHUNK]) {
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = values[j] * Type::get(chunk, j);
}

/* Add the elements of an operand from `at` on to values. The operand has the type Type or F32. An
 * absent operand changes nothing. */
template <class Type>
CUDROPI_DEVICE void cudropi_rows_add_from(const cudropi_rows_args_t &args, int operand,
                                          int64_t at, uint32_t valid,
                                          float (&values)[CUDROPI_CHUNK]) {
  const cudropi_rows_side_t &side = args.side[operand];
  if (side.data == nullptr) return;
  if (side.is_f32) {
    cudropi_rows_add<cudropi_f32>(cudropi_load<4>(side.data, at, 1, valid), values);
  } else {
    cudropi_rows_add<Type>(cudropi_load<Type::bytes>(side.data, at, 1, valid), values);
  }
}

/* The chunk of a vector along the row, which has the type Type. DRAWN and PREPARED have aligned
 * vectors alone. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE cudropi_chunk_t<Type::bytes> cudropi_rows_load_vector(
    const cudropi_rows_side_t &side, const cudropi_rows_place_t &place) {
  using chunk = cudropi_chunk_t<Type::bytes>;
  if (walk == CUDROPI_ROWS_GENERAL)
    return cudropi_load<Type::bytes>(side.data, place.col, 1, place.valid);
  return static_cast<const chunk *>(side.data)[(uint64_t)place.col / CUDROPI_CHUNK];
}

/* values = a vector along the row, which there is. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_read_vector(const cudropi_rows_args_t &args, int operand,
                                             const cudropi_rows_place_t &place,
                                             float (&values)[CUDROPI_CHUNK]) {
  const cudropi_rows_side_t &side = args.side[operand];
  if (side.is_f32) {
    cudropi_rows_get<cudropi_f32>(
        cudropi_rows_load_vector<walk, cudropi_f32>(side, place), values);
  } else {
    cudropi_rows_get<Type>(cudropi_rows_load_vector<walk, Type>(side, place), values);
  }
}

/* Add a vector along the row to values. Each row loads the vector again, from the nearest cache, to
 * save registers. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_add_vector(const cudropi_rows_args_t &args, int operand,
                                            const cudropi_rows_place_t &place,
                                            float (&values)[CUDROPI_CHUNK]) {
  float vector[CUDROPI_CHUNK];
  if (args.side[operand].data == nullptr) return;
  cudropi_rows_read_vector<walk, Type>(args, operand, place, vector);
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = vector[j] + values[j];
}

/* Multiply values by a vector along the row. The rest is as in cudropi_rows_add_vector(). */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_multiply_vector(const cudropi_rows_args_t &args,
                                                 int operand,
                                                 const cudropi_rows_place_t &place,
                                                 float (&values)[CUDROPI_CHUNK]) {
  float vector[CUDROPI_CHUNK];
  if (args.side[operand].data == nullptr) return;
  cudropi_rows_read_vector<walk, Type>(args, operand, place, vector);
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = values[j] * vector[j];
}

/* The group of the mask that a chunk is. Not in GENERAL. */
CUDROPI_DEVICE uint64_t cudropi_rows_group(const cudropi_rows_args_t &args,
                                           const cudropi_rows_mask_t &mask,
                                           const cudropi_rows_place_t &place) {
  const int64_t index = place.row * args.index_stride[0] + place.col;
  return (mask.index_base + (uint64_t)index) / CUDROPI_CHUNK;
}

/* The keep bits of a group. Not in GENERAL. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE void cudropi_rows_keep_group(const cudropi_rows_mask_t &mask,
                                            uint64_t group, bool (&keep)[CUDROPI_CHUNK]) {
  const cudropi_from_schedule source = {mask.schedule};
  if (walk == CUDROPI_ROWS_DRAWN || mask.schedule.fate == CUDROP_MASK_DRAWN) {
    source.keep8(group, keep);
  } else {
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      keep[j] = mask.schedule.fate == CUDROP_MASK_KEPT;
  }
}

/* keep[j] is true if column place.col + j is kept. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE void cudropi_rows_keep(const cudropi_rows_args_t &args,
                                      const cudropi_rows_mask_t &mask,
                                      const cudropi_rows_place_t &place,
                                      bool (&keep)[CUDROPI_CHUNK]) {
  uint32_t bits = 0xff;
  if (walk != CUDROPI_ROWS_GENERAL) {
    cudropi_rows_keep_group<walk>(mask, cudropi_rows_group(args, mask, place), keep);
    return;
  }
  if (mask.schedule.fate == CUDROP_MASK_DROPPED) {
    bits = 0;
  } else if (mask.schedule.fate == CUDROP_MASK_DRAWN) {
    const int64_t row =
        cudropi_row_place(args.rank, args.shape, args.index_stride, place.row);
    bits = cudropi_keep_strided(
        mask.schedule, mask.index_base + (uint64_t)(row + place.col * args.index_step),
        (uint64_t)args.index_step, place.valid);
  }
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) keep[j] = bits >> j & 1;
}

/* The caller's keep bits of the 8 elements from `first` on, of those in `wanted`; the others are
 * 0. */
CUDROPI_DEVICE uint32_t cudropi_rows_bits(const uint8_t *bits, int64_t first,
                                          uint32_t wanted) {
  uint32_t kept = 0;
#pragma unroll 1
  for (int j = 0; j < CUDROPI_CHUNK; ++j)
    if (wanted >> j & 1)
      kept |= (uint32_t)(bits[(first + j) >> 3] >> ((first + j) & 7) & 1) << j;
  return kept;
}

/* ---- The walk ------------------------------------------------------------------------ */

/* The thread's first place: its columns, in the first row of its way in the block's slab. */
CUDROPI_DEVICE cudropi_rows_place_t cudropi_rows_begin(const cudropi_rows_args_t &args) {
  const uint32_t tiles = (uint32_t)args.tiling.tiles;
  const uint32_t slab = blockIdx.x / tiles, tile = blockIdx.x - slab * tiles;
  const uint32_t way = threadIdx.x >> args.lanes_log2;
  const int64_t lane = threadIdx.x & ((1u << args.lanes_log2) - 1);
  cudropi_rows_place_t place;
  place.row = (int64_t)slab * args.tiling.slab_rows + way;
  place.col = (((int64_t)tile << args.lanes_log2) + lane) * CUDROPI_CHUNK;
  place.valid = cudropi_rows_valid(args, place.col);
  return place;
}

/* The end of the thread's rows: the end of the block's slab, or 0 if the thread has no columns. */
CUDROPI_DEVICE int64_t cudropi_rows_end(const cudropi_rows_args_t &args,
                                        const cudropi_rows_place_t &place) {
  const int64_t slab = blockIdx.x / (uint32_t)args.tiling.tiles;
  const int64_t end = (slab + 1) * args.tiling.slab_rows;
  if (place.valid == 0) return 0;
  return end < args.rows ? end : args.rows;
}

/* How many rows the thread has, from `place` on. */
CUDROPI_DEVICE int32_t cudropi_rows_turns(const cudropi_rows_args_t &args,
                                          const cudropi_rows_place_t &place) {
  const int64_t left = cudropi_rows_end(args, place) - place.row;
  return left <= 0 ? 0
                   : (int32_t)(((uint32_t)left + (uint32_t)args.tiling.ways - 1) >>
                               (8 - args.lanes_log2));
}
static_assert(CUDROPI_TILE_THREADS == 1 << 8, "ways are 1 << (8 - lanes_log2)");

/*
 * Write the block's column sums to args.partial[operand], unless that is NULL. Each thread
 * passes the sums of its way and chunk. All threads of the block must call this function.
 * `shared` has room for CUDROPI_CHUNK floats per thread.
 */
CUDROPI_DEVICE void cudropi_rows_sum(const cudropi_rows_args_t &args, int operand,
                                     const float (&sums)[CUDROPI_CHUNK], float *shared) {
  float *partial = args.partial[operand];
  const uint32_t tiles = (uint32_t)args.tiling.tiles;
  const uint32_t slab = blockIdx.x / tiles, tile = blockIdx.x - slab * tiles;
  const uint32_t width = CUDROPI_CHUNK << args.lanes_log2;
  if (partial == nullptr) return;
  __syncthreads(); /* other threads may still read what `shared` held before */
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j)
    shared[threadIdx.x * CUDROPI_CHUNK + j] = sums[j];
  __syncthreads();
  for (uint32_t c = threadIdx.x; c < width; c += CUDROPI_TILE_THREADS) {
    const int64_t col = (int64_t)tile * width + c;
    float total = 0.0f;
    for (int way = 0; way < args.tiling.ways; ++way)
      total = total + shared[(uint32_t)way * width + c];
    if (col < args.cols) partial[(int64_t)slab * args.cols + col] = total;
  }
}

#endif /* CUDROP_KERNEL_ROWS_CUH */
