/*
 * sort.cuh - the entries of a tokens' gradient, sorted by id: a stable radix sort.
 *
 *   list    key[0][r] = the id of row r, row[0][r] = r
 *   count   each block counts the digits of its tile: counts[digit][tile]
 *   add     each warp takes one digit: counts[digit][t] becomes the digit's count in the tiles
 *           before t; the digit's total count is stored behind counts[.][.]
 *   move    each block moves the entries of its tile to their sorted places
 *
 * Count, add and move run once for each digit of the keys. A warp takes SORT_TURNS times 32
 * consecutive entries of a tile, so that the order of equal digits is that of warps, turns and
 * lanes. CUB's sort is not used, because it calls cudaGetLastError() and runs only on a GPU.
 */
#ifndef CUDROP_KERNEL_SORT_CUH
#define CUDROP_KERNEL_SORT_CUH

#include "call/row_sum.h"
#include "embedding/lookup.cuh"

enum {
  CUDROPI_SORT_THREADS = 256,
  CUDROPI_SORT_WARPS = CUDROPI_SORT_THREADS / CUDROPI_WARP,
  CUDROPI_SORT_TURNS = CUDROPI_SORT_TILE / CUDROPI_SORT_THREADS
};
static_assert((int)CUDROPI_SORT_DIGITS == (int)CUDROPI_SORT_THREADS, "a thread a digit");

struct cudropi_sort_t {
  const uint32_t *from_key, *from_row;
  uint32_t *to_key, *to_row;
  uint32_t *counts; /* [CUDROPI_SORT_DIGITS][tiles], then [CUDROPI_SORT_DIGITS] */
  uint32_t entries, tiles;
  int shift; /* position of the digit in a key, in bits */
};

template <cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_SORT_THREADS)
    cudropi_sort_list(const __grid_constant__ cudropi_embedding_args_t args) {
  const int64_t row = (int64_t)blockIdx.x * CUDROPI_SORT_THREADS + threadIdx.x;
  if (row >= args.options.gather.entries) return;
  const int64_t id = cudropi_lookup_id<walk>(args, row);
  args.options.gather.key[0][row] = cudropi_is_token(&args.options.lookup, id)
                                        ? (uint32_t)id
                                        : (uint32_t)args.options.gather.keys;
  args.options.gather.row[0][row] = (uint32_t)row;
}

/* The thread's entry in a turn. The entry may lie past the end. */
CUDROPI_DEVICE uint32_t cudropi_sort_entry(int turn) {
  const uint32_t warp = threadIdx.x / CUDROPI_WARP, lane = threadIdx.x % CUDROPI_WARP;
  return blockIdx.x * CUDROPI_SORT_TILE +
         (warp * CUDROPI_SORT_TURNS + (uint32_t)turn) * CUDROPI_WARP + lane;
}

CUDROPI_DEVICE uint32_t cudropi_sort_digit(const cudropi_sort_t &args, uint32_t key) {
  return key >> args.shift & (CUDROPI_SORT_DIGITS - 1);
}

/* The sum of `value` over the warp's lanes up to the caller's, with the caller's. */
CUDROPI_DEVICE uint32_t cudropi_sort_warp_sum(uint32_t value) {
#pragma unroll
  for (unsigned distance = 1; distance < CUDROPI_WARP; distance *= 2) {
    const uint32_t other = __shfl_up_sync(0xffffffffu, value, distance);
    if (threadIdx.x % CUDROPI_WARP >= distance) value += other;
  }
  return value;
}

/* The sum of `value` over the block's threads before the caller. `shared` has room for one number
 * per warp. */
CUDROPI_DEVICE uint32_t cudropi_sort_before(uint32_t value, uint32_t *shared) {
  const uint32_t warp = threadIdx.x / CUDROPI_WARP, lane = threadIdx.x % CUDROPI_WARP;
  uint32_t sum = cudropi_sort_warp_sum(value);
  if (lane == CUDROPI_WARP - 1) shared[warp] = sum;
  __syncthreads();
  for (uint32_t w = 0; w < warp; ++w) sum += shared[w];
  return sum - value;
}

static __global__ void __launch_bounds__(CUDROPI_SORT_THREADS)
    cudropi_sort_count(const __grid_constant__ cudropi_sort_t args) {
  SHARED_ARRAY(uint32_t, counts, CUDROPI_SORT_DIGITS);
  counts[threadIdx.x] = 0;
  __syncthreads();
  for (int turn = 0; turn < CUDROPI_SORT_TURNS; ++turn) {
    const uint32_t entry = cudropi_sort_entry(turn);
    if (entry < args.entries)
      atomicAdd(&counts[cudropi_sort_digit(args, args.from_key[entry])], 1u);
  }
  __syncthreads();
  args.counts[threadIdx.x * args.tiles + blockIdx.x] = counts[threadIdx.x];
}

static __global__ void __launch_bounds__(CUDROPI_SORT_THREADS)
    cudropi_sort_add(const __grid_constant__ cudropi_sort_t args) {
  const uint32_t lane = threadIdx.x % CUDROPI_WARP;
  const uint32_t digit = blockIdx.x * CUDROPI_SORT_WARPS + threadIdx.x / CUDROPI_WARP;
  uint32_t *counts = args.counts + (size_t)digit * args.tiles;
  uint32_t before = 0;
  for (uint32_t first = 0; first < args.tiles; first += CUDROPI_WARP) {
    const uint32_t tile = first + lane;
    const uint32_t count = tile < args.tiles ? counts[tile] : 0;
    const uint32_t sum = cudropi_sort_warp_sum(count);
    if (tile < args.tiles) counts[tile] = before + sum - count;
    before += __shfl_sync(0xffffffffu, sum, CUDROPI_WARP - 1);
  }
  if (lane == 0) args.counts[(size_t)CUDROPI_SORT_DIGITS * args.tiles + digit] = before;
}

/* The lanes that have an entry with the caller's digit, a bit each. All lanes must call this. */
CUDROPI_DEVICE uint32_t cudropi_sort_peers(uint32_t digit, bool is_there) {
  uint32_t peers = __ballot_sync(0xffffffffu, is_there);
#pragma unroll
  for (int bit = 0; bit < CUDROPI_SORT_BITS; ++bit) {
    const uint32_t ones = __ballot_sync(0xffffffffu, (int)(digit >> bit & 1));
    peers &= digit >> bit & 1 ? ones : ~ones;
  }
  return peers;
}

static __global__ void __launch_bounds__(CUDROPI_SORT_THREADS)
    cudropi_sort_move(const __grid_constant__ cudropi_sort_t args) {
  SHARED_ARRAY(uint32_t, next, CUDROPI_SORT_WARPS * CUDROPI_SORT_DIGITS);
  SHARED_ARRAY(uint32_t, shared, CUDROPI_SORT_WARPS);
  const uint32_t warp = threadIdx.x / CUDROPI_WARP, lane = threadIdx.x % CUDROPI_WARP;
  uint32_t *of_warp = next + warp * CUDROPI_SORT_DIGITS;
  for (uint32_t w = 0; w < CUDROPI_SORT_WARPS; ++w)
    next[w * CUDROPI_SORT_DIGITS + threadIdx.x] = 0;
  __syncthreads();
  for (int turn = 0; turn < CUDROPI_SORT_TURNS; ++turn) { /* count each warp's digits */
    const uint32_t entry = cudropi_sort_entry(turn);
    if (entry < args.entries)
      atomicAdd(&of_warp[cudropi_sort_digit(args, args.from_key[entry])], 1u);
  }
  uint32_t at = cudropi_sort_before(
      args.counts[CUDROPI_SORT_DIGITS * args.tiles + threadIdx.x], shared);
  at += args.counts[threadIdx.x * args.tiles + blockIdx.x];
  __syncthreads();
  for (uint32_t w = 0; w < CUDROPI_SORT_WARPS; ++w) { /* where each warp begins */
    const uint32_t count = next[w * CUDROPI_SORT_DIGITS + threadIdx.x];
    next[w * CUDROPI_SORT_DIGITS + threadIdx.x] = at;
    at += count;
  }
  __syncthreads();
  for (int turn = 0; turn < CUDROPI_SORT_TURNS; ++turn) {
    const uint32_t entry = cudropi_sort_entry(turn);
    const bool is_there = entry < args.entries;
    const uint32_t key = is_there ? args.from_key[entry] : 0;
    const uint32_t digit = cudropi_sort_digit(args, key);
    const uint32_t peers = cudropi_sort_peers(digit, is_there);
    const uint32_t before = (uint32_t)__popc(peers & ((1u << lane) - 1));
    const uint32_t to = of_warp[digit] + before;
    __syncwarp();
    if (is_there) {
      args.to_key[to] = key;
      args.to_row[to] = args.from_row[entry];
      if (before == 0) of_warp[digit] = to + (uint32_t)__popc(peers);
    }
    __syncwarp();
  }
}

#endif /* CUDROP_KERNEL_SORT_CUH */
