/* fake_cudart.cpp - the way into every call, faults, and devices. */
#include "fake_cudart.h"

#include <cstring>

#include "fake_runtime.h"

namespace fake {

std::mutex &mutex() {
  static std::mutex only;
  return only;
}

tables &state() {
  static tables only;
  return only;
}

cudaError_t enter(const char *name, needs what) {
  tables &all = state();
  ++all.calls;
  if (all.calls_to_failure >= 0 && all.calls_to_failure-- == 0) {
    all.failed_call = name;
    return all.failure;
  }
  if (what == needs::NOTHING) return cudaSuccess;
  if (all.devices < 0) return cudaErrorInsufficientDriver;
  if (all.devices == 0) return cudaErrorNoDevice;
  if (what == needs::DRIVER) return cudaSuccess;
  if (all.lost) return cudaErrorDevicesUnavailable;
  if (what == needs::CONTEXT) make_some_context_current();
  return cudaSuccess;
}

}  // namespace fake

using namespace fake;

/* ---- What a test asks for ---------------------------------------------------------- */

using lock = std::lock_guard<std::mutex>;

void fake_cuda_set_devices(int n) {
  const lock held(mutex());
  state().devices = n;
}

void fake_cuda_set_attribute(int attribute, int value) {
  const lock held(mutex());
  state().attributes[attribute] = value;
}

void fake_cuda_fail(long k, int cuda_error) {
  const lock held(mutex());
  state().calls_to_failure = k;
  state().failure = static_cast<cudaError_t>(cuda_error);
  state().failed_call = nullptr;
}

const char *fake_cuda_failed_call(void) {
  const lock held(mutex());
  return state().failed_call;
}

void fake_cuda_lose_device(void) {
  const lock held(mutex());
  state().lost = true;
}

long fake_cuda_calls(void) {
  const lock held(mutex());
  return state().calls;
}

size_t fake_cuda_live_blocks(void) {
  const lock held(mutex());
  return state().blocks.size();
}

size_t fake_cuda_live_objects(void) {
  const lock held(mutex());
  const tables &all = state();
  return all.streams.size() + all.events.size() + all.graphs.size() + all.execs.size();
}

void fake_cuda_reset(void) {
  const lock held(mutex());
  state() = tables();
  chosen_device() = 0;
  context_stack().clear();
  last_error() = cudaSuccess;
}

/* ---- Devices ----------------------------------------------------------------------- */

namespace {

constexpr int MAX_STATIC_SHARED = 48 << 10, MAX_SHARED = 227 << 10;

int attribute(int which) {
  const auto set = state().attributes.find(which);
  if (set != state().attributes.end()) return set->second;
  switch (which) {
    case cudaDevAttrMultiProcessorCount:
      return 4;
    case cudaDevAttrComputeCapabilityMajor:
      return 9;
    case cudaDevAttrMemoryPoolsSupported:
      return 1;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return MAX_STATIC_SHARED;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return MAX_SHARED;
    default:
      return 0;
  }
}

}  // namespace

bool fake::is_device(int device) {
  return device >= 0 && device < state().devices;
}

cudaError_t cudaGetDeviceCount(int *count) {
  return call("cudaGetDeviceCount", needs::DRIVER, [&] {
    FAKE_REQUIRE(count != nullptr, cudaErrorInvalidValue);
    *count = state().devices;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int *device) {
  return call("cudaGetDevice", needs::DRIVER, [&] {
    FAKE_REQUIRE(device != nullptr, cudaErrorInvalidValue);
    *device = current_device();
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", needs::DEVICE, [&] {
    FAKE_REQUIRE(is_device(device), cudaErrorInvalidDevice);
    chosen_device() = device;
    set_current(open_primary(device));
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr which, int device) {
  return call("cudaDeviceGetAttribute", needs::DRIVER, [&] {
    FAKE_REQUIRE(value != nullptr, cudaErrorInvalidValue);
    FAKE_REQUIRE(is_device(device), cudaErrorInvalidDevice);
    *value = attribute(which);
    return cudaSuccess;
  });
}

/* Where the header renames this function by a macro, that is its name here as well. */
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  return call("cudaGetDeviceProperties", needs::DRIVER, [&] {
    FAKE_REQUIRE(properties != nullptr, cudaErrorInvalidValue);
    FAKE_REQUIRE(is_device(device), cudaErrorInvalidDevice);
    *properties = cudaDeviceProp();
    std::strcpy(properties->name, "emulated device");
    properties->totalGlobalMem = std::size_t{4} << 30;
    properties->sharedMemPerBlock =
        static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlock));
    properties->sharedMemPerBlockOptin =
        static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->major = attribute(cudaDevAttrComputeCapabilityMajor);
    properties->minor = attribute(cudaDevAttrComputeCapabilityMinor);
    properties->multiProcessorCount = attribute(cudaDevAttrMultiProcessorCount);
    properties->memoryPoolsSupported = attribute(cudaDevAttrMemoryPoolsSupported);
    properties->pageableMemoryAccess = attribute(cudaDevAttrPageableMemoryAccess);
    return cudaSuccess;
  });
}

/* A driver as new as the headers. */
cudaError_t cudaDriverGetVersion(int *version) {
  return call("cudaDriverGetVersion", needs::NOTHING, [&] {
    FAKE_REQUIRE(version != nullptr, cudaErrorInvalidValue);
    *version = state().devices < 0 ? 0 : CUDART_VERSION;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize(void) {
  return call("cudaDeviceSynchronize", needs::CONTEXT, break_captures_around);
}
