/* samples.cuh - kernels without a fault, written as the project's own are. */
#ifndef CUDROP_SAMPLES_CUH
#define CUDROP_SAMPLES_CUH

#include <stdint.h>

#include "port.h"

/* ---- Where a thread is ------------------------------------------------------------- */

__device__ __forceinline__ unsigned thread_in_block() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

__device__ __forceinline__ unsigned block_in_grid() {
  return blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
}

struct visit_args {
  unsigned *visits; /* of each thread of the grid */
  unsigned *log;    /* the threads in the order of their visits */
  unsigned *count;
};

__global__ void visit(const __grid_constant__ visit_args args) {
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  const unsigned own = block_in_grid() * threads + thread_in_block();
  atomicAdd(&args.visits[own], 1u);
  args.log[atomicAdd(args.count, 1u)] = own;
}

/* ---- Shuffles, votes and barriers -------------------------------------------------- */

struct sum_args {
  const float *x;
  float *sums; /* of each block */
};

/* One value of each thread, in blocks of any size. */
__global__ void __launch_bounds__(1024)
    sum_blocks(const __grid_constant__ sum_args args) {
  SHARED_ARRAY(float, sums, 32);
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned warps = (blockDim.x + 31) / 32, left = blockDim.x - 32 * warp;
  const unsigned mask = left < 32 ? (1u << left) - 1 : 0xffffffffu;
  float sum = args.x[blockIdx.x * blockDim.x + threadIdx.x];
  for (unsigned distance = 16; distance > 0; distance /= 2) {
    const unsigned other =
        lane + distance < (left < 32 ? left : 32) ? lane + distance : lane;
    const float theirs = __shfl_sync(mask, sum, static_cast<int>(other));
    if (other != lane) sum += theirs;
  }
  if (lane == 0) sums[warp] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (unsigned each = 1; each < warps; ++each) sum += sums[each];
    args.sums[blockIdx.x] = sum;
  }
}

enum shuffle_kind { SHUFFLE_AT, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_XOR, SHUFFLE_KINDS };

struct shuffle_args {
  shuffle_kind kind;
  int argument, width;
  double *received; /* of each lane, which brings its number and a half */
};

__global__ void shuffle_lanes(const __grid_constant__ shuffle_args args) {
  const double own = threadIdx.x + 0.5;
  const unsigned distance = static_cast<unsigned>(args.argument);
  double other = 0.0;
  if (args.kind == SHUFFLE_AT)
    other = __shfl_sync(0xffffffffu, own, args.argument, args.width);
  if (args.kind == SHUFFLE_UP)
    other = __shfl_up_sync(0xffffffffu, own, distance, args.width);
  if (args.kind == SHUFFLE_DOWN)
    other = __shfl_down_sync(0xffffffffu, own, distance, args.width);
  if (args.kind == SHUFFLE_XOR)
    other = __shfl_xor_sync(0xffffffffu, own, args.argument, args.width);
  args.received[threadIdx.x] = other;
}

struct vote_args {
  unsigned yes; /* a bit for each of 32 threads */
  unsigned *result;
};

/* Two halves of a warp vote at a time, each with its own mask; then the block does. */
__global__ void vote(const __grid_constant__ vote_args args) {
  const unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
  const int own = static_cast<int>(args.yes >> threadIdx.x & 1);
  unsigned *const result = args.result + 8 * threadIdx.x;
  result[0] = __ballot_sync(mask, own);
  result[1] = static_cast<unsigned>(__any_sync(mask, own));
  result[2] = static_cast<unsigned>(__all_sync(mask, own));
  result[3] = __reduce_add_sync(mask, threadIdx.x * static_cast<unsigned>(own));
  __syncwarp();
  result[4] = static_cast<unsigned>(__syncthreads_or(own));
  result[5] = static_cast<unsigned>(__syncthreads_and(own));
  result[6] = static_cast<unsigned>(__syncthreads_count(own));
  result[7] = 0;
}

/* ---- Shared memory and arguments --------------------------------------------------- */

struct shared_args {
  unsigned
      *seen; /* what each thread of each block finds in shared memory, then is told */
  unsigned *misalignment;
};

__global__ void use_shared(const __grid_constant__ shared_args args) {
  SHARED_ARRAY(unsigned, own, 64);
  DYNAMIC_SHARED(unsigned, theirs);
  const unsigned at = 2 * (blockIdx.x * blockDim.x + threadIdx.x);
  args.seen[at] = own[threadIdx.x] & theirs[threadIdx.x];
  own[threadIdx.x] = threadIdx.x;
  __syncthreads();
  theirs[threadIdx.x] = own[blockDim.x - 1 - threadIdx.x];
  __syncthreads();
  args.seen[at + 1] = theirs[threadIdx.x ^ 1];
  if (threadIdx.x == 0)
    args.misalignment[blockIdx.x] = static_cast<unsigned>(
        reinterpret_cast<uintptr_t>(theirs) % 16 + sizeof own - 256);
}

struct copy_args {
  unsigned value;
  unsigned *found;
};

/* Takes no __grid_constant__: its argument is its own, and it spoils it. */
__global__ void spoil_argument(copy_args args) {
  args.found[threadIdx.x] = args.value;
  args.value = 0;
}

/* Three parameters of three types, the first two of which every thread spoils. */
__global__ void spoil_parameters(double x, unsigned short n, double *found) {
  found[threadIdx.x] = x * n;
  x = 0.0;
  n = 0;
  found[threadIdx.x] += x * n;
}

/* ---- Work for streams -------------------------------------------------------------- */

struct add_args {
  unsigned *x;
  unsigned n, value;
};

__global__ void add(const __grid_constant__ add_args args) {
  const unsigned k = blockIdx.x * blockDim.x + threadIdx.x;
  if (k < args.n) args.x[k] += args.value;
}

#endif /* CUDROP_SAMPLES_CUH */
