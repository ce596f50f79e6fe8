/*
 * elementwise.cuh - the kernels of elementwise operators, and their launch. Such an operator
 * computes each element of y from the same element of x and of the old y.
 *
 * An operator is a struct Op:
 *
 *   type                     the element type (storage.cuh)
 *   reads_x, reads_y         does the operator read x, does it read the old y?
 *   is_drawn                 can keep bits come from a mask?
 *   is_brought               can keep bits come from the caller's memory?
 *   copies_kept              must y get the exact bits of x if p = 0?
 *   apply(scalars, keep, x, y)   the new chunk of y
 *
 * In the dense kernels a thread moves one group of the mask at a time, or two groups if an element
 * is one byte, to fill an access of 16 bytes. Loads are issued before Philox, so that the
 * arithmetic of Philox runs while the loads are under way.
 */
#ifndef CUDROP_KERNEL_ELEMENTWISE_CUH
#define CUDROP_KERNEL_ELEMENTWISE_CUH

#include "architecture.cuh"
#include "general.cuh"

/*
 * Tuning. 8 blocks of 256 threads fill a multiprocessor of 2,048 threads, if a thread needs at
 * most 32 registers. Threads that hold more data have more bytes under way, so that fewer threads
 * are enough.
 */
enum { CUDROPI_THREADS = 256 };

template <class Op>
struct cudropi_tuning {
  static constexpr int bytes = Op::type::bytes;
  static constexpr int groups = bytes == 1 ? 2 : 1; /* that a thread moves at a time */
  static constexpr int wanted = bytes == 1   ? 6
                                : bytes == 2 ? (Op::reads_y ? 6 : 8)
                                : bytes == 4 ? (Op::reads_y ? 5 : 8)
                                             : (Op::reads_y ? 4 : 5);
  static constexpr int most = cudropi_most_threads / CUDROPI_THREADS;
  static constexpr int blocks = wanted < most ? wanted : most; /* per multiprocessor */
};

/* ---- Dense --------------------------------------------------------------------------- */

/* A pack: the chunks that a thread moves at a time. */
template <class Op>
struct alignas(Op::type::bytes == 1
                   ? 16
                   : alignof(cudropi_chunk_t<Op::type::bytes>)) cudropi_pack_t {
  cudropi_chunk_t<Op::type::bytes> chunk[cudropi_tuning<Op>::groups];
};

template <class Op>
struct cudropi_dense_t {
  const void *x;
  void *y;
  uint64_t first_group;
  uint32_t packs, tail; /* whole packs, and elements after them */
  cudropi_scalars_t<typename Op::type::value> scalars;
};

/* Compute element `e` of the tail, in lane 0 of a chunk. */
template <class Op, class Source>
CUDROPI_DEVICE void cudropi_dense_tail(const cudropi_dense_t<Op> &walk,
                                       const Source &source, uint32_t e) {
  constexpr int bytes = Op::type::bytes;
  const int64_t at =
      (int64_t)walk.packs * (cudropi_tuning<Op>::groups * CUDROPI_CHUNK) + e;
  cudropi_chunk_t<bytes> x = {}, y = {};
  bool keep[CUDROPI_CHUNK] = {};
  if (Op::reads_x) x = cudropi_load<bytes>(walk.x, at, 1, 1);
  if (Op::reads_y) y = cudropi_load<bytes>(walk.y, at, 1, 1);
  keep[0] = source.keep1(walk.first_group * CUDROPI_CHUNK + (uint64_t)at);
  y = Op::apply(walk.scalars, keep, x, y);
  cudropi_store<bytes>(walk.y, at, 1, 1, y);
}

template <class Op, class Source>
CUDROPI_DEVICE void cudropi_dense_walk(const cudropi_dense_t<Op> &walk,
                                       const Source &source) {
  constexpr int groups = cudropi_tuning<Op>::groups;
  using pack = cudropi_pack_t<Op>;
  const pack *from = static_cast<const pack *>(walk.x);
  pack *to = static_cast<pack *>(walk.y);
  uint32_t p = blockIdx.x * CUDROPI_THREADS + threadIdx.x;
  for (; p < walk.packs; p += gridDim.x * CUDROPI_THREADS) {
    pack x, y;
    if (Op::reads_x) x = from[p];
    if (Op::reads_y) y = to[p];
#pragma unroll
    for (int g = 0; g < groups; ++g) {
      bool keep[CUDROPI_CHUNK];
      source.keep8(walk.first_group + (uint64_t)p * groups + g, keep);
      y.chunk[g] = Op::apply(walk.scalars, keep, x.chunk[g], y.chunk[g]);
    }
    cudropi_write(to + p, y);
  }
  if (blockIdx.x == 0 && threadIdx.x < walk.tail)
    cudropi_dense_tail(walk, source, threadIdx.x);
}

template <class Op>
struct cudropi_drawn_args_t {
  cudropi_dense_t<Op> walk;
  cudrop_mask_schedule_t mask;
};

template <class Op>
__global__ void __launch_bounds__(CUDROPI_THREADS, cudropi_tuning<Op>::blocks)
    cudropi_dense_drawn(const __grid_constant__ cudropi_drawn_args_t<Op> args) {
  const cudropi_from_schedule source = {args.mask};
  cudropi_dense_walk(args.walk, source);
}

template <class Op>
struct cudropi_bits_args_t {
  cudropi_dense_t<Op> walk;
  const uint8_t *bits;
};

template <class Op>
__global__ void __launch_bounds__(CUDROPI_THREADS, cudropi_tuning<Op>::blocks)
    cudropi_dense_bits(const __grid_constant__ cudropi_bits_args_t<Op> args) {
  const cudropi_from_bits source = {args.bits};
  cudropi_dense_walk(args.walk, source);
}

/* The operator that replaces Op at p = 0: y gets the bits of x. */
template <class Op>
struct cudropi_copy_of {
  using type = typename Op::type;
  static constexpr bool reads_x = true, reads_y = false;
  using chunk = cudropi_chunk_t<type::bytes>;
  static __device__ __forceinline__ chunk
  apply(const cudropi_scalars_t<typename type::value> &, const bool (&)[CUDROPI_CHUNK],
        const chunk &x, const chunk &) {
    return x;
  }
};

template <class Op>
struct cudropi_prepared_args_t {
  cudropi_dense_t<Op> walk;
  const cudrop_prepared_t *prepared;
  uint64_t offset;
  bool is_alpha;
};

template <class Op>
__global__ void __launch_bounds__(CUDROPI_THREADS)
    cudropi_dense_prepared(const __grid_constant__ cudropi_prepared_args_t<Op> args) {
  SHARED_ARRAY(cudrop_prepared_t, mask, 1);
  cudropi_read_prepared(args.prepared, args.offset, mask);
  const cudropi_from_prepared source = {mask->schedule};
  cudropi_dense_t<Op> walk = args.walk;
  walk.first_group += mask->index_base / CUDROPI_CHUNK;
  cudropi_read_scalars(args.is_alpha ? mask->alpha : mask->drop, walk.scalars);
  if (Op::copies_kept && mask->schedule.fate == CUDROP_MASK_KEPT) {
    const cudropi_dense_t<cudropi_copy_of<Op>> copy = {
        walk.x, walk.y, walk.first_group, walk.packs, walk.tail, walk.scalars};
    cudropi_dense_walk(copy, source);
  } else {
    cudropi_dense_walk(walk, source);
  }
}

/* ---- General ------------------------------------------------------------------------- */

template <class Op>
__global__ void __launch_bounds__(CUDROPI_THREADS)
    cudropi_general_elementwise(const __grid_constant__ cudropi_general_t args) {
  constexpr int bytes = Op::type::bytes;
  SHARED_ARRAY(cudrop_prepared_t, mask, 1);
  cudropi_read_mask(args, mask);
  const bool copies = Op::copies_kept && args.source == CUDROPI_FROM_PREPARED &&
                      mask->schedule.fate == CUDROP_MASK_KEPT;
  cudropi_scalars_t<typename Op::type::value> scalars;
  cudropi_read_scalars(args.is_alpha ? mask->alpha : mask->drop, scalars);
  const int inner = args.rank - 1;
  const int64_t stride = (int64_t)gridDim.x * CUDROPI_THREADS;
  for (int64_t c = (int64_t)blockIdx.x * CUDROPI_THREADS + threadIdx.x; c < args.chunks;
       c += stride) {
    const cudropi_place_t place = cudropi_find_place<bytes>(args, c);
    cudropi_chunk_t<bytes> x = {}, y = {};
    bool keep[CUDROPI_CHUNK];
    if (Op::reads_x)
      x = cudropi_load<bytes>(args.x.data, place.x, args.x.stride[inner], place.valid);
    if (Op::reads_y)
      y = cudropi_load<bytes>(args.y.data, place.y, args.y.stride[inner], place.valid);
    const uint32_t bits = cudropi_keep_place(args, mask, place);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) keep[j] = bits >> j & 1;
    y = copies ? x : Op::apply(scalars, keep, x, y);
    cudropi_store<bytes>(args.y.data, place.y, args.y.stride[inner], place.valid, y);
  }
}

/* ---- Launch -------------------------------------------------------------------------- */

/* A grid with one thread per item, but with at most `most` blocks. */
static inline dim3 cudropi_grid(int64_t items, int64_t most) {
  const int64_t blocks = (items + CUDROPI_THREADS - 1) / CUDROPI_THREADS;
  return dim3((unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most));
}

/* The part of a dense plan that has `packs` packs from pack `first` on. The last part also has the
 * tail. */
template <class Op>
static cudropi_dense_t<Op> cudropi_dense_part(const cudropi_plan_t *plan, int64_t first,
                                              int64_t packs) {
  constexpr int groups = cudropi_tuning<Op>::groups, elements = groups * CUDROPI_CHUNK;
  const int64_t bytes = first * (int64_t)sizeof(cudropi_pack_t<Op>);
  cudropi_dense_t<Op> part = {};
  if (Op::reads_x)
    part.x = static_cast<const char *>(plan->operand[CUDROPI_X].data) + bytes;
  part.y = static_cast<char *>(plan->operand[CUDROPI_Y].data) + bytes;
  part.first_group = plan->draw.index_base / CUDROPI_CHUNK + (uint64_t)first * groups;
  part.packs = (uint32_t)packs;
  if (first + packs == plan->n / elements) part.tail = (uint32_t)(plan->n % elements);
  cudropi_read_scalars(plan->constants, part.scalars);
  return part;
}

/* Launch the kernel for the plan's source of keep bits, if the operator has such a kernel. */
template <class Op>
static cudaError_t cudropi_launch_part(const cudropi_work_t *work,
                                       const cudropi_dense_t<Op> &part) {
  const cudropi_plan_t *plan = work->plan;
  const dim3 grid = cudropi_grid((int64_t)part.packs + (part.tail > 0), work->blocks);
  if constexpr (Op::is_drawn) {
    if (plan->draw.source == CUDROPI_FROM_PHILOX) {
      const cudropi_drawn_args_t<Op> args = {part, plan->draw.schedule};
      return LAUNCH(cudropi_dense_drawn<Op>, grid, CUDROPI_THREADS, 0, work->stream,
                    args);
    }
    if (plan->draw.source == CUDROPI_FROM_PREPARED) {
      const cudropi_prepared_args_t<Op> args = {part, plan->draw.prepared,
                                                plan->draw.offset, plan->op->is_alpha};
      return LAUNCH(cudropi_dense_prepared<Op>, grid, CUDROPI_THREADS, 0, work->stream,
                    args);
    }
  }
  if constexpr (Op::is_brought) {
    if (plan->draw.source == CUDROPI_FROM_OPERAND) {
      const cudropi_bits_args_t<Op> args = {
          part, static_cast<const uint8_t *>(plan->operand[CUDROPI_KEEP].data)};
      return LAUNCH(cudropi_dense_bits<Op>, grid, CUDROPI_THREADS, 0, work->stream, args);
    }
  }
  return cudaErrorInvalidDeviceFunction;
}

/* Launch a dense plan in parts, because the kernels count packs in 32 bits. */
template <class Op>
static cudaError_t cudropi_launch_dense(const cudropi_work_t *work) {
  const int64_t all =
      work->plan->n / (cudropi_tuning<Op>::groups * (int64_t)CUDROPI_CHUNK);
  int64_t first = 0;
  do {
    const int64_t packs = all - first < work->packs ? all - first : work->packs;
    const cudaError_t error =
        cudropi_launch_part(work, cudropi_dense_part<Op>(work->plan, first, packs));
    if (error != cudaSuccess) return error;
    first += packs;
  } while (first < all);
  return cudaSuccess;
}

template <class Op>
static cudaError_t cudropi_launch_elementwise(const cudropi_work_t *work) {
  if (work->walk == CUDROPI_WALK_DENSE) return cudropi_launch_dense<Op>(work);
  const cudropi_general_t args = cudropi_general(work->plan);
  return LAUNCH(cudropi_general_elementwise<Op>, cudropi_grid(args.chunks, work->blocks),
                CUDROPI_THREADS, 0, work->stream, args);
}

/* An operator in one type. A table of these instances says which types the operator has. */
struct cudropi_instance_t {
  cudrop_dtype_t dtype;
  cudaError_t (*launch)(const cudropi_work_t *work);
};

template <int count>
static cudaError_t cudropi_launch_instance(const cudropi_instance_t (&instances)[count],
                                           const cudropi_work_t *work) {
  for (const cudropi_instance_t &instance : instances)
    if (instance.dtype == work->plan->operand[CUDROPI_Y].dtype)
      return instance.launch(work);
  return cudaErrorInvalidDeviceFunction;
}

#endif /* CUDROP_KERNEL_ELEMENTWISE_CUH */
