/*
 * port.h - the only header through which kernel sources include CUDA, for two compilers.
 *
 * nvcc compiles a kernel source to GPU code. A host C++17 compiler with tests/simt on its include
 * path compiles the same source to a program that runs every CUDA thread as a fiber of the CPU.
 * Kernel sources use the following macros, and never the CUDA syntax that the macros replace.
 *
 *   LAUNCH(kernel, grid, block, shared, stream, args)
 *       launch `kernel` with `shared` bytes of dynamic shared memory, up to what the device can
 *       give to a block. `kernel` is a __global__ function whose one parameter is a struct.
 *       `args` is a variable of that struct. The value is the cudaError_t of this launch alone.
 *   SHARED_ARRAY(type, name, n)
 *       declare name[n] in the block's shared memory
 *   DYNAMIC_SHARED(type, name)
 *       declare `name`, a pointer to the dynamic shared memory, aligned to 16 bytes
 */
#ifndef CUDROP_PORT_H
#define CUDROP_PORT_H

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#define SHARED_ARRAY(type, name, n) __shared__ type name[n]
#define DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char dynamic_shared[]; \
  type *const name = reinterpret_cast<type *>(dynamic_shared)

/* What a block may have without the kernel's attribute. */
enum { CUDROPI_PLAIN_SHARED = 48 << 10 };

/* cudaLaunchKernelExC returns the launch's own error and leaves the caller's alone. Static shared
 * memory counts too, for which 1 KiB is enough. */
template <class Args>
cudaError_t cudropi_launch(void (*kernel)(Args), dim3 grid, dim3 block, size_t shared,
                           cudaStream_t stream, const Args &args) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  void *parameters[] = {const_cast<Args *>(&args)};
  if (shared + 1024 > CUDROPI_PLAIN_SHARED) {
    const cudaError_t error =
        cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
    if (error != cudaSuccess) return error;
  }
  return cudaLaunchKernelExC(&config, reinterpret_cast<const void *>(kernel), parameters);
}
#define LAUNCH(kernel, grid, block, shared, stream, args) \
  cudropi_launch((kernel), (grid), (block), (shared), (stream), (args))

#else

#include "simt.h" /* defines the same macros, and what device.cuh needs of a block and a warp */
#define CUDROP_DEVICE_THREADS

#endif

#endif /* CUDROP_PORT_H */
