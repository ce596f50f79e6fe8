/* device_cuda.cu - a stream, a CUDA graph of what it does, and a kernel over items. */
#include "entropy.h"
#include "maths_launch.cuh"
#include "mean.h"
#include "mutual_information.h"
#include "softmax.h"
#include "variance.h"

/* ---- The stream ------------------------------------------------------------------- */

static cudrop_status_t open_stream(device_t *device, cudrop_context_t *context) {
  device->context = context;
  TRY(maths_check(device->maths, "cudaStreamCreateWithFlags",
                  cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking)));
  TRY(cudrop_set_stream(context, device->stream));
  return maths_set_stream(device->maths, device->stream);
}

/* What could not be destroyed stays there. */
static cudrop_status_t forget(device_t *device) {
  if (device->recorded == NULL) return CUDROP_OK;
  TRY(maths_check(device->maths, "cudaGraphExecDestroy",
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
      maths_check(device->maths, "cudaStreamDestroy", cudaStreamDestroy(stream)),
      forgotten,
  };
  for (const cudrop_status_t status : statuses) TRY(status);
  return CUDROP_OK;
}

/* ---- The graph -------------------------------------------------------------------- */

static cudrop_status_t record(device_t *device) {
  TRY(forget(device));
  return maths_check(
      device->maths, "cudaStreamBeginCapture",
      cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal));
}

static cudrop_status_t end_record(device_t *device) {
  cudaGraph_t graph = NULL;
  cudaGraphExec_t recorded = NULL;
  TRY(maths_check(device->maths, "cudaStreamEndCapture",
                  cudaStreamEndCapture(device->stream, &graph)));
  const cudaError_t instantiated = cudaGraphInstantiate(&recorded, graph, 0);
  const cudaError_t destroyed = cudaGraphDestroy(graph);
  if (instantiated == cudaSuccess) device->recorded = recorded;
  TRY(maths_check(device->maths, "cudaGraphInstantiate", instantiated));
  return maths_check(device->maths, "cudaGraphDestroy", destroyed);
}

static cudrop_status_t replay(device_t *device) {
  return maths_check(device->maths, "cudaGraphLaunch",
                     cudaGraphLaunch((cudaGraphExec_t)device->recorded, device->stream));
}

/* ---- Kernels ---------------------------------------------------------------------- */

template <void (*item)(const device_walk_t *walk, int64_t i)>
static __global__ void walk_items(device_walk_t walk, int64_t n) {
  const int64_t i = maths_thread();
  if (i < n) item(&walk, i);
}

static cudrop_status_t walk_cuda(device_t *device, device_kernel_t kernel,
                                 const device_walk_t *walk, int64_t n) {
  const cudaLaunchConfig_t config = maths_configure(device->maths, n);
  cudaError_t error = cudaErrorInvalidValue;
#define DEVICE_LAUNCH(name)    \
  if (kernel == DEVICE_##name) \
    error = cudaLaunchKernelEx(&config, walk_items<name##_item>, *walk, n);
  DEVICE_LIST(DEVICE_LAUNCH)
#undef DEVICE_LAUNCH
  return maths_check(device->maths, "walk_items: cudaLaunchKernelEx", error);
}

const device_table_t device_cuda = {open_stream, close_stream, walk_cuda,
                                    record,      end_record,   replay};
