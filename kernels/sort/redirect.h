/*
 * redirect.h - included in front of everything in cub.cu, by the compiler's option -include.
 *
 * CUB reads and clears the thread's last CUDA error, which is the caller's; it takes a launch's
 * error from there. These macros give CUB the functions of cub_calls.h instead. They must stand in
 * front of the toolkit's headers, because the code of a launch, which nvcc generates, has the
 * function's name too.
 */
#ifndef CUDROP_CUB_REDIRECT_H
#define CUDROP_CUB_REDIRECT_H

#define cudaGetLastError cudropi_cub_get_last_error
#define cudaPeekAtLastError cudropi_cub_peek_at_last_error
#define cudaLaunchKernel cudropi_cub_launch_kernel
#define cudaLaunchKernelExC cudropi_cub_launch_kernel_ex
#define cudaGetDevice cudropi_cub_get_device
#define cudaSetDevice cudropi_cub_set_device
#define cudaGetDeviceCount cudropi_cub_get_device_count
#define cudaFuncGetAttributes cudropi_cub_get_attributes

/* A launch keeps no static handle of its kernel, for which threads could race. */
#define __NV_LEGACY_LAUNCH

/* A program's own CUB is another one: no function of the two is merged by a linker. */
#define THRUST_CUB_WRAPPED_NAMESPACE cudropi_cub

/* No ranges for profilers, assertions, exceptions and streams of C++. */
#define CCCL_DISABLE_NVTX
#define NVTX_DISABLE
#define CCCL_DISABLE_EXCEPTIONS
#define _GLIBCXX_IOSTREAM
#ifndef NDEBUG
#define NDEBUG
#endif

#endif /* CUDROP_CUB_REDIRECT_H */
