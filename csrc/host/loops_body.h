/* loops_body.h - the loops of loops.h, compiled once for each set of instructions. */
#include "activation.h"
#include "convert.h"
#include "loops.h"
#if defined(__F16C__)
#include <immintrin.h>
#endif

#define DEFINE_MAP(FUNCTION)                                                \
  static void map_##FUNCTION(int n, const float *values, float *results) {  \
    for (int j = 0; j < n; ++j) results[j] = cudropi_##FUNCTION(values[j]); \
  }
DEFINE_MAP(relu)
DEFINE_MAP(relu_slope)
DEFINE_MAP(gelu)
DEFINE_MAP(gelu_slope)
DEFINE_MAP(gelu_tanh)
DEFINE_MAP(gelu_tanh_slope)
DEFINE_MAP(silu)
DEFINE_MAP(silu_slope)
DEFINE_MAP(exp_to_zero)

/* The last ones, and all where there is no instruction for it, one by one. */
static void load_f16(int n, const void *memory, float *values) {
  const uint16_t *halves = memory;
  int j = 0;
#if defined(__F16C__)
  for (; j + 8 <= n; j += 8)
    _mm256_storeu_ps(values + j,
                     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + j))));
#endif
  for (; j < n; ++j) {
    uint16_t half;
    memcpy(&half, halves + j, sizeof half);
    values[j] = float_from_f16(half);
  }
}

static void store_f16(int n, const float *values, void *memory) {
  uint16_t *halves = memory;
  int j = 0;
#if defined(__F16C__)
  for (; j + 8 <= n; j += 8)
    _mm_storeu_si128((__m128i *)(halves + j), _mm256_cvtps_ph(_mm256_loadu_ps(values + j),
                                                              _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; j < n; ++j) {
    const uint16_t half = f16_from_float(values[j]);
    memcpy(halves + j, &half, sizeof half);
  }
}

#define DEFINE_LOOPS(NAME)                                                          \
  const cudropi_loops_t NAME = {.value = {[CUDROP_RELU] = map_relu,                 \
                                          [CUDROP_GELU] = map_gelu,                 \
                                          [CUDROP_GELU_TANH] = map_gelu_tanh,       \
                                          [CUDROP_SILU] = map_silu},                \
                                .slope = {[CUDROP_RELU] = map_relu_slope,           \
                                          [CUDROP_GELU] = map_gelu_slope,           \
                                          [CUDROP_GELU_TANH] = map_gelu_tanh_slope, \
                                          [CUDROP_SILU] = map_silu_slope},          \
                                .exp_to_zero = map_exp_to_zero,                     \
                                .load_f16 = load_f16,                               \
                                .store_f16 = store_f16}
