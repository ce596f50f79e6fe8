/* test_defects.cpp - that the emulator, ASan, UBSan and TSan notice what is wrong. */
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <string>

#include "defects.cuh"
#include "device_array.h"
#include "simt_suite.h"

#if defined(__has_feature)
#define BUILT_WITH(feature) __has_feature(feature)
#else
#define BUILT_WITH(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__)
static const bool has_asan = true;
#else
static const bool has_asan = BUILT_WITH(address_sanitizer);
#endif

/* Clang's does not look at a struct that is copied whole, as vectors are. Gcc does not
 * say whether it has one; what instrumented code calls is linked or not. */
#if defined(__clang__)
static const bool has_ubsan = false;
#else
extern "C" __attribute__((weak)) void __ubsan_handle_type_mismatch_v1(void *, void *);
static const bool has_ubsan = __ubsan_handle_type_mismatch_v1 != nullptr;
#endif

static const bool has_tsan = BUILT_WITH(thread_sanitizer);

/* ---- Running kernels --------------------------------------------------------------- */

typedef void (*kernel_t)(defect_args);

static cudaError_t run(kernel_t kernel, unsigned blocks, unsigned threads, float *x,
                       unsigned n = 0, size_t shared = 0) {
  const defect_args args = {x, n};
  return LAUNCH(kernel, blocks, threads, shared, nullptr, args);
}

/* What a process of its own prints to stderr while it runs a kernel. */
static std::string report_of(const std::function<void()> &action) {
  int ends[2];
  ck_assert_int_eq(pipe(ends), 0);
  const pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    action();
    _exit(0);
  }
  close(ends[1]);
  std::string report;
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
    report.append(part, static_cast<size_t>(n));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return report;
}

static void assert_reported(const std::string &report, const char *first,
                            const char *second = nullptr) {
  ck_assert_msg(report.find(first) != std::string::npos ||
                    (second != nullptr && report.find(second) != std::string::npos),
                "no report with \"%s\" in: %s", first, report.c_str());
}

/* ---- Memory ------------------------------------------------------------------------ */

START_TEST(asan_reports_a_write_one_byte_past_a_block_of_memory) {
  assert_reported(report_of([] {
                    const device_array<unsigned char> x(100);
                    run(write_past_global, 1, 128, reinterpret_cast<float *>(x.get()),
                        100);
                  }),
                  "AddressSanitizer: heap-buffer-overflow");
}
END_TEST

START_TEST(asan_reports_a_write_past_a_shared_array) {
  assert_reported(report_of([] {
                    const device_array<float> x(32);
                    run(write_past_shared, 1, 32, x.get());
                  }),
                  "AddressSanitizer: heap-buffer-overflow", "out of bounds");
}
END_TEST

START_TEST(asan_reports_a_write_past_dynamic_shared_memory) {
  assert_reported(report_of([] {
                    const device_array<float> x(32);
                    run(write_past_dynamic_shared, 1, 32, x.get(), 0, 32 * sizeof(float));
                  }),
                  "AddressSanitizer: heap-buffer-overflow");
}
END_TEST

START_TEST(asan_reports_a_kernel_that_uses_freed_memory) {
  assert_reported(report_of([] {
                    float *freed;
                    {
                      const device_array<float> x(64);
                      freed = x.get();
                    }
                    run(reverse_block<true>, 1, 64, freed);
                  }),
                  "AddressSanitizer: heap-use-after-free");
}
END_TEST

START_TEST(ubsan_reports_a_misaligned_vector_load) {
  assert_reported(report_of([] {
                    const device_array<float> x(8);
                    run(load_misaligned, 1, 1, x.get());
                  }),
                  "misaligned address");
}
END_TEST

/* ---- What the emulator finds itself ------------------------------------------------ */

static const struct {
  const char *name;
  kernel_t kernel;
  unsigned threads, n;
  const char *says; /* in forward order */
} defects[] = {
    {"diverge_at_barriers", diverge_at_barriers, 32, 0,
     ": __syncthreads: others wait at "},
    {"diverge_at_shuffles", diverge_at_shuffles, 32, 0,
     ": __shfl_xor_sync: other lanes wait at "},
    {"shuffle_or_wait", shuffle_or_wait, 32, 0, "deadlock: 16 wait at "},
    {"wait_in_a_ring", wait_in_a_ring, 32, 0, "deadlock: 3 wait at "},
    {"return_before_barrier", return_before_barrier, 64, 40,
     "others wait, and this thread has returned"},
    {"name_returned_lanes", name_returned_lanes, 32, 20,
     "others wait with mask 0xffffffff, and this lane has returned"},
    {"name_lanes_that_do_not_exist", name_returned_lanes, 48, 48,
     "names lanes 0xffff0000, which have returned or do not exist"},
    {"read_outside_mask", read_outside_mask, 32, 0,
     "lane 15 reads lane 16, which is not in mask 0x0000ffff"},
    {"leave_oneself_out", leave_oneself_out, 32, 0, "lane 16 is not in mask 0x0000ffff"},
    {"shuffle_in_threes", shuffle_in_threes, 32, 0, "width 3 is not a power of 2"},
    {"shuffle_too_far", shuffle_too_far, 32, 0, "distance 32 is above 31"},
    {"take_too_much_shared", take_too_much_shared, 32, 0,
     "49156 bytes of static and 0 of dynamic shared memory"},
};

START_TEST(every_defect_is_found_and_said) {
  const auto &each = defects[_i];
  const device_array<float> x(64);
  simt::set_order(simt::order::forward());
  ck_assert_int_eq(run(each.kernel, 1, each.threads, x.get(), each.n),
                   cudaErrorLaunchFailure);
  const std::string defect = simt::defect();
  ck_assert_msg(defect.find(each.says) != std::string::npos, "%s: %s", each.name,
                defect.c_str());
  ck_assert_msg(defect.find("kernel kernel, block (0,0,0), thread (") == 0, "%s",
                defect.c_str());
  ck_assert_msg(defect.find(".cuh:") != std::string::npos ||
                    defect.find(".cpp:") != std::string::npos,
                "%s", defect.c_str());
}
END_TEST

START_TEST(every_defect_is_found_in_every_order) {
  const auto &each = defects[_i];
  const device_array<float> x(64);
  const simt::order orders[] = {simt::order::reverse(), simt::order::shuffled(1),
                                simt::order::shuffled(2), simt::order::shuffled(3)};
  for (const simt::order order : orders) {
    simt::set_order(order);
    simt::forget_defect();
    ck_assert_int_eq(run(each.kernel, 1, each.threads, x.get(), each.n),
                     cudaErrorLaunchFailure);
    ck_assert(!simt::defect().empty());
  }
}
END_TEST

START_TEST(the_launch_after_a_defect_is_whole) {
  const device_array<float> x(64);
  for (const auto &each : defects) {
    ck_assert_int_eq(run(each.kernel, 1, each.threads, x.get(), each.n),
                     cudaErrorLaunchFailure);
    ck_assert_int_eq(run(reverse_block<true>, 1, 64, x.get()), cudaSuccess);
    for (unsigned k = 0; k < 64; ++k) ck_assert(x[k] == static_cast<float>(63 - k));
  }
}
END_TEST

START_TEST(the_first_defect_stays_until_it_is_forgotten) {
  const device_array<float> x(64);
  assert_no_defect();
  run(shuffle_too_far, 1, 32, x.get());
  const std::string first = simt::defect();
  run(shuffle_in_threes, 1, 32, x.get());
  ck_assert(!first.empty() && simt::defect() == first);
  simt::forget_defect();
  assert_no_defect();
}
END_TEST

/* A kernel that was abandoned has begun no block after the one with the defect. */
START_TEST(a_defect_ends_the_launch) {
  const device_array<float> x(64);
  for (unsigned k = 0; k < 64; ++k) x[k] = 0.0f;
  simt::set_order(simt::order::reverse());
  run(diverge_at_barriers, 5, 32, x.get());
  ck_assert_msg(simt::defect().find("block (4,0,0)") != std::string::npos, "%s",
                simt::defect().c_str());
}
END_TEST

/* ---- Configurations ---------------------------------------------------------------- */

static const struct {
  dim3 grid, block;
  size_t shared;
  const char *says; /* "" if it can be launched */
} configurations[] = {
    {1, 1024, 0, ""},
    {1, dim3(1, 1, 64), 227 << 10, ""},
    {dim3(1, 65535, 1), 1, 0, ""},
    {1, 1025, 0, "a block of 1025 x 1 x 1 threads"},
    {1, 0, 0, "a block of 0 x 1 x 1 threads"},
    {1, dim3(32, 33), 0, "a block of 32 x 33 x 1 threads"},
    {1, dim3(1, 1, 65), 0, "a block of 1 x 1 x 65 threads"},
    {1, dim3(65536, 65536), 0, "a block of 65536 x 65536 x 1 threads"},
    {0, 1, 0, "a grid of 0 x 1 x 1 blocks"},
    {0x80000000u, 1, 0, "a grid of 2147483648 x 1 x 1 blocks"},
    {dim3(1, 65536), 1, 0, "a grid of 1 x 65536 x 1 blocks"},
    {dim3(1, 1, 65536), 1, 0, "a grid of 1 x 1 x 65536 blocks"},
    {1, 1, (227 << 10) + 1, "232449 bytes of dynamic shared memory"},
};

static void do_nothing(defect_args) {}

START_TEST(a_configuration_that_no_device_has_is_refused) {
  const auto &each = configurations[_i];
  const defect_args args = {};
  const cudaError_t error =
      LAUNCH(do_nothing, each.grid, each.block, each.shared, nullptr, args);
  if (each.says[0] == '\0') {
    ck_assert_int_eq(error, cudaSuccess);
    assert_no_defect();
  } else {
    ck_assert_int_eq(error, cudaErrorInvalidConfiguration);
    ck_assert_msg(simt::defect().find(each.says) != std::string::npos, "%s",
                  simt::defect().c_str());
  }
}
END_TEST

/* ---- Races ------------------------------------------------------------------------- */

static const struct {
  const char *name;
  kernel_t wrong, right;
  unsigned blocks, threads;
  bool shows; /* in the result: here a shuffle waits for all lanes, as a barrier would */
} races[] = {
    {"reverse_block", reverse_block<false>, reverse_block<true>, 1, 64, true},
    {"reverse_block_twice", reverse_block_twice<false>, reverse_block_twice<true>, 1, 64,
     true},
    {"swap_in_warp", swap_in_warp<false>, swap_in_warp<true>, 1, 32, false},
    {"write_from_blocks", write_from_blocks<false>, write_from_blocks<true>, 4, 32, true},
};

/* How many of six orders give something else than forward does. */
static int orders_that_differ(kernel_t kernel, unsigned blocks, unsigned threads) {
  const device_array<float> x(64);
  float forward[64];
  int differ = 0;
  for (unsigned k = 0; k < 7; ++k) {
    simt::set_order(k == 0   ? simt::order::forward()
                    : k == 1 ? simt::order::reverse()
                             : simt::order::shuffled(k));
    cudaMemset(x.get(), 0, sizeof forward);
    ck_assert_int_eq(run(kernel, blocks, threads, x.get()), cudaSuccess);
    if (k == 0) std::memcpy(forward, x.get(), sizeof forward);
    differ += std::memcmp(forward, x.get(), sizeof forward) != 0;
  }
  return differ;
}

START_TEST(a_race_shows_in_some_order_and_its_cure_in_none) {
  const auto &each = races[_i];
  if (each.shows)
    ck_assert_int_gt(orders_that_differ(each.wrong, each.blocks, each.threads), 0);
  ck_assert_int_eq(orders_that_differ(each.right, each.blocks, each.threads), 0);
}
END_TEST

START_TEST(tsan_reports_a_race_and_not_its_cure) {
  const auto &each = races[_i];
  const auto report = [&](kernel_t kernel) {
    return report_of([&] {
      const device_array<float> x(64);
      run(kernel, each.blocks, each.threads, x.get());
    });
  };
  assert_reported(report(each.wrong), "WARNING: ThreadSanitizer: data race");
  const std::string silence = report(each.right);
  ck_assert_str_eq(silence.c_str(), "");
}
END_TEST

/* ---- The suite --------------------------------------------------------------------- */

static bool can_run(bool built, const char *name, const char *sanitizer) {
  if (!built) std::printf("skipped: %s: built without %s\n", name, sanitizer);
  return built;
}

#define ADD_IF(built, sanitizer, tests, name, n) \
  if (can_run((built), #name, (sanitizer))) tcase_add_loop_test((tests), name, 0, (n))

static TCase *defects_case(void) {
  const int n_defects = sizeof defects / sizeof defects[0];
  const int n_configurations = sizeof configurations / sizeof configurations[0];
  const int n_races = sizeof races / sizeof races[0];
  TCase *const tests = simt_suite_case("defects");
  ADD_IF(has_asan, "ASan", tests, asan_reports_a_write_one_byte_past_a_block_of_memory,
         1);
  ADD_IF(has_asan, "ASan", tests, asan_reports_a_write_past_a_shared_array, 1);
  ADD_IF(has_asan, "ASan", tests, asan_reports_a_write_past_dynamic_shared_memory, 1);
  ADD_IF(has_asan, "ASan", tests, asan_reports_a_kernel_that_uses_freed_memory, 1);
  ADD_IF(has_ubsan, "gcc's UBSan", tests, ubsan_reports_a_misaligned_vector_load, 1);
  tcase_add_loop_test(tests, every_defect_is_found_and_said, 0, n_defects);
  tcase_add_loop_test(tests, every_defect_is_found_in_every_order, 0, n_defects);
  tcase_add_test(tests, the_launch_after_a_defect_is_whole);
  tcase_add_test(tests, the_first_defect_stays_until_it_is_forgotten);
  tcase_add_test(tests, a_defect_ends_the_launch);
  tcase_add_loop_test(tests, a_configuration_that_no_device_has_is_refused, 0,
                      n_configurations);
  if (!has_tsan) /* which would report them */
    tcase_add_loop_test(tests, a_race_shows_in_some_order_and_its_cure_in_none, 0,
                        n_races);
  ADD_IF(has_tsan, "TSan", tests, tsan_reports_a_race_and_not_its_cure, n_races);
  return tests;
}

int main() {
  return simt_suite_run("defects", defects_case());
}
