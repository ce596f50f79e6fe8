/* test_device.cpp - device.cuh in kernels of one's own, against mask.h and the library. */
#include <check.h>

#include <cstring>
#include <vector>

#include "port.h"

#include "../../examples/softmax/softmax.cuh"
#include "cudrop/cudrop.h"
#include "simt_suite.h"

static const double rates[] = {
    0.0, 1e-6, 0.1, 0.5, 1.0 / 3, 0.9, 65535.0 / 65536, 65535.5 / 65536.0, 1.0};
enum { RATES = sizeof rates / sizeof rates[0], GROUPS = 4096, THREADS = 128 };

struct draw_t {
  cudrop_mask_schedule_t mask;
  const void *prepared;
  uint64_t offset, first;
  uint8_t *bits;
};

static bool is_kept(uint64_t seed, uint64_t offset, uint64_t index, double p) {
  return cudrop_mask_keep(seed, offset, index, cudrop_mask_threshold(p)) != 0;
}

/* Each way to ask for the bits of a group, as a kernel of one thread a group. */

__global__ void ask_for_groups(const __grid_constant__ draw_t args) {
  const uint64_t g = blockIdx.x * THREADS + threadIdx.x;
  bool keep[8];
  cudrop_device_keep8(args.mask, args.first + g, keep);
  for (int lane = 0; lane < 8; ++lane) args.bits[8 * g + lane] = keep[lane];
}

__global__ void ask_for_elements(const __grid_constant__ draw_t args) {
  const uint64_t g = blockIdx.x * THREADS + threadIdx.x;
  for (int lane = 0; lane < 8; ++lane)
    args.bits[8 * g + lane] = cudrop_device_keep1(args.mask, (args.first + g) * 8 + lane);
}

__global__ void ask_a_prepared_mask(const __grid_constant__ draw_t args) {
  SHARED_ARRAY(cudrop_mask_schedule_t, mask, 1);
  const uint64_t g = blockIdx.x * THREADS + threadIdx.x;
  bool keep[8];
  cudrop_device_read(args.prepared, args.offset, mask);
  cudrop_device_keep8(*mask, args.first + g, keep);
  for (int lane = 0; lane < 8; ++lane) args.bits[8 * g + lane] = keep[lane];
}

/* As accumulators lie: thread t of a quad has the columns 2 t and 2 t + 1 of four rows. */
__global__ void ask_in_quads(const __grid_constant__ draw_t args) {
  const uint64_t g = blockIdx.x * THREADS + threadIdx.x;
  const unsigned t = threadIdx.x % 4;
  uint32_t word[4];
  cudrop_device_quad(args.mask, threadIdx.x % 32, args.first + g, word);
  for (unsigned k = 0; k < 4; ++k) {
    const uint64_t row = g - t + k;
    cudrop_device_keep2(args.mask, word[k], (bool *)args.bits + 8 * row + 2 * t);
  }
}

static const struct {
  const char *name;
  void (*kernel)(draw_t);
} kernels[] = {{"keep8", ask_for_groups},
               {"keep1", ask_for_elements},
               {"read", ask_a_prepared_mask},
               {"quad", ask_in_quads}};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

START_TEST(every_way_to_ask_gives_the_bits_of_the_mask) {
  const double p = rates[_i % RATES];
  const auto &way = kernels[_i / RATES];
  std::vector<uint8_t> bits(8 * GROUPS, 0xca);
  cudrop_mask_schedule_t block = cudrop_mask_schedule(42, 100 - 3, p);
  const draw_t args = {cudrop_mask_schedule(42, 100, p), &block, 3,
                       ((uint64_t)1 << 32) - GROUPS / 2, bits.data()};
  ck_assert_int_eq(LAUNCH(way.kernel, GROUPS / THREADS, THREADS, 0, nullptr, args),
                   cudaSuccess);
  for (uint64_t e = 0; e < bits.size(); ++e)
    ck_assert_msg(bits[e] == is_kept(42, 100, args.first * 8 + e, p),
                  "%s, p = %g, element %llu", way.name, p, (unsigned long long)e);
  assert_no_defect();
}
END_TEST

/* ---- Ties, by the text of every architecture ---------------------------------------- */

typedef uint32_t find_t(const uint32_t (&word)[4], uint32_t bits);

static const struct {
  const char *name;
  find_t *find;
} ways[] = {{"by word, before sm_90", cudrop_device_find_zero_by_word},
            {"by minimum, from sm_90", cudrop_device_find_zero_by_minimum}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static bool has_tie(find_t *find, const cudrop_mask_schedule_t &mask,
                    const cudrop_philox_block_t &block) {
  uint32_t word[4];
  for (int w = 0; w < 4; ++w) word[w] = block.word[w] ^ mask.tie;
  return find(word, mask.ties) != 0;
}

/* As cudrop_device_draw() and cudrop_device_keep2(), with this way to find ties. */
static unsigned draw(find_t *find, const cudrop_mask_schedule_t &mask, uint64_t seed,
                     uint64_t offset, uint64_t group) {
  cudrop_philox_block_t block = cudrop_device_philox(mask, group);
  unsigned bits = 0;
  if (has_tie(find, mask, block))
    block = cudrop_device_resolve(block, seed, offset, group, mask.tie & 0xffff, mask.t1);
  for (int w = 0; w < 4; ++w) {
    bool keep[2];
    cudrop_device_keep2(mask, block.word[w], keep);
    bits |= (unsigned)keep[0] << 2 * w | (unsigned)keep[1] << (2 * w + 1);
  }
  return bits;
}

/* p in the middle of the digit of one element, which ties: half of these are kept. */
START_TEST(a_tie_of_every_lane_is_found) {
  enum { LANES = 8, TIES = 64 };
  const uint64_t seed = 42, offset = 100;
  for (uint64_t group = 0; group < TIES; ++group) {
    for (unsigned lane = 0; lane < LANES; ++lane) {
      const cudrop_philox_block_t block = cudrop_mask_block(seed, offset, group);
      const double p = (cudrop_mask_digit(block, lane) + 0.5) / 65536.0;
      const cudrop_mask_schedule_t mask = cudrop_mask_schedule(seed, offset, p);
      const uint64_t index = group * LANES + lane;
      ck_assert_msg(has_tie(ways[_i].find, mask, block), "%s, lane %u", ways[_i].name,
                    lane);
      ck_assert_uint_eq(
          draw(ways[_i].find, mask, seed, offset, group),
          cudrop_mask_keep_group(seed, offset, group, cudrop_mask_threshold(p)));
      ck_assert(cudrop_device_keep1(mask, index) == is_kept(seed, offset, index, p));
    }
  }
}
END_TEST

/* Where nothing ties nothing is looked for, nor where p has no refinement. */
START_TEST(no_tie_is_found_where_there_is_none) {
  const cudrop_mask_schedule_t refined = cudrop_mask_schedule(42, 100, 0.1);
  const cudrop_mask_schedule_t plain = cudrop_mask_schedule(42, 100, 0.25);
  for (uint64_t group = 0; group < 1 << 16; ++group) {
    const cudrop_philox_block_t block = cudrop_device_philox(refined, group);
    bool ties = false;
    for (unsigned lane = 0; lane < 8; ++lane)
      ties = ties || cudrop_mask_digit(block, lane) == (refined.tie & 0xffff);
    ck_assert(has_tie(ways[_i].find, refined, block) == ties);
    ck_assert(!has_tie(ways[_i].find, plain, block));
  }
}
END_TEST

/* The host's text of what is one instruction on a GPU. */
START_TEST(minimum_halves_is_the_instruction) {
  static const uint32_t words[] = {0,          1,          0xffff,     0x10000,
                                   0x7fff8000, 0x80007fff, 0xfffe0001, 0xffffffff};
  for (const uint32_t a : words)
    for (const uint32_t b : words)
      ck_assert_uint_eq(cudrop_device_minimum_halves(a, b), __vminu2(a, b));
}
END_TEST

START_TEST(a_softmax_that_drops_equals_dropout_behind_a_softmax) {
  enum { ROWS = 10, N = ROWS * SOFTMAX_COLS };
  std::vector<float> scores(N), probabilities(N), y(N, 7.0f), composed(N);
  for (int i = 0; i < N; ++i) scores[i] = (float)(i * 7919 % 1000) * 0.01f;
  const softmax_t args = {scores.data(), probabilities.data(), y.data(), ROWS,
                          cudrop_mask_schedule(42, 7, 0.1)};
  ck_assert_int_eq(
      LAUNCH(softmax_dropout, (ROWS + 3) / 4, SOFTMAX_THREADS, 0, nullptr, args),
      cudaSuccess);
  double sum = 0.0;
  for (int c = 0; c < SOFTMAX_COLS; ++c) sum += probabilities[c];
  ck_assert_double_eq_tol(sum, 1.0, 1e-5);

  cudrop_context_t *context = nullptr;
  const cudrop_mask_t mask = cudrop_mask(42, 7, 0.1);
  const cudrop_tensor_t in =
      cudrop_matrix(probabilities.data(), CUDROP_F32, ROWS, SOFTMAX_COLS);
  const cudrop_tensor_t out =
      cudrop_matrix(composed.data(), CUDROP_F32, ROWS, SOFTMAX_COLS);
  ck_assert_int_eq(cudrop_create(&context, CUDROP_HOST, 0), CUDROP_OK);
  ck_assert_int_eq(cudrop_forward(context, &in, &mask, &out), CUDROP_OK);
  ck_assert_mem_eq(y.data(), composed.data(), N * sizeof(float));
  ck_assert_int_eq(cudrop_destroy(&context), CUDROP_OK);
  assert_no_defect();
}
END_TEST

int main() {
  TCase *const tests = simt_suite_case("device");
  tcase_add_loop_test(tests, every_way_to_ask_gives_the_bits_of_the_mask, 0,
                      KERNELS * RATES);
  tcase_add_loop_test(tests, a_tie_of_every_lane_is_found, 0, WAYS);
  tcase_add_loop_test(tests, no_tie_is_found_where_there_is_none, 0, WAYS);
  tcase_add_test(tests, minimum_halves_is_the_instruction);
  tcase_add_test(tests, a_softmax_that_drops_equals_dropout_behind_a_softmax);
  return simt_suite_run("device", tests);
}
