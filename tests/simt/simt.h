/*
 * simt.h - CUDA kernels on the CPU: every CUDA thread of a block is a fiber.
 *
 * port.h includes this in place of CUDA's headers where the compiler is not nvcc. Types
 * come from the toolkit's headers; nothing of the toolkit is linked. A launch runs at
 * once, block after block; a fiber leaves its thread of the CPU only where its CUDA
 * thread must wait: in a barrier or in a collective operation of its warp.
 *
 * What a kernel may not do is a defect: the launch ends there and gives
 * cudaErrorLaunchFailure, or cudaErrorInvalidConfiguration if it could not begin, and
 * simt::defect() says who, where and what.
 */
#ifndef CUDROP_SIMT_H
#define CUDROP_SIMT_H

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime_api.h>
#include <math.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "intrinsics.h"
#include "order.h"

/* ---- What a test asks -------------------------------------------------------------- */

namespace simt {

/* The first defect since the last forget_defect(), of any thread; "" if there is none:
 * "kernel K, block (x,y,z), thread (x,y,z): FILE:LINE: CALL: what is wrong". */
std::string defect();
void forget_defect();

}  // namespace simt

/* ---- What a kernel is written with ------------------------------------------------- */

#define __launch_bounds__(...)
#undef __grid_constant__
#define __grid_constant__
#undef __shared__ /* SHARED_ARRAY and DYNAMIC_SHARED are what can be emulated */

/* Of the CUDA thread that runs. A kernel reads them. */
extern __thread uint3 threadIdx, blockIdx;
extern __thread dim3 blockDim, gridDim;
constexpr int warpSize = 32;

#define LAUNCH(kernel, grid, block, shared, stream, args) \
  ::simt::launch(#kernel, (kernel), (grid), (block), (shared), (stream), (args))

/* The typed one of cuda_runtime.h, for a kernel of any parameters. */
#define cudaLaunchKernelEx(config, kernel, ...)                                   \
  ::simt::launch_typed(#kernel, ::simt::site::of("cudaLaunchKernelEx"), (config), \
                       (kernel), __VA_ARGS__)

#define SHARED_ARRAY(type, name, n) \
  static const char name##_key = 0; \
  type(&name)[n] =                  \
      *static_cast<type(*)[n]>(::simt::shared_array(&name##_key, sizeof(type[n])))

#define DYNAMIC_SHARED(type, name) \
  type *const name = static_cast<type *>(::simt::dynamic_shared())

/* ---- How that is done -------------------------------------------------------------- */

namespace simt {

/* A call and where it stands. As a default argument it is the caller's place. */
struct site {
  const char *call, *file;
  int line;

  static constexpr site of(const char *call, const char *file = __builtin_FILE(),
                           int line = __builtin_LINE()) {
    return {call, file, line};
  }
};

struct kernel_launch {
  const char *kernel;
  site from;
  dim3 grid, block;
  std::size_t shared;
  std::function<void()> thread; /* what each CUDA thread does */
  /* For watch.h, until submit() returns: the function, and its arguments. */
  const void *function = nullptr, *arguments = nullptr;
  std::size_t bytes = 0;
};

/* Whether a device could run a launch of this configuration; else it is a defect. */
cudaError_t check(const kernel_launch &launch);

/* Run the whole grid now, after check(). */
cudaError_t run(const kernel_launch &launch);

/* Run it as the fake runtime's stream would: now, or with the graph that it records. */
cudaError_t submit(const kernel_launch &launch, cudaStream_t stream);

/* Every CUDA thread gets `args` as an object of its own. */
template <class Args>
cudaError_t launch(const char *name, void (*kernel)(Args), dim3 grid, dim3 block,
                   std::size_t shared, cudaStream_t stream, const Args &args,
                   site from = site::of("LAUNCH")) {
  static_assert(std::is_trivially_copyable_v<Args>, "the GPU gets a copy of the bytes");
  return submit({name, from, grid, block, shared, [kernel, args] { kernel(args); },
                 reinterpret_cast<const void *>(kernel), &args, sizeof args},
                stream);
}

/* Every CUDA thread gets the arguments, converted to the parameters' types, in copies. */
template <class... Parameters, class... Arguments>
cudaError_t launch_typed(const char *name, site from, const cudaLaunchConfig_t *config,
                         void (*kernel)(Parameters...), Arguments &&...arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "the GPU gets a copy of the bytes");
  if (config->numAttrs != 0) return cudaErrorNotSupported;
  const std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  return submit({name, from, config->gridDim, config->blockDim, config->dynamicSmemBytes,
                 [kernel, values] { std::apply(kernel, values); }},
                config->stream);
}

/* The block's array of that key, made by the first thread that asks for it. */
void *shared_array(const void *key, std::size_t bytes,
                   site at = site::of("SHARED_ARRAY"));
void *dynamic_shared(site at = site::of("DYNAMIC_SHARED"));

/* Wait for every thread of the block; how many of them vote other than 0. */
int barrier(int vote, site at);

/* The lane of the caller's warp that a shuffle reads. */
unsigned lane_at(int lane, int width, site at);
unsigned lane_before(unsigned distance, int width, site at);
unsigned lane_behind(unsigned distance, int width, site at);
unsigned lane_across(int bits, int width, site at);

/* What the lanes of a mask do together: each brings a value, and each gets something. */
struct meeting {
  enum kind_t {
    ORDER,    /* 0 */
    EXCHANGE, /* what lane `source` brought */
    BALLOT,   /* a bit for each lane, set if it brought other than 0 */
    SUM
  } kind;
  unsigned mask;
  std::uint64_t value;
  unsigned source;
};
std::uint64_t meet(const meeting &what, site at);

template <class T>
T exchange(unsigned mask, T value, unsigned source, site at) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>, "no shuffle takes it");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = meet({meeting::EXCHANGE, mask, bits, source}, at);
  std::memcpy(static_cast<void *>(&value), &bits, sizeof value);
  return value;
}

inline unsigned ballot(unsigned mask, int vote, site at) {
  return static_cast<unsigned>(meet({meeting::BALLOT, mask, vote != 0, 0}, at));
}

}  // namespace simt

/* ---- Barriers ---------------------------------------------------------------------- */

inline void __syncthreads(simt::site at = simt::site::of("__syncthreads")) {
  simt::barrier(0, at);
}

inline int __syncthreads_count(int vote,
                               simt::site at = simt::site::of("__syncthreads_count")) {
  return simt::barrier(vote, at);
}

inline int __syncthreads_or(int vote,
                            simt::site at = simt::site::of("__syncthreads_or")) {
  return simt::barrier(vote, at) != 0;
}

inline int __syncthreads_and(int vote,
                             simt::site at = simt::site::of("__syncthreads_and")) {
  return simt::barrier(vote == 0, at) == 0;
}

inline void __syncwarp(unsigned mask = ~0u,
                       simt::site at = simt::site::of("__syncwarp")) {
  simt::meet({simt::meeting::ORDER, mask, 0, 0}, at);
}

/* ---- Shuffles, votes and sums of a warp -------------------------------------------- */

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = warpSize,
              simt::site at = simt::site::of("__shfl_sync")) {
  return simt::exchange(mask, value, simt::lane_at(lane, width, at), at);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = warpSize,
                 simt::site at = simt::site::of("__shfl_up_sync")) {
  return simt::exchange(mask, value, simt::lane_before(distance, width, at), at);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = warpSize,
                   simt::site at = simt::site::of("__shfl_down_sync")) {
  return simt::exchange(mask, value, simt::lane_behind(distance, width, at), at);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize,
                  simt::site at = simt::site::of("__shfl_xor_sync")) {
  return simt::exchange(mask, value, simt::lane_across(bits, width, at), at);
}

inline unsigned __ballot_sync(unsigned mask, int vote,
                              simt::site at = simt::site::of("__ballot_sync")) {
  return simt::ballot(mask, vote, at);
}

inline int __any_sync(unsigned mask, int vote,
                      simt::site at = simt::site::of("__any_sync")) {
  return simt::ballot(mask, vote, at) != 0;
}

inline int __all_sync(unsigned mask, int vote,
                      simt::site at = simt::site::of("__all_sync")) {
  return simt::ballot(mask, vote, at) == mask;
}

inline unsigned __reduce_add_sync(unsigned mask, unsigned value,
                                  simt::site at = simt::site::of("__reduce_add_sync")) {
  return static_cast<unsigned>(simt::meet({simt::meeting::SUM, mask, value, 0}, at));
}

inline int __reduce_add_sync(unsigned mask, int value,
                             simt::site at = simt::site::of("__reduce_add_sync")) {
  return static_cast<int>(__reduce_add_sync(mask, static_cast<unsigned>(value), at));
}

#endif /* CUDROP_SIMT_H */
