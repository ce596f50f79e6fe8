/* test_simt.cpp - kernels without a fault, against plain models of what CUDA says. */
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "device_array.h"
#include "samples.cuh"
#include "simt_suite.h"

/* ---- The grid ---------------------------------------------------------------------- */

/* The threads of a grid in the order in which they ran. */
static std::vector<unsigned> visited_threads(dim3 grid, dim3 block) {
  const unsigned n = grid.x * grid.y * grid.z * block.x * block.y * block.z;
  const device_array<unsigned> visits(n), log(n), count(1);
  std::fill_n(visits.get(), n, 0u);
  count[0] = 0;
  const visit_args args = {visits.get(), log.get(), count.get()};
  ck_assert_int_eq(LAUNCH(visit, grid, block, 0, nullptr, args), cudaSuccess);
  ck_assert_uint_eq(count[0], n);
  for (unsigned k = 0; k < n; ++k) ck_assert_uint_eq(visits[k], 1);
  return {log.get(), log.get() + n};
}

START_TEST(every_thread_of_a_grid_runs_once) {
  visited_threads(1, 1);
  visited_threads(7, 1000);
  visited_threads(dim3(3, 4, 5), dim3(4, 3, 2));
  visited_threads(dim3(1, 9, 1), dim3(1, 1, 33));
}
END_TEST

START_TEST(threads_and_blocks_run_in_the_order_that_was_set) {
  const dim3 grid(3, 5), block(20, 2);
  std::vector<unsigned> counted(600);
  std::iota(counted.begin(), counted.end(), 0u);
  simt::set_order(simt::order::forward());
  ck_assert(visited_threads(grid, block) == counted);

  simt::set_order(simt::order::shuffled(7));
  const std::vector<unsigned> shuffled = visited_threads(grid, block);
  ck_assert(visited_threads(grid, block) == shuffled);
  simt::set_order(simt::order::shuffled(8));
  ck_assert(visited_threads(grid, block) != shuffled);
  ck_assert(shuffled[0] / 40 != 0 || shuffled[40] / 40 != 1); /* blocks, too */

  simt::set_order(simt::order::reverse());
  std::reverse(counted.begin(), counted.end());
  ck_assert(visited_threads(grid, block) == counted);
}
END_TEST

START_TEST(the_environment_sets_the_order) {
  const char *const value = std::getenv("SIMT_ORDER");
  const std::string before = value != nullptr ? value : "forward";
  setenv("SIMT_ORDER", "reverse", 1);
  ck_assert_int_eq(simt::order::from_environment().kind, simt::order::REVERSE);
  setenv("SIMT_ORDER", "1234", 1);
  ck_assert_int_eq(simt::order::from_environment().kind, simt::order::SHUFFLED);
  ck_assert_uint_eq(simt::order::from_environment().seed, 1234);
  unsetenv("SIMT_ORDER");
  ck_assert_int_eq(simt::order::from_environment().kind, simt::order::FORWARD);
  for (const char *wrong : {"", "backwards", "-1", "12345678901"}) {
    bool refused = false;
    setenv("SIMT_ORDER", wrong, 1);
    try {
      simt::order::from_environment();
    } catch (const std::invalid_argument &) {
      refused = true;
    }
    ck_assert(refused);
  }
  setenv("SIMT_ORDER", before.c_str(), 1);
}
END_TEST

/* ---- Shuffles, votes and barriers -------------------------------------------------- */

static const simt::order orders[] = {simt::order::forward(), simt::order::reverse(),
                                     simt::order::shuffled(1), simt::order::shuffled(2)};

START_TEST(blocks_sum_over_shuffles_and_shared_memory) {
  for (const simt::order order : orders)
    for (const unsigned threads : {1u, 2u, 31u, 32u, 33u, 80u, 256u, 1023u, 1024u}) {
      const unsigned blocks = 3;
      const device_array<float> x(blocks * threads), sums(blocks);
      std::iota(x.get(), x.get() + blocks * threads, 1.0f);
      simt::set_order(order);
      const sum_args args = {x.get(), sums.get()};
      ck_assert_int_eq(LAUNCH(sum_blocks, blocks, threads, 0, nullptr, args),
                       cudaSuccess);
      for (unsigned b = 0; b < blocks; ++b) {
        const float *const own = x.get() + b * threads;
        ck_assert_float_eq(sums[b], std::accumulate(own, own + threads, 0.0f));
      }
    }
  assert_no_defect();
}
END_TEST

/* The lane that a lane reads, as the programming guide words it. */
static int model_source(shuffle_kind kind, int lane, int argument, int width) {
  const int first = lane / width * width, end = first + width;
  switch (kind) {
    case SHUFFLE_AT:
      return first + argument % width;
    case SHUFFLE_UP:
      return lane - argument >= first ? lane - argument : lane;
    case SHUFFLE_DOWN:
      return lane + argument < end ? lane + argument : lane;
    default:
      return (lane ^ argument) < end ? lane ^ argument : lane;
  }
}

START_TEST(every_shuffle_reads_the_lane_it_should) {
  const device_array<double> received(32);
  for (int kind = 0; kind < SHUFFLE_KINDS; ++kind)
    for (int width = 1; width <= 32; width *= 2)
      for (int argument = 0; argument < 32; ++argument) {
        const shuffle_args args = {static_cast<shuffle_kind>(kind), argument, width,
                                   received.get()};
        ck_assert_int_eq(LAUNCH(shuffle_lanes, 1, 32, 0, nullptr, args), cudaSuccess);
        for (int lane = 0; lane < 32; ++lane)
          ck_assert_double_eq(received[static_cast<size_t>(lane)],
                              model_source(args.kind, lane, argument, width) + 0.5);
      }
  assert_no_defect();
}
END_TEST

START_TEST(votes_are_counted_by_mask_and_by_block) {
  const device_array<unsigned> result(32 * 8);
  for (const unsigned yes :
       {0u, ~0u, 0xffff0000u, 0x00010000u, 0x7fffffffu, 0xdeadbeefu}) {
    const vote_args args = {yes, result.get()};
    ck_assert_int_eq(LAUNCH(vote, 1, 32, 0, nullptr, args), cudaSuccess);
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned *const got = result.get() + 8 * lane;
      const unsigned mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
      unsigned sum = 0;
      for (unsigned each = 0; each < 32; ++each)
        if ((yes & mask) >> each & 1) sum += each;
      ck_assert_uint_eq(got[0], yes & mask);
      ck_assert_uint_eq(got[1], (yes & mask) != 0);
      ck_assert_uint_eq(got[2], (yes & mask) == mask);
      ck_assert_uint_eq(got[3], sum);
      ck_assert_uint_eq(got[4], yes != 0);
      ck_assert_uint_eq(got[5], yes == ~0u);
      ck_assert_uint_eq(got[6], static_cast<unsigned>(__builtin_popcount(yes)));
    }
  }
  assert_no_defect();
}
END_TEST

/* ---- Shared memory and arguments --------------------------------------------------- */

START_TEST(shared_memory_is_poisoned_for_each_block_and_shared_in_it) {
  const unsigned blocks = 4, threads = 64;
  const device_array<unsigned> seen(2 * blocks * threads), misalignment(blocks);
  const shared_args args = {seen.get(), misalignment.get()};
  for (const simt::order order : orders) {
    simt::set_order(order);
    ck_assert_int_eq(
        LAUNCH(use_shared, blocks, threads, threads * sizeof(unsigned), nullptr, args),
        cudaSuccess);
    for (unsigned k = 0; k < blocks * threads; ++k) {
      ck_assert_uint_eq(seen[2 * k], 0xffffffffu);
      ck_assert_uint_eq(seen[2 * k + 1], threads - 1 - (k % threads ^ 1));
    }
    for (unsigned b = 0; b < blocks; ++b) ck_assert_uint_eq(misalignment[b], 0);
  }
  assert_no_defect();
}
END_TEST

START_TEST(each_thread_has_the_argument_for_itself) {
  const device_array<unsigned> found(96);
  const copy_args args = {4711, found.get()};
  ck_assert_int_eq(LAUNCH(spoil_argument, 1, 96, 0, nullptr, args), cudaSuccess);
  for (unsigned k = 0; k < 96; ++k) ck_assert_uint_eq(found[k], 4711);
  ck_assert_uint_eq(args.value, 4711);
}
END_TEST

START_TEST(a_typed_launch_converts_and_copies_its_arguments) {
  const device_array<double> found(96);
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(1);
  config.blockDim = dim3(96);
  const int n = 3;
  ck_assert_int_eq(cudaLaunchKernelEx(&config, spoil_parameters, 0.5f, n, found.get()),
                   cudaSuccess);
  for (unsigned k = 0; k < 96; ++k) ck_assert_double_eq(found[k], 1.5);
  config.numAttrs = 1;
  ck_assert_int_eq(cudaLaunchKernelEx(&config, spoil_parameters, 0.5f, n, found.get()),
                   cudaErrorNotSupported);
  config.numAttrs = 0;
  config.gridDim = dim3(0);
  ck_assert_int_eq(cudaLaunchKernelEx(&config, spoil_parameters, 0.5f, n, found.get()),
                   cudaErrorInvalidConfiguration);
  ck_assert_ptr_nonnull(strstr(simt::defect().c_str(), "spoil_parameters"));
}
END_TEST

/* ---- Host threads ------------------------------------------------------------------ */

START_TEST(host_threads_launch_beside_each_other) {
  static const unsigned blocks = 20, threads = 96;
  int wrong[4] = {};
  std::vector<std::thread> host_threads;
  for (int &own : wrong)
    host_threads.emplace_back([&own] {
      const device_array<float> x(blocks * threads), sums(blocks);
      std::fill_n(x.get(), blocks * threads, 1.0f);
      const sum_args args = {x.get(), sums.get()};
      for (int round = 0; round < 5; ++round)
        own += LAUNCH(sum_blocks, blocks, threads, 0, nullptr, args) != cudaSuccess;
      for (unsigned b = 0; b < blocks; ++b) own += sums[b] != static_cast<float>(threads);
    });
  for (std::thread &each : host_threads) each.join();
  for (const int each : wrong) ck_assert_int_eq(each, 0);
  assert_no_defect();
}
END_TEST

/* ---- Intrinsics -------------------------------------------------------------------- */

START_TEST(bits_are_found_moved_and_counted) {
  ck_assert_int_eq(__popc(0xf0f0f0f1u), 17);
  ck_assert_int_eq(__popcll(0xf0f0f0f1ull << 20), 17);
  ck_assert_int_eq(__ffs(0), 0);
  ck_assert_int_eq(__ffs(0x40), 7);
  ck_assert_int_eq(__ffsll(1ll << 40), 41);
  ck_assert_int_eq(__clz(0), 32);
  ck_assert_int_eq(__clz(-1), 0);
  ck_assert_int_eq(__clzll(0), 64);
  ck_assert_int_eq(__clzll(1), 63);
  ck_assert_uint_eq(__brev(0x80000006u), 0x60000001u);
  ck_assert_uint_eq(__byte_perm(0x33221100u, 0x77665544u, 0x7250), 0x77225500u);
  ck_assert_uint_eq(__funnelshift_l(0x89abcdefu, 0x01234567u, 8), 0x23456789u);
  ck_assert_uint_eq(__funnelshift_r(0x89abcdefu, 0x01234567u, 8), 0x6789abcdu);
  ck_assert_uint_eq(__funnelshift_l(0x89abcdefu, 0x01234567u, 32), 0x01234567u);
  ck_assert_uint_eq(__funnelshift_r(0x89abcdefu, 0x01234567u, 32), 0x89abcdefu);
  ck_assert_uint_eq(__vminu2(0x00020003u, 0x00010004u), 0x00010003u);
  ck_assert_uint_eq(__umulhi(0xffffffffu, 0xffffffffu), 0xfffffffeu);
  ck_assert(__umul64hi(~0ull, ~0ull) == ~0ull - 1);
  ck_assert_uint_eq(__float_as_uint(-2.0f), 0xc0000000u);
  ck_assert_int_eq(__float_as_int(1.0f), 0x3f800000);
  ck_assert(__longlong_as_double(__double_as_longlong(0.1)) == 0.1);
}
END_TEST

START_TEST(each_product_and_each_sum_is_rounded) {
  const float third = 1.0f / 3.0f;
  volatile float product = third * third;
  ck_assert_float_eq(__fadd_rn(__fmul_rn(third, third), -product), 0.0f);
  ck_assert_float_ne(__fmaf_rn(third, third, -product), 0.0f);
  ck_assert_float_eq(rsqrtf(4.0f), 0.5f);
  ck_assert_float_eq(__expf(1.0f), static_cast<float>(std::exp(1.0)));
}
END_TEST

START_TEST(atomics_return_what_was_there) {
  unsigned x = 5;
  unsigned long long wide = ~0ull;
  int sign = -3;
  ck_assert_uint_eq(atomicAdd(&x, 2u), 5);
  ck_assert_uint_eq(atomicMax(&x, 6u), 7);
  ck_assert_uint_eq(atomicMax(&x, 9u), 7);
  ck_assert_uint_eq(atomicOr(&x, 2u), 9);
  ck_assert_uint_eq(x, 11);
  ck_assert(atomicAdd(&wide, 2ull) == ~0ull && wide == 1);
  ck_assert_int_eq(atomicMax(&sign, -2), -3);
  ck_assert_int_eq(sign, -2);
}
END_TEST

static TCase *simt_case(void) {
  TCase *const tests = simt_suite_case("simt");
  tcase_add_test(tests, every_thread_of_a_grid_runs_once);
  tcase_add_test(tests, threads_and_blocks_run_in_the_order_that_was_set);
  tcase_add_test(tests, the_environment_sets_the_order);
  tcase_add_test(tests, blocks_sum_over_shuffles_and_shared_memory);
  tcase_add_test(tests, every_shuffle_reads_the_lane_it_should);
  tcase_add_test(tests, votes_are_counted_by_mask_and_by_block);
  tcase_add_test(tests, shared_memory_is_poisoned_for_each_block_and_shared_in_it);
  tcase_add_test(tests, each_thread_has_the_argument_for_itself);
  tcase_add_test(tests, a_typed_launch_converts_and_copies_its_arguments);
  tcase_add_test(tests, host_threads_launch_beside_each_other);
  tcase_add_test(tests, bits_are_found_moved_and_counted);
  tcase_add_test(tests, each_product_and_each_sum_is_rounded);
  tcase_add_test(tests, atomics_return_what_was_there);
  return tests;
}

int main() {
  return simt_suite_run("simt", simt_case());
}
