/* fake_graph.cpp - streams that record, and graphs of what they recorded. */
#include "fake_runtime.h"

using namespace fake;

/* ---- Capture ----------------------------------------------------------------------- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return call("cudaStreamBeginCapture", needs::CONTEXT, [&] {
    FAKE_REQUIRE(!is_default(stream), cudaErrorStreamCaptureUnsupported);
    FAKE_REQUIRE(state().streams.has(stream), cudaErrorInvalidResourceHandle);
    FAKE_REQUIRE(!stream->capture, cudaErrorIllegalState);
    stream->capture = capture{mode, std::this_thread::get_id(), true, {}};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  return call("cudaStreamEndCapture", needs::CONTEXT, [&] {
    FAKE_REQUIRE(graph != nullptr, cudaErrorInvalidValue);
    *graph = nullptr;
    FAKE_REQUIRE(state().streams.has(stream), cudaErrorInvalidResourceHandle);
    FAKE_REQUIRE(stream->capture, cudaErrorIllegalState);
    FAKE_REQUIRE(stream->capture->mode == cudaStreamCaptureModeRelaxed ||
                     stream->capture->begun_by == std::this_thread::get_id(),
                 cudaErrorStreamCaptureWrongThread);
    const capture ended = *std::exchange(stream->capture, std::nullopt);
    FAKE_REQUIRE(ended.valid, cudaErrorStreamCaptureInvalidated);
    *graph = state().graphs.add({ended.nodes});
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  return call("cudaStreamIsCapturing", needs::CONTEXT, [&] {
    FAKE_REQUIRE(status != nullptr, cudaErrorInvalidValue);
    *status = cudaStreamCaptureStatusNone;
    if (is_default(stream)) {
      for (auto &[handle, each] : state().streams)
        FAKE_REQUIRE(!each->stops_default_stream(), cudaErrorStreamCaptureImplicit);
      return cudaSuccess;
    }
    FAKE_REQUIRE(state().streams.has(stream), cudaErrorInvalidResourceHandle);
    if (stream->capture)
      *status = stream->capture->valid ? cudaStreamCaptureStatusActive
                                       : cudaStreamCaptureStatusInvalidated;
    return cudaSuccess;
  });
}

/* ---- Graphs ------------------------------------------------------------------------ */

namespace {

cudaError_t run_nodes(cudaGraphExec_t exec) {
  std::shared_ptr<const std::vector<work>> nodes;
  {
    const std::lock_guard<std::mutex> held(mutex());
    FAKE_REQUIRE(state().execs.has(exec), cudaErrorInvalidValue);
    nodes = exec->nodes;
  }
  for (const work &each : *nodes) FAKE_TRY(each());
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long) {
  return call("cudaGraphInstantiate", needs::CONTEXT, [&] {
    FAKE_REQUIRE(exec != nullptr && state().graphs.has(graph), cudaErrorInvalidValue);
    *exec = state().execs.add({std::make_shared<const std::vector<work>>(graph->nodes)});
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return call_on_stream(
      "cudaGraphLaunch", stream,
      [exec](const CUstream_st &) {
        return state().execs.has(exec) ? cudaSuccess : cudaErrorInvalidValue;
      },
      [exec] { return run_nodes(exec); });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call("cudaGraphExecDestroy", needs::CONTEXT, [&] {
    return state().execs.remove(exec) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call("cudaGraphDestroy", needs::CONTEXT, [&] {
    return state().graphs.remove(graph) ? cudaSuccess : cudaErrorInvalidValue;
  });
}
