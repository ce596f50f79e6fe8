/* fake_driver.cpp - contexts, and the functions of the driver that deal with them. */
#include "fake_cudart.h"
#include "fake_runtime.h"

namespace fake {

std::vector<CUctx_st *> &context_stack() {
  static thread_local std::vector<CUctx_st *> stack;
  return stack;
}

int &chosen_device() {
  static thread_local int device = 0;
  return device;
}

CUctx_st *current_context() {
  return context_stack().empty() ? nullptr : context_stack().back();
}

int current_device() {
  const CUctx_st *const context = current_context();
  return context == nullptr ? chosen_device() : context->device;
}

/* Its handle, which stays what it is when everything is reset, whether it has been made or not. */
static CUctx_st *find_primary(int device) {
  static std::map<int, CUctx_st> all;
  return &all.insert({device, {device}}).first->second;
}

CUctx_st *open_primary(int device) {
  state().primaries.insert(device);
  return find_primary(device);
}

void set_current(CUctx_st *context) {
  if (!context_stack().empty()) context_stack().pop_back();
  if (context != nullptr) context_stack().push_back(context);
}

void make_some_context_current() {
  if (current_context() == nullptr) set_current(open_primary(chosen_device()));
}

}  // namespace fake

using namespace fake;

using lock = std::lock_guard<std::mutex>;

void fake_cuda_hide_driver_function(const char *name) {
  const lock held(mutex());
  state().hidden.insert(name);
}

CUctx_st *fake_cuda_current_context(void) {
  return current_context();
}

CUctx_st *fake_cuda_push_new_context(int device) {
  const lock held(mutex());
  context_stack().push_back(state().contexts.add({device}));
  return current_context();
}

bool fake_cuda_has_primary_context(int device) {
  const lock held(mutex());
  return state().primaries.count(device) != 0;
}

namespace {

/* A function of the driver, which remembers no error. */
template <class Body>
CUresult driver_call(const char *name, needs what, Body body) {
  const lock held(mutex());
  const cudaError_t error = enter(name, what);
  return error == cudaSuccess ? body() : static_cast<CUresult>(error);
}

bool is_context(CUctx_st *context) {
  if (state().contexts.has(context)) return true;
  for (const int device : state().primaries)
    if (find_primary(device) == context) return true;
  return false;
}

}  // namespace

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  return driver_call("cuDeviceGet", needs::DRIVER, [&] {
    FAKE_REQUIRE(is_device(ordinal), CUDA_ERROR_INVALID_DEVICE);
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  return driver_call("cuDevicePrimaryCtxRetain", needs::DEVICE, [&] {
    FAKE_REQUIRE(is_device(device), CUDA_ERROR_INVALID_DEVICE);
    *context = open_primary(device);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext *context) {
  return driver_call("cuCtxGetCurrent", needs::DRIVER, [&] {
    *context = current_context();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice(CUdevice *device) {
  return driver_call("cuCtxGetDevice", needs::DRIVER, [&] {
    FAKE_REQUIRE(current_context() != nullptr, CUDA_ERROR_INVALID_CONTEXT);
    *device = current_context()->device;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPushCurrent(CUcontext context) {
  return driver_call("cuCtxPushCurrent", needs::DRIVER, [&] {
    FAKE_REQUIRE(is_context(context), CUDA_ERROR_INVALID_CONTEXT);
    context_stack().push_back(context);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPopCurrent(CUcontext *context) {
  return driver_call("cuCtxPopCurrent", needs::DRIVER, [&] {
    FAKE_REQUIRE(current_context() != nullptr, CUDA_ERROR_INVALID_CONTEXT);
    *context = current_context();
    context_stack().pop_back();
    return CUDA_SUCCESS;
  });
}

/* By the names that programs ask for; which version of a function is meant is not looked at. */
cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult *result) {
  static const std::map<std::string, void *> functions = {
      {"cuDeviceGet", reinterpret_cast<void *>(&cuDeviceGet)},
      {"cuDevicePrimaryCtxRetain", reinterpret_cast<void *>(&cuDevicePrimaryCtxRetain)},
      {"cuCtxGetCurrent", reinterpret_cast<void *>(&cuCtxGetCurrent)},
      {"cuCtxGetDevice", reinterpret_cast<void *>(&cuCtxGetDevice)},
      {"cuCtxPushCurrent", reinterpret_cast<void *>(&cuCtxPushCurrent)},
      {"cuCtxPopCurrent", reinterpret_cast<void *>(&cuCtxPopCurrent)},
  };
  return call("cudaGetDriverEntryPointByVersion", needs::DRIVER, [&] {
    FAKE_REQUIRE(name != nullptr && function != nullptr, cudaErrorInvalidValue);
    const auto found = functions.find(name);
    const bool is_found = found != functions.end() && state().hidden.count(name) == 0;
    *function = is_found ? found->second : nullptr;
    if (result != nullptr)
      *result =
          is_found ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
  });
}
