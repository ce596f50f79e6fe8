/* architecture.cuh - constants of the architecture that kernels are compiled for. */
#ifndef CUDROP_KERNEL_ARCHITECTURE_CUH
#define CUDROP_KERNEL_ARCHITECTURE_CUH

/* Threads that a multiprocessor can hold. */
#if !defined(__CUDA_ARCH__)
static constexpr int cudropi_most_threads = 2048;
#elif __CUDA_ARCH__ < 800
static constexpr int cudropi_most_threads = 1024;
#elif __CUDA_ARCH__ == 860 || __CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200
static constexpr int cudropi_most_threads = 1536;
#else
static constexpr int cudropi_most_threads = 2048;
#endif

/* Does the architecture have accesses of 32 bytes? */
#if !defined(__CUDA_ARCH__)
static constexpr bool cudropi_has_wide_accesses = true; /* for host tests */
#else
static constexpr bool cudropi_has_wide_accesses = __CUDA_ARCH__ >= 1000;
#endif

/* Is it the architecture whose registers are counted (tests/check_kernels.sh)? Others need some
 * more for the same kernel, as ptxas is today. */
#if !defined(__CUDA_ARCH__)
static constexpr bool cudropi_is_sm_90 = true;
#else
static constexpr bool cudropi_is_sm_90 = __CUDA_ARCH__ == 900;
#endif

/* Does the architecture multiply matrices of BF16, and copy to shared memory while a kernel goes
 * on? Kernels that need this are empty without. */
#if !defined(__CUDA_ARCH__)
static constexpr bool cudropi_has_tensor_cores = true; /* as tests/simt has */
#else
static constexpr bool cudropi_has_tensor_cores = __CUDA_ARCH__ >= 800;
#endif

#endif /* CUDROP_KERNEL_ARCHITECTURE_CUH */
