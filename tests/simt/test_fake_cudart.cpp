/* test_fake_cudart.cpp - the fake CUDA runtime: memory, streams, graphs, and faults. */
#include <cuda.h>

#include <cstring>
#include <string>
#include <thread>

#include "device_array.h"
#include "fake_cudart.h"
#include "samples.cuh"
#include "simt_suite.h"

#define assert_cuda(call, want) \
  ck_assert_str_eq(cudaGetErrorName(call), cudaGetErrorName(want))

static cudaError_t add_to(unsigned *x, unsigned value, cudaStream_t stream) {
  const add_args args = {x, 8, value};
  return LAUNCH(add, 2, 4, 0, stream, args);
}

/* ---- Devices ----------------------------------------------------------------------- */

START_TEST(without_a_device_or_a_driver_nothing_is_written) {
  int count = 77, device = 77, version = 77;
  void *memory = &count;
  assert_cuda(cudaDriverGetVersion(&version), cudaSuccess);
  ck_assert_int_eq(version, CUDART_VERSION);
  fake_cuda_set_devices(0);
  assert_cuda(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  assert_cuda(cudaMalloc(&memory, 1), cudaErrorNoDevice);
  fake_cuda_set_devices(-1);
  assert_cuda(cudaDriverGetVersion(&version), cudaSuccess);
  ck_assert_int_eq(version, 0); /* as the real one says without a driver */
  assert_cuda(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  assert_cuda(cudaGetDevice(&device), cudaErrorInsufficientDriver);
  ck_assert_int_eq(count, 77);
  ck_assert_int_eq(device, 77);
  ck_assert_ptr_eq(memory, &count);
  fake_cuda_set_devices(3);
  assert_cuda(cudaGetDeviceCount(&count), cudaSuccess);
  ck_assert_int_eq(count, 3);
}
END_TEST

START_TEST(each_host_thread_has_its_own_device_and_last_error) {
  int device = -1;
  assert_cuda(cudaSetDevice(1), cudaSuccess);
  assert_cuda(cudaSetDevice(2), cudaErrorInvalidDevice);
  std::thread([] {
    int own = -1;
    assert_cuda(cudaGetDevice(&own), cudaSuccess);
    ck_assert_int_eq(own, 0);
    assert_cuda(cudaPeekAtLastError(), cudaSuccess);
  }).join();
  assert_cuda(cudaGetDevice(&device), cudaSuccess);
  ck_assert_int_eq(device, 1);
  assert_cuda(cudaPeekAtLastError(), cudaErrorInvalidDevice);
  assert_cuda(cudaGetLastError(), cudaErrorInvalidDevice);
  assert_cuda(cudaGetLastError(), cudaSuccess);
}
END_TEST

START_TEST(a_call_that_needs_a_context_makes_one_where_none_is_current) {
  cudaPointerAttributes attributes;
  cudaDeviceProp properties;
  int device = -1;
  assert_cuda(cudaGetDevice(&device), cudaSuccess);
  assert_cuda(cudaDeviceGetAttribute(&device, cudaDevAttrWarpSize, 1), cudaSuccess);
  assert_cuda(cudaGetDeviceProperties(&properties, 1), cudaSuccess);
  ck_assert_ptr_null(fake_cuda_current_context());
  assert_cuda(cudaPointerGetAttributes(&attributes, &device), cudaSuccess);
  ck_assert_ptr_nonnull(fake_cuda_current_context());
  ck_assert(fake_cuda_has_primary_context(0) && !fake_cuda_has_primary_context(1));
  assert_cuda(cudaSetDevice(1), cudaSuccess);
  ck_assert(fake_cuda_has_primary_context(1));
}
END_TEST

START_TEST(the_runtime_works_in_the_context_that_the_driver_has_current) {
  CUcontext primary = nullptr, popped = nullptr;
  CUdevice device = -1;
  cudaStream_t stream;
  int current = -1;
  const device_array<unsigned> x(8);
  ck_assert_int_eq(cuDevicePrimaryCtxRetain(&primary, 1), CUDA_SUCCESS);
  ck_assert_ptr_ne(primary, fake_cuda_current_context());
  ck_assert_int_eq(cuCtxPushCurrent(primary), CUDA_SUCCESS);
  ck_assert_int_eq(cuCtxGetDevice(&device), CUDA_SUCCESS);
  assert_cuda(cudaGetDevice(&current), cudaSuccess);
  ck_assert(device == 1 && current == 1);
  assert_cuda(cudaStreamCreate(&stream), cudaSuccess);
  assert_cuda(add_to(x.get(), 1, stream), cudaSuccess);
  CUctx_st *const other = fake_cuda_push_new_context(1);
  assert_cuda(add_to(x.get(), 1, stream), cudaErrorInvalidResourceHandle);
  ck_assert_int_eq(cuCtxPopCurrent(&popped), CUDA_SUCCESS);
  ck_assert_ptr_eq(popped, other);
  ck_assert_int_eq(cuCtxPopCurrent(&popped), CUDA_SUCCESS);
  ck_assert_ptr_eq(popped, primary);
  assert_cuda(cudaGetDevice(&current), cudaSuccess);
  ck_assert_int_eq(current, 0); /* that of the array */
  assert_cuda(cudaStreamDestroy(stream), cudaSuccess);
}
END_TEST

START_TEST(the_driver_remembers_no_error) {
  CUcontext popped = nullptr;
  CUdevice device = -1;
  void *function = &device;
  ck_assert_int_eq(cuCtxGetDevice(&device), CUDA_ERROR_INVALID_CONTEXT);
  ck_assert_int_eq(cuCtxPopCurrent(&popped), CUDA_ERROR_INVALID_CONTEXT);
  ck_assert_int_eq(cuCtxPushCurrent(nullptr), CUDA_ERROR_INVALID_CONTEXT);
  ck_assert_int_eq(cuDeviceGet(&device, 2), CUDA_ERROR_INVALID_DEVICE);
  assert_cuda(cudaPeekAtLastError(), cudaSuccess);
  assert_cuda(cudaGetDriverEntryPointByVersion("cuNothing", &function, 12000,
                                               cudaEnableDefault, nullptr),
              cudaSuccess);
  ck_assert_ptr_null(function);
}
END_TEST

START_TEST(a_device_has_attributes_and_properties) {
  int value = -1;
  cudaDeviceProp properties;
  assert_cuda(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 1),
              cudaSuccess);
  ck_assert_int_eq(value, 9);
  assert_cuda(cudaDeviceGetAttribute(&value, cudaDevAttrPageableMemoryAccess, 0),
              cudaSuccess);
  ck_assert_int_eq(value, 0);
  fake_cuda_set_attribute(cudaDevAttrPageableMemoryAccess, 1);
  assert_cuda(cudaDeviceGetAttribute(&value, cudaDevAttrPageableMemoryAccess, 0),
              cudaSuccess);
  ck_assert_int_eq(value, 1);
  assert_cuda(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 2),
              cudaErrorInvalidDevice);
  assert_cuda(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  ck_assert_str_eq(properties.name, "emulated device");
  ck_assert_int_eq(properties.multiProcessorCount, 4);
  ck_assert_int_eq(properties.pageableMemoryAccess, 1);
}
END_TEST

START_TEST(a_lost_device_fails_all_that_touches_it) {
  const device_array<unsigned> x(8);
  int count = 0;
  fake_cuda_lose_device();
  assert_cuda(cudaGetDeviceCount(&count), cudaSuccess);
  assert_cuda(cudaMemset(x.get(), 0, 32), cudaErrorDevicesUnavailable);
  assert_cuda(add_to(x.get(), 1, nullptr), cudaErrorDevicesUnavailable);
  assert_cuda(cudaDeviceSynchronize(), cudaErrorDevicesUnavailable);
  assert_cuda(cudaFree(x.get()), cudaErrorDevicesUnavailable);
  ck_assert_uint_eq(fake_cuda_live_blocks(), 1);
  ck_assert_uint_eq(x[0], 0xcacacacau);
  fake_cuda_reset();
  ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
  assert_cuda(cudaDeviceSynchronize(), cudaSuccess);
}
END_TEST

/* ---- Memory ------------------------------------------------------------------------ */

START_TEST(pointers_are_classified_to_the_byte) {
  void *pinned = nullptr, *device = nullptr;
  char own[10];
  assert_cuda(cudaSetDevice(1), cudaSuccess);
  assert_cuda(cudaMalloc(&device, 10), cudaSuccess);
  assert_cuda(cudaMallocHost(&pinned, 10), cudaSuccess);
  ck_assert_uint_eq(fake_cuda_live_blocks(), 2);
  const struct {
    void *block;
    cudaMemoryType type;
    int device;
  } cases[] = {{device, cudaMemoryTypeDevice, 1},
               {pinned, cudaMemoryTypeHost, 1},
               {own, cudaMemoryTypeUnregistered, cudaInvalidDeviceId}};
  for (const auto &each : cases)
    for (int at = 0; at <= 10; ++at) {
      cudaPointerAttributes found;
      char *const byte = static_cast<char *>(each.block) + at;
      assert_cuda(cudaPointerGetAttributes(&found, byte), cudaSuccess);
      ck_assert_int_eq(found.type, at < 10 ? each.type : cudaMemoryTypeUnregistered);
      ck_assert_int_eq(found.device, at < 10 ? each.device : cudaInvalidDeviceId);
      ck_assert(found.devicePointer ==
                (found.type == cudaMemoryTypeUnregistered ? nullptr : byte));
    }
  assert_cuda(cudaFree(pinned), cudaErrorInvalidValue);
  assert_cuda(cudaFreeHost(device), cudaErrorInvalidValue);
  assert_cuda(cudaFree(static_cast<char *>(device) + 1), cudaErrorInvalidValue);
  assert_cuda(cudaFree(device), cudaSuccess);
  assert_cuda(cudaFree(device), cudaErrorInvalidValue);
  assert_cuda(cudaFreeHost(pinned), cudaSuccess);
  ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
}
END_TEST

START_TEST(copies_stay_in_their_blocks_and_on_their_sides) {
  const device_array<unsigned char> device(16);
  unsigned char own[17] = {1, 2, 3};
  unsigned char *const d = device.get();
  const struct {
    void *to;
    const void *from;
    size_t bytes;
    cudaMemcpyKind kind;
    cudaError_t want;
  } cases[] = {
      {d, own, 16, cudaMemcpyHostToDevice, cudaSuccess},
      {d + 8, own, 8, cudaMemcpyDefault, cudaSuccess},
      {own, d + 1, 15, cudaMemcpyDeviceToHost, cudaSuccess},
      {d, d + 8, 8, cudaMemcpyDeviceToDevice, cudaSuccess},
      {nullptr, nullptr, 0, cudaMemcpyDefault, cudaSuccess},
      {d, own, 17, cudaMemcpyHostToDevice, cudaErrorInvalidValue},
      {own, d + 1, 16, cudaMemcpyDeviceToHost, cudaErrorInvalidValue},
      {d + 16, own, 1, cudaMemcpyHostToDevice, cudaErrorInvalidValue},
      {own, own, 1, cudaMemcpyHostToDevice, cudaErrorInvalidValue},
      {d, d, 1, cudaMemcpyHostToDevice, cudaErrorInvalidValue},
      {d, own, 1, cudaMemcpyDeviceToHost, cudaErrorInvalidValue},
      {d, own, 1, cudaMemcpyDeviceToDevice, cudaErrorInvalidValue},
      {nullptr, d, 1, cudaMemcpyDefault, cudaErrorInvalidValue},
      {d, own, 1, static_cast<cudaMemcpyKind>(5), cudaErrorInvalidMemcpyDirection},
  };
  for (const auto &each : cases) {
    assert_cuda(cudaMemcpy(each.to, each.from, each.bytes, each.kind), each.want);
    assert_cuda(cudaMemcpyAsync(each.to, each.from, each.bytes, each.kind, nullptr),
                each.want);
  }
  assert_cuda(cudaMemset(d, 7, 16), cudaSuccess);
  assert_cuda(cudaMemset(d, 7, 17), cudaErrorInvalidValue);
  assert_cuda(cudaMemset(own, 7, 1), cudaErrorInvalidValue);
  assert_cuda(cudaMemsetAsync(d + 1, 8, 15, nullptr), cudaSuccess);
  assert_cuda(cudaMemsetAsync(d + 1, 8, 16, nullptr), cudaErrorInvalidValue);
  ck_assert_uint_eq(d[0], 7);
  ck_assert_uint_eq(d[15], 8);
}
END_TEST

START_TEST(memory_comes_poisoned_aligned_and_not_without_end) {
  void *memory = nullptr;
  unsigned char poison[100];
  std::memset(poison, 0xca, sizeof poison);
  assert_cuda(cudaMallocAsync(&memory, 100, nullptr), cudaSuccess);
  ck_assert_uint_eq(reinterpret_cast<uintptr_t>(memory) % 256, 0);
  ck_assert_mem_eq(memory, poison, 100);
  assert_cuda(cudaFreeAsync(memory, nullptr), cudaSuccess);
  fake_cuda_set_attribute(cudaDevAttrMemoryPoolsSupported, 0);
  assert_cuda(cudaMallocAsync(&memory, 100, nullptr), cudaErrorNotSupported);
  assert_cuda(cudaMalloc(&memory, (size_t)1 << 40), cudaErrorMemoryAllocation);
  assert_cuda(cudaMalloc(&memory, 0), cudaSuccess);
  ck_assert_ptr_null(memory);
  ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
}
END_TEST

/* ---- Streams and graphs ------------------------------------------------------------ */

START_TEST(a_graph_does_again_what_was_recorded) {
  const device_array<unsigned> x(8), y(8);
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  cudaStreamCaptureStatus status;
  assert_cuda(cudaStreamCreate(&stream), cudaSuccess);
  assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  assert_cuda(cudaStreamIsCapturing(stream, &status), cudaSuccess);
  ck_assert_int_eq(status, cudaStreamCaptureStatusActive);
  assert_cuda(cudaMemsetAsync(x.get(), 0, 32, stream), cudaSuccess);
  add_args args = {x.get(), 8, 5};
  assert_cuda(LAUNCH(add, 2, 4, 0, stream, args), cudaSuccess);
  args.value = 99; /* the graph has its own copy */
  assert_cuda(cudaMemcpyAsync(y.get(), x.get(), 32, cudaMemcpyDeviceToDevice, stream),
              cudaSuccess);
  assert_cuda(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  ck_assert_uint_eq(x[0], 0xcacacacau);

  assert_cuda(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  assert_cuda(cudaGraphDestroy(graph), cudaSuccess);
  for (unsigned round = 0; round < 3; ++round) {
    y[7] = 0;
    assert_cuda(cudaGraphLaunch(exec, stream), cudaSuccess);
    ck_assert_uint_eq(x[0], 5);
    ck_assert_uint_eq(y[7], 5);
  }
  assert_cuda(cudaGraphExecDestroy(exec), cudaSuccess);
  assert_cuda(cudaGraphLaunch(exec, stream), cudaErrorInvalidValue);
  assert_cuda(cudaStreamDestroy(stream), cudaSuccess);
}
END_TEST

/* Each of these ends a capture in Global mode, and fails. */
static cudaError_t synchronize(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}
static cudaError_t synchronize_all(cudaStream_t) {
  return cudaDeviceSynchronize();
}
static cudaError_t synchronize_default(cudaStream_t) {
  return cudaStreamSynchronize(nullptr);
}
static cudaError_t allocate(cudaStream_t) {
  void *memory;
  return cudaMalloc(&memory, 1);
}
static cudaError_t allocate_async(cudaStream_t stream) {
  void *memory;
  return cudaMallocAsync(&memory, 1, stream);
}

static const struct {
  cudaError_t (*breach)(cudaStream_t);
  cudaError_t error;
} breaches[] = {{synchronize, cudaErrorStreamCaptureUnsupported},
                {synchronize_all, cudaErrorStreamCaptureUnsupported},
                {synchronize_default, cudaErrorStreamCaptureImplicit},
                {allocate, cudaErrorStreamCaptureUnsupported},
                {allocate_async, cudaErrorStreamCaptureUnsupported}};

START_TEST(what_a_capture_forbids_ends_it) {
  const device_array<unsigned> x(8);
  cudaStream_t stream;
  cudaStreamCaptureStatus status;
  cudaGraph_t graph;
  assert_cuda(cudaStreamCreate(&stream), cudaSuccess);
  assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  assert_cuda(breaches[_i].breach(stream), breaches[_i].error);
  assert_cuda(cudaStreamIsCapturing(stream, &status), cudaSuccess);
  ck_assert_int_eq(status, cudaStreamCaptureStatusInvalidated);
  assert_cuda(add_to(x.get(), 1, stream), cudaErrorStreamCaptureInvalidated);
  assert_cuda(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  ck_assert_ptr_null(graph);
  x[0] = 1;
  assert_cuda(add_to(x.get(), 1, stream), cudaSuccess);
  ck_assert_uint_eq(x[0], 2);
  assert_cuda(cudaStreamDestroy(stream), cudaSuccess);
  ck_assert_uint_eq(fake_cuda_live_objects(), 0);
}
END_TEST

START_TEST(a_relaxed_capture_allows_other_work) {
  cudaStream_t stream;
  cudaGraph_t graph;
  void *memory;
  assert_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
  assert_cuda(cudaMalloc(&memory, 1), cudaSuccess);
  assert_cuda(cudaMemset(memory, 0, 1), cudaSuccess);
  assert_cuda(cudaStreamEndCapture(stream, &graph), cudaSuccess);
}
END_TEST

START_TEST(objects_are_counted) {
  cudaStream_t streams[2];
  cudaEvent_t start, end;
  float milliseconds = -1.0f;
  assert_cuda(cudaStreamCreate(&streams[0]), cudaSuccess);
  assert_cuda(cudaStreamCreateWithFlags(&streams[1], cudaStreamNonBlocking), cudaSuccess);
  assert_cuda(cudaEventCreate(&start), cudaSuccess);
  assert_cuda(cudaEventCreate(&end), cudaSuccess);
  ck_assert_uint_eq(fake_cuda_live_objects(), 4);
  assert_cuda(cudaEventElapsedTime(&milliseconds, start, end),
              cudaErrorInvalidResourceHandle);
  assert_cuda(cudaEventRecord(start, streams[0]), cudaSuccess);
  assert_cuda(cudaEventRecord(end, streams[0]), cudaSuccess);
  assert_cuda(cudaEventSynchronize(end), cudaSuccess);
  assert_cuda(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess);
  ck_assert_float_ge(milliseconds, 0.0f);
  for (cudaStream_t each : streams) assert_cuda(cudaStreamDestroy(each), cudaSuccess);
  assert_cuda(cudaStreamDestroy(streams[0]), cudaErrorInvalidResourceHandle);
  assert_cuda(cudaEventDestroy(start), cudaSuccess);
  assert_cuda(cudaEventDestroy(end), cudaSuccess);
  ck_assert_uint_eq(fake_cuda_live_objects(), 0);
}
END_TEST

START_TEST(a_launch_must_be_on_the_stream_s_device) {
  const device_array<unsigned> x(8);
  cudaStream_t stream;
  assert_cuda(cudaStreamCreate(&stream), cudaSuccess);
  assert_cuda(cudaSetDevice(1), cudaSuccess);
  assert_cuda(add_to(x.get(), 1, stream), cudaErrorInvalidResourceHandle);
  assert_cuda(add_to(x.get(), 1, nullptr), cudaSuccess);
  assert_cuda(cudaSetDevice(0), cudaSuccess);
  assert_cuda(add_to(x.get(), 1, stream), cudaSuccess);
}
END_TEST

/* ---- Faults ------------------------------------------------------------------------ */

/* What a library might do: the first error, with everything given back that can be. */
static cudaError_t scenario(unsigned *result) {
  unsigned host[8] = {};
  void *x = nullptr;
  cudaStream_t stream = nullptr;
  cudaError_t error = cudaStreamCreate(&stream);
  if (error == cudaSuccess) error = cudaMallocAsync(&x, sizeof host, stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(x, 0, sizeof host, stream);
  if (error == cudaSuccess) error = add_to(static_cast<unsigned *>(x), 3, stream);
  if (error == cudaSuccess)
    error = cudaMemcpyAsync(host, x, sizeof host, cudaMemcpyDeviceToHost, stream);
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream);
  if (error == cudaSuccess) *result = host[7];
  const cudaError_t freed = x != nullptr ? cudaFreeAsync(x, stream) : cudaSuccess;
  const cudaError_t destroyed =
      stream != nullptr ? cudaStreamDestroy(stream) : cudaSuccess;
  return error != cudaSuccess ? error : freed != cudaSuccess ? freed : destroyed;
}

START_TEST(the_kth_call_fails_for_every_k) {
  static const char *const calls[] = {"cudaStreamCreate", "cudaMallocAsync",
                                      "cudaMemsetAsync",  "cudaLaunchKernelExC",
                                      "cudaMemcpyAsync",  "cudaStreamSynchronize",
                                      "cudaFreeAsync",    "cudaStreamDestroy"};
  const long n = sizeof calls / sizeof calls[0];
  unsigned result = 0;
  assert_cuda(scenario(&result), cudaSuccess);
  ck_assert_uint_eq(result, 3);
  ck_assert_int_eq(fake_cuda_calls(), n);
  for (long k = 0; k < n; ++k) {
    fake_cuda_reset();
    result = 0;
    fake_cuda_fail(k, cudaErrorIllegalAddress);
    ck_assert_ptr_null(fake_cuda_failed_call());
    assert_cuda(scenario(&result), cudaErrorIllegalAddress);
    ck_assert_str_eq(fake_cuda_failed_call(), calls[k]);
    ck_assert_uint_eq(result, k < 6 ? 0 : 3);
    ck_assert_uint_eq(fake_cuda_live_blocks(), k == 6);
    ck_assert_uint_eq(fake_cuda_live_objects(), k == 7);
  }
  fake_cuda_reset();
  fake_cuda_fail(-1, cudaErrorIllegalAddress);
  assert_cuda(scenario(&result), cudaSuccess);
  ck_assert_ptr_null(fake_cuda_failed_call());
}
END_TEST

static TCase *fake_cudart_case(void) {
  TCase *const tests = simt_suite_case("fake_cudart");
  tcase_add_test(tests, without_a_device_or_a_driver_nothing_is_written);
  tcase_add_test(tests, each_host_thread_has_its_own_device_and_last_error);
  tcase_add_test(tests, a_call_that_needs_a_context_makes_one_where_none_is_current);
  tcase_add_test(tests, the_runtime_works_in_the_context_that_the_driver_has_current);
  tcase_add_test(tests, the_driver_remembers_no_error);
  tcase_add_test(tests, a_device_has_attributes_and_properties);
  tcase_add_test(tests, a_lost_device_fails_all_that_touches_it);
  tcase_add_test(tests, pointers_are_classified_to_the_byte);
  tcase_add_test(tests, copies_stay_in_their_blocks_and_on_their_sides);
  tcase_add_test(tests, memory_comes_poisoned_aligned_and_not_without_end);
  tcase_add_test(tests, a_graph_does_again_what_was_recorded);
  tcase_add_loop_test(tests, what_a_capture_forbids_ends_it, 0,
                      sizeof breaches / sizeof breaches[0]);
  tcase_add_test(tests, a_relaxed_capture_allows_other_work);
  tcase_add_test(tests, objects_are_counted);
  tcase_add_test(tests, a_launch_must_be_on_the_stream_s_device);
  tcase_add_test(tests, the_kth_call_fails_for_every_k);
  return tests;
}

int main() {
  return simt_suite_run("fake_cudart", fake_cudart_case());
}
