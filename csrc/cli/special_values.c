/* special_values.c - a table of special values, and what must come of each. */
#include "special_values.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cudrop/mask.h"

enum { VALUES = 64, SCORES = 8, FRACTION_F32 = 0x7fffff };

typedef struct row row_t;
struct row {
  const char *kind, *what;
  bool (*check)(const row_t *row, cudrop_context_t *context);
  cudrop_dtype_t dtype;
  /* The bits of a value and of twice the value; a NaN in `want` stands for any NaN. */
  uint64_t x, want;
  double argument;
};

/* ---- Memory of the context --------------------------------------------------------------- */

/* Two tensors in one buffer of the context. */
typedef struct {
  cudrop_context_t *context;
  void *data;
  cudrop_tensor_t x, y;
} pair_t;

static bool open_pair(pair_t *pair, cudrop_context_t *context, cudrop_dtype_t dtype,
                      int64_t rows, const void *values) {
  const size_t bytes = VALUES * cudrop_dtype_bytes(dtype);
  *pair = (pair_t){.context = context};
  if (cudrop_alloc(context, 2 * bytes, &pair->data) != CUDROP_OK ||
      cudrop_upload(context, pair->data, values, bytes) != CUDROP_OK)
    return false;
  pair->x = cudrop_matrix(pair->data, dtype, rows, VALUES / rows);
  pair->y = cudrop_matrix((char *)pair->data + bytes, dtype, rows, VALUES / rows);
  return true;
}

static bool close_pair(pair_t *pair, void *values) {
  const bool read =
      values == NULL ||
      cudrop_download(pair->context, values, pair->y.data,
                      VALUES * cudrop_dtype_bytes(pair->x.dtype)) == CUDROP_OK;
  return cudrop_free(pair->context, &pair->data) == CUDROP_OK && read;
}

/* ---- As data ----------------------------------------------------------------------------- */

static uint64_t read_bits(const uint8_t *values, int64_t index, size_t size) {
  uint16_t bits16;
  uint32_t bits32;
  uint64_t bits64;
  memcpy(&bits16, values + (size_t)index * size, sizeof bits16);
  if (size == sizeof bits16) return bits16;
  memcpy(&bits32, values + (size_t)index * size, sizeof bits32);
  if (size == sizeof bits32) return bits32;
  memcpy(&bits64, values + (size_t)index * size, sizeof bits64);
  return bits64;
}

static void write_bits(uint8_t *values, int64_t index, size_t size, uint64_t bits) {
  const uint16_t bits16 = (uint16_t)bits;
  const uint32_t bits32 = (uint32_t)bits;
  const void *const from = size == sizeof bits16   ? (const void *)&bits16
                           : size == sizeof bits32 ? (const void *)&bits32
                                                   : (const void *)&bits;
  memcpy(values + (size_t)index * size, from, size);
}

/* The bits of infinity. */
static uint64_t infinity_of(cudrop_dtype_t dtype) {
  return dtype == CUDROP_F64   ? UINT64_C(0x7ff) << 52
         : dtype == CUDROP_F32 ? 0xffu << 23
         : dtype == CUDROP_F16 ? 0x1fu << 10
                               : 0xffu << 7;
}

/* Are two values equal to the bit, or both a NaN? */
static bool same_bits(cudrop_dtype_t dtype, uint64_t a, uint64_t b) {
  const uint64_t most = infinity_of(dtype);
  const uint64_t unsigned_bits = (UINT64_C(1) << (8 * cudrop_dtype_bytes(dtype) - 1)) - 1;
  return a == b || ((a & unsigned_bits) > most && (b & unsigned_bits) > most);
}

/* Dropout of 64 equal values: a kept one becomes row->want, a dropped one +0. */
static bool check_dropout(const row_t *row, cudrop_context_t *context) {
  const cudrop_mask_t mask = cudrop_mask(42, 0, 0.5);
  const size_t size = cudrop_dtype_bytes(row->dtype);
  uint8_t values[VALUES * sizeof(double)] = {0};
  for (int64_t k = 0; k < VALUES; ++k) write_bits(values, k, size, row->x);
  pair_t pair;
  bool right = open_pair(&pair, context, row->dtype, 1, values) &&
               cudrop_forward(context, &pair.x, &mask, &pair.y) == CUDROP_OK;
  right = close_pair(&pair, values) && right;
  for (int64_t k = 0; k < VALUES && right; ++k) {
    const bool kept =
        cudrop_mask_keep(42, 0, (uint64_t)k, cudrop_mask_threshold(0.5)) != 0;
    right = same_bits(row->dtype, read_bits(values, k, size), kept ? row->want : 0);
  }
  return right;
}

/* Compute weights. The second score of a row is x; the others are 0, or x if `all`. */
static bool draw_weights(cudrop_context_t *context, float x, bool all, float *weights) {
  const cudrop_attention_t attention = {.scale = 1.0f};
  for (int k = 0; k < VALUES; ++k) weights[k] = all || k % SCORES == 1 ? x : 0.0f;
  pair_t pair;
  const bool right =
      open_pair(&pair, context, CUDROP_F32, VALUES / SCORES, weights) &&
      cudrop_attention_forward(
          context, &(cudrop_attention_forward_t){.attention = &attention,
                                                 .scores = &pair.x,
                                                 .weights = &pair.y}) == CUDROP_OK;
  return close_pair(&pair, weights) && right;
}

/* Every weight has the bits row->want. But if that is 1, the second weight of each row is
 * subnormal, and the others are not checked. */
static bool check_weights(const row_t *row, cudrop_context_t *context) {
  const bool subnormal = row->want == 1;
  float weights[VALUES];
  bool right = draw_weights(context, (float)row->argument, row->x != 0, weights);
  for (int k = 0; k < VALUES && right; ++k) {
    uint32_t bits;
    memcpy(&bits, &weights[k], sizeof bits);
    if (subnormal)
      right = k % SCORES != 1 || (bits > 0 && bits <= FRACTION_F32);
    else
      right = same_bits(CUDROP_F32, bits, row->want);
  }
  return right;
}

/* ---- As arguments ------------------------------------------------------------------------ */

/* row->argument is refused as p, as epsilon and as the scale of scores. */
static bool check_refusals(const row_t *row, cudrop_context_t *context) {
  const cudrop_mask_t mask = cudrop_mask(42, 0, row->argument);
  const cudrop_norm_t norm = {.epsilon = (float)row->argument};
  const cudrop_attention_t attention = {.scale = (float)row->argument};
  const float ones[VALUES] = {1.0f};
  pair_t pair;
  if (!open_pair(&pair, context, CUDROP_F32, 1, ones))
    return close_pair(&pair, NULL) && false;
  const cudrop_status_t statuses[] = {
      cudrop_forward(context, &pair.x, &mask, &pair.y),
      cudrop_norm_forward(
          context, &(cudrop_norm_forward_t){.norm = &norm, .x = &pair.x, .y = &pair.y}),
      cudrop_attention_forward(
          context, &(cudrop_attention_forward_t){
                       .attention = &attention, .scores = &pair.x, .y = &pair.y})};
  bool right = close_pair(&pair, NULL);
  for (size_t k = 0; k < sizeof statuses / sizeof statuses[0]; ++k)
    right = right && statuses[k] == CUDROP_ERROR_INVALID_ARGUMENT;
  return right;
}

/* ---- The table --------------------------------------------------------------------------- */

#define DROP(kind, what, dtype, x, want) \
  { kind, what " of " #dtype, check_dropout, CUDROP_##dtype, x, want, 0.0 }

static const row_t table[] = {
    {"nan", "NaN as p, epsilon or scale is refused", check_refusals, 0, 0, 0,
     (double)NAN},
    {"nan", "a NaN among scores", check_weights, 0, 0, 0x7fc00000, (double)NAN},
    DROP("nan", "a kept NaN", F32, 0x7fc00000, 0x7fc00000),
    DROP("nan", "a kept NaN", F64, 0x7ff8000000000000, 0x7ff8000000000000),
    DROP("nan", "a kept NaN", F16, 0x7e00, 0x7e00),
    DROP("nan", "a kept NaN", BF16, 0x7fc0, 0x7fc0),
    {"infinity", "infinity as p, epsilon or scale is refused", check_refusals, 0, 0, 0,
     (double)INFINITY},
    {"infinity", "a row of scores of -infinity", check_weights, 0, 1, 0,
     -(double)INFINITY},
    DROP("infinity", "a kept infinity", F32, 0x7f800000, 0x7f800000),
    DROP("infinity", "a kept -infinity", F32, 0xff800000, 0xff800000),
    DROP("infinity", "a kept infinity", F64, 0x7ff0000000000000, 0x7ff0000000000000),
    DROP("infinity", "a kept infinity", F16, 0x7c00, 0x7c00),
    DROP("infinity", "twice the largest number", F16, 0x7bff, 0x7c00),
    DROP("infinity", "a kept infinity", BF16, 0x7f80, 0x7f80),
    {"subnormal", "a weight below the normal numbers", check_weights, 0, 0, 1, -100.0},
    DROP("subnormal", "the smallest number", F32, 1, 2),
    DROP("subnormal", "the largest subnormal number", F32, 0x7fffff, 0xfffffe),
    DROP("subnormal", "the smallest number", F64, 1, 2),
    DROP("subnormal", "the smallest number", F16, 1, 2),
    DROP("subnormal", "the smallest number", BF16, 1, 2),
    DROP("zero", "a kept -0", F32, 0x80000000, 0x80000000),
    DROP("zero", "a kept -0", F64, 0x8000000000000000, 0x8000000000000000),
    DROP("zero", "a kept -0", F16, 0x8000, 0x8000),
    DROP("zero", "a kept -0", BF16, 0x8000, 0x8000),
};
enum { ROWS = sizeof table / sizeof table[0] };

static const char *const kinds[] = {"nan", "infinity", "subnormal", "zero", NULL};

const char *special_value_kind(int k) {
  return kinds[k];
}

known_answers_result_t check_special_values(const char *kind, cudrop_context_t *context) {
  known_answers_result_t result = {.rows = 0};
  for (int k = 0; k < ROWS; ++k) {
    if (strcmp(table[k].kind, kind) != 0) continue;
    ++result.rows;
    if (table[k].check(&table[k], context)) continue;
    if (result.wrong++ == 0)
      snprintf(result.first_wrong, sizeof result.first_wrong, "%s", table[k].what);
  }
  return result;
}
