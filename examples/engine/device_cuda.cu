/* device_cuda.cu - a stream, a CUDA graph of what it does, and a kernel over items. */
#include "cuda_calls.cuh"
#include "entropy.h"
#include "mean.h"
#include "mutual_information.h"
#include "softmax.h"
#include "variance.h"

static cudrop_status_t check(device_t *device, const char *call, cudaError_t error) {
  return cuda_check(&device->maths->failure, call, error);
}

/* ---- The stream ------------------------------------------------------------------- */

static cudrop_status_t open_stream(device_t *device, cudrop_context_t *context) {
  device->context = context;
  TRY(check(device, "cudaStreamCreateWithFlags",
            cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking)));
  TRY(cudrop_set_stream(context, device->stream));
  return maths_set_stream(device->maths, device->stream);
}

/* What could not be destroyed stays there. */
static cudrop_status_t forget(device_t *device) {
  if (device->recorded == NULL) return CUDROP_OK;
  TRY(check(device, "cudaGraphExecDestroy",
            cudaGraphExecDestroy((cudaGraphExec_t)device->recorded)));
  device->recorded = NULL;
  return CUDROP_OK;
}

static cudrop_status_t close_stream(device_t *device) {
  const cudaStream_t stream = device->stream;
  device->table = NULL;
  device->stream = NULL;
  const cudrop_status_t forgotten = forget(device);
  if (stream == NULL) return forgotten;
  const cudrop_status_t statuses[] = {
      cudrop_set_stream(device->context, NULL),
      maths_set_stream(device->maths, NULL),
      check(device, "cudaStreamDestroy", cudaStreamDestroy(stream)),
      forgotten,
  };
  for (const cudrop_status_t status : statuses) TRY(status);
  return CUDROP_OK;
}

/* ---- The graph -------------------------------------------------------------------- */

static cudrop_status_t record(device_t *device) {
  TRY(forget(device));
  return check(device, "cudaStreamBeginCapture",
               cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal));
}

static cudrop_status_t end_record(device_t *device) {
  cudaGraph_t graph = NULL;
  cudaGraphExec_t recorded = NULL;
  TRY(check(device, "cudaStreamEndCapture",
            cudaStreamEndCapture(device->stream, &graph)));
  const cudaError_t instantiated = cudaGraphInstantiate(&recorded, graph, 0);
  const cudaError_t destroyed = cudaGraphDestroy(graph);
  if (instantiated == cudaSuccess) device->recorded = recorded;
  TRY(check(device, "cudaGraphInstantiate", instantiated));
  return check(device, "cudaGraphDestroy", destroyed);
}

static cudrop_status_t replay(device_t *device) {
  return check(device, "cudaGraphLaunch",
               cudaGraphLaunch((cudaGraphExec_t)device->recorded, device->stream));
}

/* ---- Kernels ---------------------------------------------------------------------- */

template <void (*item)(const device_walk_t *walk, int64_t i)>
static __global__ void walk_items(device_walk_t walk, int64_t n) {
  const int64_t i = cuda_thread();
  if (i < n) item(&walk, i);
}

static cudrop_status_t walk_cuda(device_t *device, device_kernel_t kernel,
                                 const device_walk_t *walk, int64_t n) {
  const cudaLaunchConfig_t config = cuda_configure(n, device->stream);
  cudaError_t error = cudaErrorInvalidValue;
#define DEVICE_LAUNCH(name)    \
  if (kernel == DEVICE_##name) \
    error = cudaLaunchKernelEx(&config, walk_items<name##_item>, *walk, n);
  DEVICE_LIST(DEVICE_LAUNCH)
#undef DEVICE_LAUNCH
  return check(device, "walk_items: cudaLaunchKernelEx", error);
}

const device_table_t device_cuda = {open_stream, close_stream, walk_cuda,
                                    record,      end_record,   replay};
