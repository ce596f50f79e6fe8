/*
 * backend_cuda.c - NVIDIA GPUs as a backend: the file that talks to the CUDA runtime.
 *
 * cudaGetLastError() is never called: it would take an error that may be the caller's. Every
 * call here returns its own.
 */
#include "cuda/backend_cuda.h"

#include <cuda_runtime_api.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/context.h"
#include "core/status.h"
#include "cuda/current.h"
#include "launch.h"
#include "sort/pairs.h"

/* Tuning: the blocks that are launched for each multiprocessor, which runs 8 at a time. */
enum { BLOCKS_PER_MULTIPROCESSOR = 32 };

/* The most packs of a launch. 32-bit indices of the dense kernels hold these and one grid more. */
static const int64_t most_packs = (int64_t)1 << 31;

/* The primary context of some device that the library has opened; NULL before the first. */
static _Atomic(struct CUctx_st *) some_primary;

/* ---- Errors ------------------------------------------------------------------------------ */

/* Does the error say that the machine has no usable device? */
static bool is_no_device(cudaError_t error) {
  return error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver ||
         error == cudaErrorStubLibrary;
}

/* The status for an error of the runtime. No other function translates errors. */
static cudrop_status_t translate(const char *function, const char *call,
                                 cudaError_t error) {
  if (error == cudaSuccess) return CUDROP_OK;
  return cudropi_fail(is_no_device(error)                  ? CUDROP_ERROR_NO_DEVICE
                      : error == cudaErrorMemoryAllocation ? CUDROP_ERROR_OUT_OF_MEMORY
                                                           : CUDROP_ERROR_CUDA,
                      "%s: %s failed with %s: %s", function, call,
                      cudaGetErrorName(error), cudaGetErrorString(error));
}

static cudrop_status_t translate_result(const char *function,
                                        cudropi_cuda_result_t result) {
  return translate(function, result.call, result.error);
}

/* TRY for a call of the runtime. */
#define TRY_CUDA(function, call, ...) TRY(translate(function, #call, call(__VA_ARGS__)))

/* ---- Devices ----------------------------------------------------------------------------- */

/* Make a context of the device current, in which the runtime's calls work until leave(). */
static cudrop_status_t enter(const char *function, const cudrop_context_t *context,
                             bool *is_pushed) {
  return translate_result(function, cudropi_enter_gpu(&context->cuda.gpu, is_pushed));
}

/* Make the former context current again. Returns `status`, or if that is CUDROP_OK the status of
 * leaving. */
static cudrop_status_t leave(const char *function, bool is_pushed,
                             cudrop_status_t status) {
  if (!is_pushed) return status;
  const cudropi_cuda_result_t result = cudropi_pop_primary();
  return status != CUDROP_OK ? status : translate_result(function, result);
}

static cudrop_status_t device_count(const char *function, int *count) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  *count = is_no_device(error) ? 0 : devices;
  return is_no_device(error) ? CUDROP_OK
                             : translate(function, "cudaGetDeviceCount", error);
}

static cudrop_status_t device_name(const char *function, int device, char *name,
                                   size_t size) {
  struct cudaDeviceProp properties;
  TRY_CUDA(function, cudaGetDeviceProperties, &properties, device);
  snprintf(name, size, "%s", properties.name);
  return CUDROP_OK;
}

static cudrop_status_t open_device(cudrop_context_t *context) {
  static const char function[] = "cudrop_create";
  int multiprocessors = 0, major = 0, has_pools = 0, reads_host_memory = 0;
  TRY_CUDA(function, cudaDeviceGetAttribute, &multiprocessors,
           cudaDevAttrMultiProcessorCount, context->device);
  TRY_CUDA(function, cudaDeviceGetAttribute, &major, cudaDevAttrComputeCapabilityMajor,
           context->device);
  TRY_CUDA(function, cudaDeviceGetAttribute, &has_pools, cudaDevAttrMemoryPoolsSupported,
           context->device);
  TRY_CUDA(function, cudaDeviceGetAttribute, &reads_host_memory,
           cudaDevAttrPageableMemoryAccess, context->device);
  context->cuda.blocks = (int64_t)multiprocessors * BLOCKS_PER_MULTIPROCESSOR;
  context->cuda.packs = most_packs;
  context->cuda.has_tensor_cores = major >= 8;
  context->cuda.has_pools = has_pools != 0;
  context->cuda.reads_host_memory = reads_host_memory != 0;
  TRY(translate_result(function, cudropi_open_gpu(context->device, &context->cuda.gpu)));
  atomic_store(&some_primary, context->cuda.gpu.primary);
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  return leave(function, is_pushed,
               translate(function, "cudaFuncGetAttributes", cudropi_open_sort()));
}

static void close_device(cudrop_context_t *context) {
  (void)context; /* the stream is the caller's, and the primary context stays */
}

static cudrop_status_t set_threads(cudrop_context_t *context, int threads) {
  (void)context;
  return cudropi_fail(CUDROP_ERROR_INVALID_ARGUMENT,
                      "cudrop_set_threads: threads = %d, and a CUDA context has none",
                      threads);
}

static cudrop_status_t set_stream(cudrop_context_t *context, cudrop_stream_t stream) {
  context->stream = stream;
  return CUDROP_OK;
}

static cudrop_status_t synchronize(cudrop_context_t *context) {
  static const char function[] = "cudrop_synchronize";
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  const cudaError_t error = cudaStreamSynchronize(context->stream);
  return leave(function, is_pushed, translate(function, "cudaStreamSynchronize", error));
}

/* ---- Memory ------------------------------------------------------------------------------ */

/* Free memory by the call that matches its allocation. */
static cudrop_status_t release(const char *function, const cudrop_context_t *context,
                               void **buffer) {
  const bool has_pools = context->cuda.has_pools;
  const cudaError_t error =
      has_pools ? cudaFreeAsync(*buffer, context->stream) : cudaFree(*buffer);
  if (error == cudaSuccess) *buffer = NULL;
  return translate(function, has_pools ? "cudaFreeAsync" : "cudaFree", error);
}

static cudrop_status_t cuda_alloc(cudrop_context_t *context, size_t bytes,
                                  void **buffer) {
  static const char function[] = "cudrop_alloc";
  const bool has_pools = context->cuda.has_pools;
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  const cudaError_t error = has_pools ? cudaMallocAsync(buffer, bytes, context->stream)
                                      : cudaMalloc(buffer, bytes);
  cudrop_status_t status =
      error == cudaErrorMemoryAllocation
          ? cudropi_fail(CUDROP_ERROR_OUT_OF_MEMORY,
                         "%s: bytes = %zu is more than device %d has left", function,
                         bytes, context->device)
          : translate(function, has_pools ? "cudaMallocAsync" : "cudaMalloc", error);
  if (status != CUDROP_OK) *buffer = NULL;
  status = leave(function, is_pushed, status);
  if (status != CUDROP_OK && *buffer != NULL) { /* leave() failed: report that */
    (void)(has_pools ? cudaFreeAsync(*buffer, context->stream) : cudaFree(*buffer));
    *buffer = NULL;
  }
  return status;
}

static cudrop_status_t cuda_free(cudrop_context_t *context, void **buffer) {
  static const char function[] = "cudrop_free";
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  return leave(function, is_pushed, release(function, context, buffer));
}

static cudrop_status_t check_memory(const cudrop_context_t *context, const char *function,
                                    const char *name, const void *data) {
  struct cudaPointerAttributes attributes;
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  const cudaError_t error = cudaPointerGetAttributes(&attributes, data);
  TRY(leave(function, is_pushed, translate(function, "cudaPointerGetAttributes", error)));
  switch (attributes.type) {
    case cudaMemoryTypeDevice:
      REQUIRE(attributes.device == context->device, CUDROP_ERROR_WRONG_MEMORY,
              "%s: %s = %p is memory of device %d, and the context's device is %d",
              function, name, data, attributes.device, context->device);
      return CUDROP_OK;
    case cudaMemoryTypeUnregistered:
      REQUIRE(context->cuda.reads_host_memory, CUDROP_ERROR_WRONG_MEMORY,
              "%s: %s = %p is host memory, and the context is one of device %d", function,
              name, data, context->device);
      return CUDROP_OK;
    default: /* managed or page-locked: host and GPU reach it */
      return CUDROP_OK;
  }
}

/* A context is pushed, because without a current one the runtime would make one on device 0. */
bool cudropi_cuda_owns(const void *data) {
  struct CUctx_st *const primary = atomic_load(&some_primary);
  struct cudaPointerAttributes attributes;
  if (primary == NULL || cudropi_push_primary(primary).error != cudaSuccess) return false;
  const bool is_found = cudaPointerGetAttributes(&attributes, data) == cudaSuccess &&
                        attributes.type == cudaMemoryTypeDevice;
  (void)cudropi_pop_primary();
  return is_found;
}

/*
 * Copy between a buffer and host memory, and wait for the copy. cudaMemcpyDefault lets CUDA find
 * out where both are, because the buffer need not be the device's own memory.
 */
static cudrop_status_t copy(const char *function, cudrop_context_t *context, void *to,
                            const void *from, size_t bytes) {
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  const char *call = "cudaMemcpyAsync";
  cudaError_t error =
      cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, context->stream);
  if (error == cudaSuccess) {
    call = "cudaStreamSynchronize";
    error = cudaStreamSynchronize(context->stream);
  }
  return leave(function, is_pushed, translate(function, call, error));
}

static cudrop_status_t upload(cudrop_context_t *context, void *buffer, const void *host,
                              size_t bytes) {
  TRY(check_memory(context, "cudrop_upload", "buffer", buffer));
  return copy("cudrop_upload", context, buffer, host, bytes);
}

static cudrop_status_t download(cudrop_context_t *context, void *host, const void *buffer,
                                size_t bytes) {
  TRY(check_memory(context, "cudrop_download", "buffer", buffer));
  return copy("cudrop_download", context, host, buffer, bytes);
}

/* ---- Operators --------------------------------------------------------------------------- */

static cudrop_status_t launch(const cudropi_work_t *work) {
  const cudropi_op_t *op = work->plan->op;
  return translate(op->function, "cudaLaunchKernelExC", (cudaError_t)op->launch(work));
}

static cudrop_status_t clear(const cudropi_work_t *work, void *memory, size_t bytes) {
  TRY_CUDA(work->plan->op->function, cudaMemsetAsync, memory, 0, bytes, work->stream);
  return CUDROP_OK;
}

static cudrop_status_t walk_elements(const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  const size_t bytes = cudropi_walk_bytes(plan);
  void *y = plan->operand[CUDROPI_Y].data;
  switch (work->walk) {
    case CUDROPI_WALK_NONE:
      return CUDROP_OK;
    case CUDROPI_WALK_COPY:
      TRY_CUDA(plan->op->function, cudaMemcpyAsync, y, plan->operand[CUDROPI_X].data,
               bytes, cudaMemcpyDefault, work->stream);
      return CUDROP_OK;
    case CUDROPI_WALK_CLEAR:
      return clear(work, y, bytes);
    default:
      /* COUNT adds to y. */
      if (plan->kernel == CUDROPI_KERNEL_COUNT) TRY(clear(work, y, bytes));
      return launch(work);
  }
}

/* Clear the gradients of parameters, which without rows are 0. */
static cudrop_status_t clear_sums(const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  if (plan->adds_to_parameters) return CUDROP_OK;
  for (int k = 0; k < CUDROPI_SLOTS; ++k) {
    const cudropi_operand_t *sum = &plan->operand[k];
    if (cudropi_is_sum(plan, k))
      TRY(clear(work, sum->data, (size_t)plan->cols * cudrop_dtype_bytes(sum->dtype)));
  }
  return CUDROP_OK;
}

static cudrop_status_t walk_rows(const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  if (plan->cols == 0) return CUDROP_OK;
  if (plan->rows == 0) return clear_sums(work);
  TRY(launch(work));
  return translate(plan->op->function, "cudaLaunchKernelExC",
                   cudropi_launch_column_sums(work));
}

static cudrop_status_t run(cudrop_context_t *context, const cudropi_plan_t *plan) {
  bool is_pushed = false;
  cudropi_plan_t ordered = *plan;
  cudropi_order_dimensions(&ordered);
  const cudropi_work_t work = {.plan = &ordered,
                               .walk = cudropi_choose_walk(&ordered),
                               .blocks = context->cuda.blocks,
                               .packs = context->cuda.packs,
                               .has_tensor_cores = context->cuda.has_tensor_cores,
                               .stream = context->stream};
  const char *function = plan->op->function;
  TRY(enter(function, context, &is_pushed));
  return leave(function, is_pushed,
               plan->op->has_rows ? walk_rows(&work) : walk_elements(&work));
}

static cudrop_status_t prepare(cudrop_context_t *context, const cudrop_prepared_t *value,
                               cudrop_prepared_t *prepared) {
  static const char function[] = "cudrop_prepare";
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  const cudaError_t error = cudropi_launch_prepare(prepared, value, context->stream);
  return leave(function, is_pushed, translate(function, "cudaLaunchKernelExC", error));
}

static cudrop_status_t advance(cudrop_context_t *context, cudrop_prepared_t *prepared,
                               uint64_t offsets) {
  static const char function[] = "cudrop_advance";
  bool is_pushed = false;
  TRY(enter(function, context, &is_pushed));
  const cudaError_t error = cudropi_launch_advance(prepared, offsets, context->stream);
  return leave(function, is_pushed, translate(function, "cudaLaunchKernelExC", error));
}

const cudropi_backend_t cudropi_backend_cuda = {
    .id = CUDROP_CUDA,
    .device_count = device_count,
    .device_name = device_name,
    .open = open_device,
    .close = close_device,
    .set_threads = set_threads,
    .set_stream = set_stream,
    .synchronize = synchronize,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .upload = upload,
    .download = download,
    .check_memory = check_memory,
    .run = run,
    .prepare = prepare,
    .advance = advance,
};
