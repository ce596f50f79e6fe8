/*
 * test_sort_calls.c - what CUB's sort calls, beside a CUDA runtime that does nothing.
 *
 * CUB's host code runs here without a GPU. The program is linked without CUDA's runtime: a call of
 * a function that stands in none of the lists below does not link. Device k of this runtime has the
 * k-th of the architectures that the library is compiled for.
 */
#include <cuda_runtime_api.h>
#include <string.h>

#include "ops/embedding/embedding.h"
#include "sort/cub_calls.h"
#include "suite.h"

static const int architectures[] = {CUDROP_ARCHITECTURES};
enum { DEVICES = sizeof architectures / sizeof architectures[0] };

/* ---- The runtime ------------------------------------------------------------------ */

static struct {
  int device;
  int calls, failing; /* the call of this number fails */
  int launches;
  bool has_looked; /* at the state of the caller's errors */
  const char *temporary;
  size_t bytes;
  bool has_left; /* the temporary memory */
} fake;

static void begin(int device, int failing) {
  memset(&fake, 0, sizeof fake);
  fake.device = device;
  fake.failing = failing;
}

static cudaError_t enter(void) {
  return fake.calls++ == fake.failing ? cudaErrorUnknown : cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
  *device = fake.device;
  return enter();
}
cudaError_t cudaGetDeviceCount(int *count) {
  *count = DEVICES;
  return enter();
}
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes,
                                  const void *kernel) {
  (void)kernel;
  memset(attributes, 0, sizeof *attributes);
  attributes->ptxVersion = attributes->binaryVersion = architectures[fake.device];
  return enter();
}
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute,
                                   int device) {
  (void)attribute, (void)device;
  *value = 132; /* multiprocessors */
  return enter();
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *blocks, const void *kernel, int threads, size_t shared, unsigned flags) {
  (void)kernel, (void)threads, (void)shared, (void)flags;
  *blocks = 4;
  return enter();
}
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
  const char *first = memory;
  (void)value, (void)stream;
  if (first < fake.temporary || first + bytes > fake.temporary + fake.bytes)
    fake.has_left = true;
  return enter();
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            enum cudaMemcpyKind kind, cudaStream_t stream) {
  (void)to, (void)from, (void)bytes, (void)kind, (void)stream;
  fake.has_left = true; /* a double buffer needs no copy */
  return enter();
}
cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **args,
                             size_t shared, cudaStream_t stream) {
  (void)kernel, (void)grid, (void)block, (void)args, (void)shared, (void)stream;
  ++fake.launches;
  return enter();
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *kernel,
                                void **args) {
  (void)config, (void)kernel, (void)args;
  ++fake.launches;
  return enter();
}
cudaError_t cudaGetLastError(void) {
  fake.has_looked = true;
  return cudaErrorUnknown;
}
cudaError_t cudaPeekAtLastError(void) {
  fake.has_looked = true;
  return cudaErrorUnknown;
}

/* What nvcc's code calls. */
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void *stream);
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared,
                                       void *stream);
void **__cudaRegisterFatBinary(void *binary);
void __cudaRegisterFatBinaryEnd(void **handle);
void __cudaUnregisterFatBinary(void **handle);
void __cudaRegisterFunction(void **handle, const char *function, char *device_function,
                            const char *name, int limit, void *tid, void *bid,
                            void *block, void *grid, int *size);
void __cudaRegisterVar(void **handle, char *variable, char *address, const char *name,
                       int ext, size_t size, int constant, int global);

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void *stream) {
  (void)grid, (void)block, (void)shared, (void)stream;
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared,
                                       void *stream) {
  *grid = *block = (dim3){1, 1, 1};
  *shared = 0;
  memset(stream, 0, sizeof(cudaStream_t));
  return cudaSuccess;
}
void **__cudaRegisterFatBinary(void *binary) {
  static void *handle;
  (void)binary;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void **handle) {
  (void)handle;
}
void __cudaUnregisterFatBinary(void **handle) {
  (void)handle;
}
void __cudaRegisterFunction(void **handle, const char *function, char *device_function,
                            const char *name, int limit, void *tid, void *bid,
                            void *block, void *grid, int *size) {
  (void)handle, (void)function, (void)device_function, (void)name, (void)limit;
  (void)tid, (void)bid, (void)block, (void)grid, (void)size;
}
void __cudaRegisterVar(void **handle, char *variable, char *address, const char *name,
                       int ext, size_t size, int constant, int global) {
  (void)handle, (void)variable, (void)address, (void)name;
  (void)ext, (void)size, (void)constant, (void)global;
}

/* ---- Tests ------------------------------------------------------------------------ */

/* Addresses that nothing reads: of arrays of up to 2^31 pairs, and of the temporary memory, as a
 * workspace has it. */
static uint32_t *address(int k) {
  return (uint32_t *)(((uintptr_t)k + 1) << 40 | 4);
}

static cudropi_pairs_t make_pairs(int64_t n, int bits) {
  const cudropi_pairs_t pairs = {
      .key = {address(0), address(1)},
      .value = {address(2), address(3)},
      .n = (uint32_t)n,
      .bits = bits,
      .temporary = address(4),
      .temporary_bytes = (size_t)cudropi_count_temporary_bytes(n)};
  return pairs;
}

static cudaError_t sort(const cudropi_pairs_t *pairs, int *sorted) {
  fake.temporary = pairs->temporary;
  fake.bytes = pairs->temporary_bytes;
  *sorted = -1;
  return cudropi_sort_pairs(pairs, NULL, sorted);
}

static size_t ask_cub(const cudropi_pairs_t *pairs) {
  size_t bytes = 0;
  int sorted = 0;
  ck_assert_int_eq(cudropi_cub_sort(pairs, NULL, &bytes, NULL, &sorted), cudaSuccess);
  return bytes;
}

static void expect_sorted(int64_t n, int bits) {
  const cudropi_pairs_t pairs = make_pairs(n, bits);
  int sorted = 0;
  ck_assert_int_eq(sort(&pairs, &sorted), cudaSuccess);
  ck_assert_msg(sorted == 0 || sorted == 1, "the list is in %d", sorted);
  ck_assert(!fake.has_left && !fake.has_looked);
  ck_assert_msg(ask_cub(&pairs) <= pairs.temporary_bytes,
                "%lld pairs of %d bits need %zu bytes on sm_%d, and there are %zu",
                (long long)n, bits, ask_cub(&pairs), architectures[fake.device],
                pairs.temporary_bytes);
}

START_TEST(every_list_fits_in_its_temporary_memory) {
  static const int bits[] = {1, 8, 9, 16, 17, 25, 32};
  begin(_i, -1);
  ck_assert_int_eq(cudropi_open_sort(), cudaSuccess);
  for (size_t b = 0; b < sizeof bits / sizeof bits[0]; ++b) {
    for (int64_t n = 1; n < 20000; n += 61) expect_sorted(n, bits[b]);
    for (int64_t n = 4800; n < 4900; ++n) expect_sorted(n, bits[b]);
    for (int log = 0; log < 31; ++log)
      for (int64_t beside = -1; beside <= 1; ++beside)
        if (((int64_t)1 << log) + beside > 0)
          expect_sorted(((int64_t)1 << log) + beside, bits[b]);
    expect_sorted(INT32_MAX, bits[b]);
  }
}
END_TEST

/* A list of more entries has no less memory. */
START_TEST(temporary_memory_does_not_shrink) {
  for (int64_t n = 0; n < 100000; ++n)
    ck_assert_int_le(cudropi_count_temporary_bytes(n),
                     cudropi_count_temporary_bytes(n + 1));
}
END_TEST

START_TEST(too_little_temporary_memory_is_an_error) {
  cudropi_pairs_t pairs = make_pairs(100000, 16);
  int sorted = 0;
  begin(0, -1);
  ck_assert_int_eq(cudropi_open_sort(), cudaSuccess);
  pairs.temporary_bytes = ask_cub(&pairs) - 1;
  ck_assert_int_eq(sort(&pairs, &sorted), cudaErrorLaunchOutOfResources);
  ck_assert_int_eq(fake.launches, 0);
  ++pairs.temporary_bytes;
  ck_assert_int_eq(sort(&pairs, &sorted), cudaSuccess);
  ck_assert_int_gt(fake.launches, 0);
}
END_TEST

static int count_launches(int64_t n, int bits) {
  const cudropi_pairs_t pairs = make_pairs(n, bits);
  int sorted = 0;
  begin(0, -1);
  ck_assert_int_eq(sort(&pairs, &sorted), cudaSuccess);
  return fake.launches;
}

START_TEST(only_the_bits_of_keys_are_sorted_by) {
  begin(0, -1);
  ck_assert_int_eq(cudropi_open_sort(), cudaSuccess);
  ck_assert_int_eq(count_launches(1000, 0), 0);
  ck_assert_int_eq(count_launches(1000, 17), 1);
  ck_assert_int_eq(count_launches(4864, 32), 1);
  for (int bits = 8; bits < 32; bits += 8) {
    ck_assert_int_eq(count_launches(100000, bits), count_launches(100000, bits - 7));
    ck_assert_int_eq(count_launches(100000, bits) + 1, count_launches(100000, bits + 1));
  }
}
END_TEST

/* Opening or sorting fails in its k-th call: the error comes back, the caller's errors are not
 * looked at, and the next attempt succeeds. */
START_TEST(every_call_that_fails_is_returned_and_leaves_no_trace) {
  const cudropi_pairs_t pairs = make_pairs(100000, 17);
  int sorted = 0, k = 0;
  begin(DEVICES - 1, _i);
  const cudaError_t error = cudropi_open_sort();
  ck_assert_int_eq(error, fake.calls > _i ? cudaErrorUnknown : cudaSuccess);
  ck_assert(_i > 2 || error != cudaSuccess);
  ck_assert(!fake.has_looked);
  begin(DEVICES - 1, -1);
  ck_assert_int_eq(cudropi_open_sort(), cudaSuccess);
  for (bool has_failed = true; has_failed; ++k) {
    begin(DEVICES - 1, k);
    const cudaError_t status = sort(&pairs, &sorted);
    has_failed = fake.calls > k;
    ck_assert_int_eq(status, has_failed ? cudaErrorUnknown : cudaSuccess);
    ck_assert(!fake.has_looked);
  }
  ck_assert_int_gt(k, 10);
}
END_TEST

static TCase *calls_case(void) {
  TCase *tests = suite_case("calls", 300);
  tcase_add_loop_test(tests, every_list_fits_in_its_temporary_memory, 0, DEVICES);
  tcase_add_test(tests, temporary_memory_does_not_shrink);
  tcase_add_test(tests, too_little_temporary_memory_is_an_error);
  tcase_add_test(tests, only_the_bits_of_keys_are_sorted_by);
  tcase_add_loop_test(tests, every_call_that_fails_is_returned_and_leaves_no_trace, 0, 6);
  return tests;
}

SUITE_MAIN("sort_calls", calls_case())
