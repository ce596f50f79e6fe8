/* fake_errors.cpp - the last error of a thread, and the names of errors. */
#include "fake_runtime.h"

using namespace fake;

cudaError_t &fake::last_error() {
  static thread_local cudaError_t error = cudaSuccess;
  return error;
}

cudaError_t fake::leave(cudaError_t error) {
  if (error != cudaSuccess) last_error() = error;
  return error;
}

/* These two do not remember what they return. */
cudaError_t cudaGetLastError(void) {
  const std::lock_guard<std::mutex> held(mutex());
  const cudaError_t error = enter("cudaGetLastError", needs::NOTHING);
  return error != cudaSuccess ? error : std::exchange(last_error(), cudaSuccess);
}

cudaError_t cudaPeekAtLastError(void) {
  const std::lock_guard<std::mutex> held(mutex());
  const cudaError_t error = enter("cudaPeekAtLastError", needs::NOTHING);
  return error != cudaSuccess ? error : last_error();
}

namespace {

#define ERROR_LIST(X)                                                                 \
  X(cudaSuccess, "no error")                                                          \
  X(cudaErrorInvalidValue, "invalid argument")                                        \
  X(cudaErrorMemoryAllocation, "out of memory")                                       \
  X(cudaErrorInitializationError, "initialization error")                             \
  X(cudaErrorInvalidConfiguration, "invalid configuration argument")                  \
  X(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")             \
  X(cudaErrorInsufficientDriver,                                                      \
    "CUDA driver version is insufficient for CUDA runtime version")                   \
  X(cudaErrorInvalidDeviceFunction, "invalid device function")                        \
  X(cudaErrorNoDevice, "no CUDA-capable device is detected")                          \
  X(cudaErrorInvalidDevice, "invalid device ordinal")                                 \
  X(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable") \
  X(cudaErrorNoKernelImageForDevice,                                                  \
    "no kernel image is available for execution on the device")                       \
  X(cudaErrorDeviceUninitialized, "invalid device context")                           \
  X(cudaErrorInvalidResourceHandle, "invalid resource handle")                        \
  X(cudaErrorIllegalState, "the operation cannot be performed in the present state")  \
  X(cudaErrorSymbolNotFound, "named symbol not found")                                \
  X(cudaErrorIllegalAddress, "an illegal memory access was encountered")              \
  X(cudaErrorLaunchFailure, "unspecified launch failure")                             \
  X(cudaErrorNotSupported, "operation not supported")                                 \
  X(cudaErrorStreamCaptureUnsupported,                                                \
    "operation not permitted when stream is capturing")                               \
  X(cudaErrorStreamCaptureInvalidated,                                                \
    "operation failed due to a previous error during capture")                        \
  X(cudaErrorStreamCaptureImplicit,                                                   \
    "operation would make the legacy stream depend on a capturing blocking stream")   \
  X(cudaErrorCapturedEvent,                                                           \
    "operation not permitted on an event last recorded in a capturing stream")        \
  X(cudaErrorStreamCaptureWrongThread,                                                \
    "attempt to terminate a thread-local capture sequence from another thread")       \
  X(cudaErrorUnknown, "unknown error")

struct {
  cudaError_t error;
  const char *name, *text;
} const errors[] = {
#define X(error, text) {error, #error, text},
    ERROR_LIST(X)
#undef X
};

}  // namespace

const char *cudaGetErrorName(cudaError_t error) {
  for (const auto &each : errors)
    if (each.error == error) return each.name;
  return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error) {
  for (const auto &each : errors)
    if (each.error == error) return each.text;
  return "unrecognized error code";
}
