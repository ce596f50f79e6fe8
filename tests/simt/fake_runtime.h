/*
 * fake_runtime.h - what the files of the fake CUDA runtime share: one set of tables under
 * one mutex, and the way into every function of the API.
 */
#ifndef CUDROP_FAKE_RUNTIME_H
#define CUDROP_FAKE_RUNTIME_H

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fake {

/* What a stream does, now or whenever a graph is launched; the mutex is not held. */
using work = std::function<cudaError_t()>;

struct capture {
  cudaStreamCaptureMode mode;
  std::thread::id begun_by;
  bool valid = true;
  std::vector<work> nodes;
};

}  // namespace fake

/* The handles of the API point to these. */
struct CUctx_st {
  int device;
};

struct CUstream_st {
  CUctx_st *context; /* null: whichever is current */
  bool blocking;     /* the default stream waits for it */
  std::optional<fake::capture> capture = {};
  bool stops_default_stream() const { return blocking && capture.has_value(); }
};

struct CUevent_st {
  CUctx_st *context;
  bool captured = false;
  std::optional<std::chrono::steady_clock::time_point> recorded = {};
};

struct CUgraph_st {
  std::vector<fake::work> nodes;
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<fake::work>> nodes;
};

namespace fake {

struct memory_block {
  struct free_bytes {
    void operator()(char *first) const { std::free(first); }
  };
  std::unique_ptr<char, free_bytes> bytes;
  std::size_t size;
  cudaMemoryType type;
  int device;
};

/* Objects that a caller knows by their address. */
template <class T>
class table {
 public:
  T *add(T object) {
    auto owned = std::make_unique<T>(std::move(object));
    T *const handle = owned.get();
    objects_.emplace(handle, std::move(owned));
    return handle;
  }
  bool has(T *handle) const { return objects_.count(handle) != 0; }
  bool remove(T *handle) { return objects_.erase(handle) != 0; }
  std::size_t size() const { return objects_.size(); }
  auto begin() { return objects_.begin(); }
  auto end() { return objects_.end(); }

 private:
  std::map<T *, std::unique_ptr<T>> objects_;
};

struct tables {
  int devices = 2;
  bool lost = false;
  std::map<int, int> attributes; /* those that a test has set */
  long calls = 0;
  long calls_to_failure = -1;
  cudaError_t failure = cudaSuccess;
  const char *failed_call = nullptr;

  std::set<int> primaries;      /* devices whose primary context has been made */
  std::set<std::string> hidden; /* functions that the driver has not */
  table<CUctx_st> contexts;     /* all that are not primary */
  std::map<const char *, memory_block> blocks; /* by their first byte */
  table<CUstream_st> streams;
  table<CUevent_st> events;
  table<CUgraph_st> graphs;
  table<CUgraphExec_st> execs;
  CUstream_st default_stream = {nullptr, false};
};

std::mutex &mutex();

/* Only with the mutex held. */
tables &state();

/* Of the calling thread: its contexts, the last one being current; the device that
 * cudaSetDevice() chose, which counts when no context is current. */
std::vector<CUctx_st *> &context_stack();
int &chosen_device();
cudaError_t &last_error();

CUctx_st *current_context(); /* or null */
int current_device();
bool is_device(int device);

/* The primary context of a device, made if it is not there. */
CUctx_st *open_primary(int device);

/* As cuCtxSetCurrent() does. */
void set_current(CUctx_st *context);

/* If there is none, the primary one of the chosen device: what makes contexts on device 0. */
void make_some_context_current();

/* What a call needs; each of these includes those before it. */
enum class needs { NOTHING, DRIVER, DEVICE, CONTEXT };

/* Count a call; what it returns other than success, the call returns and does nothing. */
cudaError_t enter(const char *name, needs what);

/* Remember an error as this thread's last. */
cudaError_t leave(cudaError_t error);

/* A function of the API: `body` with the mutex held, if the call gets as far as that. */
template <class Body>
cudaError_t call(const char *name, needs what, Body body) {
  const std::lock_guard<std::mutex> held(mutex());
  const cudaError_t error = enter(name, what);
  return leave(error == cudaSuccess ? body() : error);
}

/* The same for what a stream does: `check` with the mutex held, then `task` without, or
 * into the graph that the stream records. */
cudaError_t call_on_stream(const char *name, cudaStream_t handle,
                           const std::function<cudaError_t(const CUstream_st &)> &check,
                           const work &task);

bool is_default(cudaStream_t handle);

/* The stream of a handle, NULL and its like being the default one, to put work on. */
cudaError_t find_stream(cudaStream_t handle, CUstream_st **stream);

/* What a capture does not allow: it ends there, and the call fails. */
cudaError_t break_capture(CUstream_st *stream);

/* The same for every capture that forbids this thread calls which could wait for it. */
cudaError_t break_captures_around();

#define FAKE_TRY(expression)                              \
  do {                                                    \
    const cudaError_t error_of_try = (expression);        \
    if (error_of_try != cudaSuccess) return error_of_try; \
  } while (0)

#define FAKE_REQUIRE(condition, error) \
  do {                                 \
    if (!(condition)) return (error);  \
  } while (0)

}  // namespace fake

#endif /* CUDROP_FAKE_RUNTIME_H */
