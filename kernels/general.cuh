/*
 * general.cuh - the walk for any strides, alignments, index maps and sources of keep bits.
 *
 * A line is a run of elements along the innermost dimension. Each line is cut into chunks of 8
 * elements at aligned addresses of y, so that most chunks are written as vectors:
 *
 *              line begins            line ends
 *   y memory |.....abc|defghijk|lmnopqrs|tu......|        | : aligned
 *   chunk        0        1        2        3
 */
#ifndef CUDROP_KERNEL_GENERAL_CUH
#define CUDROP_KERNEL_GENERAL_CUH

#include "draw.cuh"
#include "launch.h"

/* An operand, without its type. */
struct cudropi_side_t {
  void *data;
  int64_t stride[CUDROP_MAX_RANK];
};

static inline cudropi_side_t cudropi_side(const cudropi_operand_t &operand) {
  cudropi_side_t side;
  side.data = operand.data;
  memcpy(side.stride, operand.stride, sizeof side.stride);
  return side;
}

/* What the walk of a plan needs on the device. */
struct cudropi_general_t {
  cudropi_side_t x, keep, y;
  bool has_byte_mask; /* `keep` holds bytes, not bits */
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  int64_t n, chunks_per_line, chunks;
  uint64_t index_base;
  int64_t index_stride[CUDROP_MAX_RANK];
  cudropi_source_t source;
  const cudrop_prepared_t *prepared; /* the prepared block, or NULL */
  uint64_t offset;                   /* added to the offset of the prepared block */
  cudrop_prepared_t mask;            /* the mask if there is no prepared block */
  bool is_alpha;                     /* use the mask's constants `alpha`, not `drop` */
};

static inline cudropi_general_t cudropi_general(const cudropi_plan_t *plan) {
  cudropi_general_t walk;
  walk.x = cudropi_side(plan->operand[CUDROPI_X]);
  walk.keep = cudropi_side(plan->operand[CUDROPI_KEEP]);
  walk.y = cudropi_side(plan->operand[CUDROPI_Y]);
  walk.has_byte_mask = plan->operand[CUDROPI_KEEP].bits == 8;
  walk.rank = plan->rank;
  memcpy(walk.shape, plan->shape, sizeof walk.shape);
  walk.n = plan->n;
  walk.chunks_per_line = cudropi_chunks_per_line(plan);
  walk.chunks = plan->n / plan->shape[plan->rank - 1] * walk.chunks_per_line;
  walk.index_base = plan->draw.index_base;
  memcpy(walk.index_stride, plan->draw.index_stride, sizeof walk.index_stride);
  walk.source = plan->draw.source;
  walk.prepared = plan->draw.prepared;
  walk.offset = plan->draw.offset;
  walk.mask.schedule = plan->draw.schedule;
  walk.mask.index_base = 0; /* walk.index_base is the whole base */
  walk.mask.p = plan->draw.p;
  walk.mask.drop = walk.mask.alpha = plan->constants;
  walk.is_alpha = plan->op->is_alpha;
  return walk;
}

/* Copy a multiple of 4 bytes. All threads of the block take part and wait for the others. */
CUDROPI_DEVICE void cudropi_copy_to_block(void *to, const void *from, uint32_t bytes) {
  for (uint32_t w = threadIdx.x; w < bytes / 4; w += blockDim.x)
    static_cast<uint32_t *>(to)[w] = static_cast<const uint32_t *>(from)[w];
  __syncthreads();
}

/* Copy a prepared mask to the block's shared memory, and add `offset` to the copy's offset. */
CUDROPI_DEVICE void cudropi_read_prepared(const cudrop_prepared_t *prepared,
                                          uint64_t offset, cudrop_prepared_t *mask) {
  cudropi_copy_to_block(mask, prepared, sizeof *mask);
  if (threadIdx.x == 0)
    cudrop_mask_schedule_offset(&mask->schedule, mask->schedule.offset + offset);
  __syncthreads();
}

/* Copy the block's mask to shared memory, from the prepared block or else from walk.mask. */
CUDROPI_DEVICE void cudropi_read_mask(const cudropi_general_t &walk,
                                      cudrop_prepared_t *mask) {
  if (walk.prepared != nullptr) {
    cudropi_read_prepared(walk.prepared, walk.offset, mask);
  } else {
    cudropi_copy_to_block(mask, &walk.mask, sizeof *mask);
  }
}

/* Where the elements of a chunk lie. Element j exists if bit j of `valid` is 1. */
struct cudropi_place_t {
  int64_t x, keep, y; /* positions of element 0 */
  uint64_t index;     /* mask index of element 0; may wrap around if that is not valid */
  uint32_t valid;
};

/* How many elements `position` lies behind the last address where a line of y may be cut, for y of
 * stride 1. Chunks of 32 bytes or more begin at a sector, so that no two chunks share one. */
template <int bytes>
CUDROPI_DEVICE int64_t cudropi_lead(const void *data, int64_t position) {
  const uint32_t aligned = bytes * CUDROPI_CHUNK < 32 ? CUDROPI_CHUNK : 32 / bytes;
  const uint64_t address = (uint64_t)(uintptr_t)data + (uint64_t)position * bytes;
  return (int64_t)((address / bytes) % aligned);
}

template <int bytes>
CUDROPI_DEVICE cudropi_place_t cudropi_find_place(const cudropi_general_t &walk,
                                                  int64_t chunk) {
  const int inner = walk.rank - 1;
  const int64_t line = inner == 0 ? 0 : chunk / walk.chunks_per_line;
  cudropi_place_t place = {0, 0, 0, walk.index_base, 0};
  int64_t rest = line;
#pragma unroll 1
  for (int d = inner - 1; d >= 0; --d) {
    const int64_t outer = d == 0 ? 0 : rest / walk.shape[d];
    const int64_t coordinate = rest - outer * walk.shape[d];
    rest = outer;
    place.x += coordinate * walk.x.stride[d];
    place.keep += coordinate * walk.keep.stride[d];
    place.y += coordinate * walk.y.stride[d];
    place.index += (uint64_t)(coordinate * walk.index_stride[d]);
  }
  int64_t first = (chunk - line * walk.chunks_per_line) * CUDROPI_CHUNK;
  if (walk.y.stride[inner] == 1) first -= cudropi_lead<bytes>(walk.y.data, place.y);
  place.x += first * walk.x.stride[inner];
  place.keep += first * walk.keep.stride[inner];
  place.y += first * walk.y.stride[inner];
  place.index += (uint64_t)(first * walk.index_stride[inner]);
  const int64_t end = walk.shape[inner] - first; /* the line ends before element `end` */
  const uint32_t before = first < 0 ? (1u << -first) - 1 : 0;
  place.valid = end <= 0 ? 0 : ((end < CUDROPI_CHUNK ? 1u << end : 0x100u) - 1) & ~before;
  return place;
}

/* The keep bits of a chunk from the caller's mask. */
CUDROPI_DEVICE uint32_t cudropi_read_keep(const cudropi_general_t &walk,
                                          const cudropi_place_t &place) {
  const uint8_t *bytes = static_cast<const uint8_t *>(walk.keep.data);
  const int64_t stride = walk.keep.stride[walk.rank - 1];
  uint32_t bits = 0;
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) {
    const int64_t at = place.keep + j * stride;
    if (place.valid >> j & 1)
      bits |= (walk.has_byte_mask ? (uint32_t)(bytes[at] != 0)
                                  : (uint32_t)(bytes[at >> 3] >> (at & 7) & 1))
              << j;
  }
  return bits;
}

/* The keep bits of a chunk, from the source of the walk. */
CUDROPI_DEVICE uint32_t cudropi_keep_place(const cudropi_general_t &walk,
                                           const cudrop_prepared_t *mask,
                                           const cudropi_place_t &place) {
  const int inner = walk.rank - 1;
  switch (walk.source) {
    case CUDROPI_FROM_OPERAND:
      return cudropi_read_keep(walk, place);
    case CUDROPI_ALL_KEPT:
      return 0xff;
    case CUDROPI_ALL_DROPPED:
      return 0;
    default:
      return cudropi_keep_strided(mask->schedule, place.index + mask->index_base,
                                  (uint64_t)walk.index_stride[inner], place.valid);
  }
}

template <int bytes>
CUDROPI_DEVICE cudropi_chunk_t<bytes> cudropi_load(const void *data, int64_t position,
                                                   int64_t stride, uint32_t valid) {
  using integer = typename cudropi_integer<bytes>::type;
  using chunk = cudropi_chunk_t<bytes>;
  const integer *element = static_cast<const integer *>(data) + position;
  if (stride == 1 && valid == 0xff && (uintptr_t)element % alignof(chunk) == 0)
    return *reinterpret_cast<const chunk *>(element);
  chunk loaded = {};
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j)
    if (valid >> j & 1) cudropi_put(loaded, j, element[j * stride]);
  return loaded;
}

template <int bytes>
CUDROPI_DEVICE void cudropi_store(void *data, int64_t position, int64_t stride,
                                  uint32_t valid, const cudropi_chunk_t<bytes> &stored) {
  using integer = typename cudropi_integer<bytes>::type;
  using chunk = cudropi_chunk_t<bytes>;
  integer *element = static_cast<integer *>(data) + position;
  if (stride == 1 && valid == 0xff && (uintptr_t)element % alignof(chunk) == 0) {
    cudropi_write(reinterpret_cast<chunk *>(element), stored);
    return;
  }
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j)
    if (valid >> j & 1) element[j * stride] = (integer)cudropi_element(stored, j);
}

#endif /* CUDROP_KERNEL_GENERAL_CUH */
