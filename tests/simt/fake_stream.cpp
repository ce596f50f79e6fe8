/* fake_stream.cpp - streams, what they do, and events. */
#include "fake_cudart.h"
#include "fake_runtime.h"
#include "simt.h"
#include "watch.h"

namespace fake {

bool is_default(cudaStream_t handle) {
  return handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread;
}

cudaError_t break_capture(CUstream_st *stream) {
  stream->capture->valid = false;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t break_captures_around() {
  cudaError_t result = cudaSuccess;
  for (auto &[handle, stream] : state().streams) {
    const auto &capture = stream->capture;
    if (!capture || capture->mode == cudaStreamCaptureModeRelaxed) continue;
    if (capture->mode == cudaStreamCaptureModeThreadLocal &&
        capture->begun_by != std::this_thread::get_id())
      continue;
    result = break_capture(handle);
  }
  return result;
}

cudaError_t find_stream(cudaStream_t handle, CUstream_st **found) {
  tables &all = state();
  if (!is_default(handle)) {
    FAKE_REQUIRE(all.streams.has(handle), cudaErrorInvalidResourceHandle);
    FAKE_REQUIRE(!handle->capture || handle->capture->valid,
                 cudaErrorStreamCaptureInvalidated);
    *found = handle;
    return cudaSuccess;
  }
  cudaError_t result = cudaSuccess;
  for (auto &[each, stream] : all.streams) {
    if (!stream->stops_default_stream()) continue;
    break_capture(each);
    result = cudaErrorStreamCaptureImplicit;
  }
  *found = &all.default_stream;
  return result;
}

cudaError_t call_on_stream(const char *name, cudaStream_t handle,
                           const std::function<cudaError_t(const CUstream_st &)> &check,
                           const work &task) {
  bool now = false;
  const cudaError_t error = call(name, needs::CONTEXT, [&] {
    CUstream_st *stream = nullptr;
    FAKE_TRY(find_stream(handle, &stream));
    FAKE_TRY(check(*stream));
    now = !stream->capture;
    if (!now) stream->capture->nodes.push_back(task);
    return cudaSuccess;
  });
  return now ? leave(task()) : error;
}

}  // namespace fake

using namespace fake;

/* ---- Launches ---------------------------------------------------------------------- */

namespace {
bool (*observer)(const simt_launch_t *);
}

void simt_watch(bool (*see)(const simt_launch_t *launch)) {
  observer = see;
}

/* Does a program that watches keep the launch from running? */
static bool is_withheld(const simt::kernel_launch &launch) {
  if (observer == nullptr || launch.function == nullptr) return false;
  const simt_launch_t seen = {launch.function,
                              {launch.grid.x, launch.grid.y, launch.grid.z},
                              {launch.block.x, launch.block.y, launch.block.z},
                              launch.shared,
                              launch.arguments,
                              launch.bytes};
  return !observer(&seen);
}

cudaError_t simt::submit(const kernel_launch &launch, cudaStream_t stream) {
  if (is_withheld(launch)) return cudaSuccess;
  return call_on_stream(
      "cudaLaunchKernelExC", stream,
      [&](const CUstream_st &on) {
        FAKE_REQUIRE(on.context == nullptr || on.context == current_context(),
                     cudaErrorInvalidResourceHandle);
        return check(launch);
      },
      [launch] { return run(launch); });
}

int fake_cuda_do(CUstream_st *stream, void (*task)(const void *arguments),
                 const void *arguments, std::size_t bytes) {
  const char *const first = static_cast<const char *>(arguments);
  const std::vector<char> copy(first, first + bytes);
  return call_on_stream(
      "fake_cuda_do", stream, [](const CUstream_st &) { return cudaSuccess; },
      [task, copy] {
        task(copy.data());
        return cudaSuccess;
      });
}

/* ---- Streams ----------------------------------------------------------------------- */

namespace {

cudaError_t create_stream(cudaStream_t *stream, unsigned flags) {
  FAKE_REQUIRE(stream != nullptr && flags <= cudaStreamNonBlocking,
               cudaErrorInvalidValue);
  *stream = state().streams.add({current_context(), flags == cudaStreamDefault});
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaStreamCreate(cudaStream_t *stream) {
  return call("cudaStreamCreate", needs::CONTEXT,
              [&] { return create_stream(stream, cudaStreamDefault); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  return call("cudaStreamCreateWithFlags", needs::CONTEXT,
              [&] { return create_stream(stream, flags); });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call("cudaStreamDestroy", needs::CONTEXT, [&] {
    return state().streams.remove(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call("cudaStreamSynchronize", needs::CONTEXT, [&] {
    CUstream_st *stream = nullptr;
    FAKE_TRY(find_stream(handle, &stream));
    return stream->capture ? break_capture(stream) : cudaSuccess;
  });
}

/* ---- Events ------------------------------------------------------------------------ */

namespace {

cudaError_t create_event(cudaEvent_t *event) {
  FAKE_REQUIRE(event != nullptr, cudaErrorInvalidValue);
  *event = state().events.add({current_context()});
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaEventCreate(cudaEvent_t *event) {
  return call("cudaEventCreate", needs::CONTEXT, [&] { return create_event(event); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
  return call("cudaEventCreateWithFlags", needs::CONTEXT,
              [&] { return create_event(event); });
}

/* An event that is recorded in a capture marks a place in the graph, and never a time. */
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call("cudaEventRecord", needs::CONTEXT, [&] {
    CUstream_st *stream = nullptr;
    FAKE_REQUIRE(state().events.has(event), cudaErrorInvalidResourceHandle);
    FAKE_TRY(find_stream(handle, &stream));
    FAKE_REQUIRE(stream->context == nullptr || stream->context == event->context,
                 cudaErrorInvalidResourceHandle);
    event->captured = stream->capture.has_value();
    if (!event->captured) event->recorded = std::chrono::steady_clock::now();
    return cudaSuccess;
  });
}

/* Work is done when it is asked for, so that what is waited for has happened. */
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags) {
  return call("cudaStreamWaitEvent", needs::CONTEXT, [&] {
    CUstream_st *stream = nullptr;
    FAKE_REQUIRE(flags == cudaEventWaitDefault, cudaErrorInvalidValue);
    FAKE_REQUIRE(state().events.has(event), cudaErrorInvalidResourceHandle);
    FAKE_TRY(find_stream(handle, &stream));
    return stream->capture || event->captured ? cudaErrorStreamCaptureUnsupported
                                              : cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", needs::CONTEXT, [&] {
    FAKE_REQUIRE(state().events.has(event), cudaErrorInvalidResourceHandle);
    return event->captured ? cudaErrorCapturedEvent : cudaSuccess;
  });
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start,
                                 cudaEvent_t end) {
  return call("cudaEventElapsedTime", needs::CONTEXT, [&] {
    FAKE_REQUIRE(milliseconds != nullptr, cudaErrorInvalidValue);
    FAKE_REQUIRE(state().events.has(start) && state().events.has(end) &&
                     start->context == end->context && start->recorded && end->recorded,
                 cudaErrorInvalidResourceHandle);
    const std::chrono::duration<float, std::milli> elapsed =
        *end->recorded - *start->recorded;
    *milliseconds = elapsed.count();
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call("cudaEventDestroy", needs::CONTEXT, [&] {
    return state().events.remove(event) ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}
