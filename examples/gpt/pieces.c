/* pieces.c - tensors, products and masks: what forward and backward are made of. */
#define _GNU_SOURCE /* clock_gettime */
#include <time.h>

#include "gpt.h"

/* ---- Tensors ------------------------------------------------------------------------ */

cudrop_tensor_t gpt_rows(const gpt_t *gpt, const void *data, int64_t cols) {
  const int64_t shape[] = {gpt->shape.rows, gpt->config.length, cols};
  return cudrop_tensor(data, gpt->config.dtype, 3, shape);
}

cudrop_tensor_t gpt_scores(const gpt_t *gpt, const void *data) {
  const int64_t shape[] = {gpt->shape.rows, gpt->shape.heads, gpt->config.length,
                           gpt->config.length};
  return cudrop_tensor(data, gpt->config.dtype, 4, shape);
}

cudrop_tensor_t gpt_means(const gpt_t *gpt, const float *data) {
  return cudrop_matrix(data, CUDROP_F32, gpt->shape.rows, gpt->config.length);
}

static const gpt_parameter_t *find(const gpt_t *gpt, gpt_kind_t kind, int layer) {
  return &gpt->list[gpt_parameter_number(&gpt->config, kind, layer)];
}

cudrop_tensor_t gpt_vector(const gpt_t *gpt, const float *array, gpt_kind_t kind,
                           int layer) {
  const gpt_parameter_t *of = find(gpt, kind, layer);
  return cudrop_vector(array + of->first, CUDROP_F32, (int64_t)of->number);
}

cudrop_tensor_t gpt_table(const gpt_t *gpt, const float *array, gpt_kind_t kind) {
  const gpt_parameter_t *of = find(gpt, kind, 0);
  return cudrop_matrix(array + of->first, CUDROP_F32, of->split, of->inner);
}

/* ---- Products with parameters --------------------------------------------------------- */

static engine_matrix_t make_matrix(const gpt_t *gpt, const void *data, int64_t cols) {
  const cudrop_tensor_t tensor = gpt_rows(gpt, data, cols);
  return (engine_matrix_t){.data = tensor.data, .dtype = tensor.dtype, .row = cols};
}

/* The sizes [in][out] of a weight here: its columns are split, or its rows. */
static void find_sizes(const gpt_parameter_t *of, int64_t in, int64_t *rows,
                       int64_t *cols) {
  const bool has_columns = of->inner == 1;
  *rows = has_columns ? in : of->part;
  *cols = (int64_t)of->number / *rows;
}

static engine_matrix_t make_weight(const gpt_t *gpt, const gpt_parameter_t *of,
                                   int64_t cols) {
  if (gpt->narrow != NULL)
    return (engine_matrix_t){
        .data = gpt->narrow + of->first, .dtype = CUDROP_BF16, .row = cols};
  return (engine_matrix_t){
      .data = gpt->parameter + of->first, .dtype = CUDROP_F32, .row = cols};
}

cudrop_status_t gpt_multiply(gpt_t *gpt, const void *x, gpt_kind_t kind, int layer,
                             void *y) {
  const gpt_parameter_t *of = find(gpt, kind, layer);
  int64_t in = 0, out = 0;
  find_sizes(of, gpt->config.width, &in, &out);
  const engine_product_t product = {
      .rows = gpt->shape.tokens,
      .cols = out,
      .inner = in,
      .count = {1, 1},
      .a = make_matrix(gpt, x, in),
      .b = make_weight(gpt, of, out),
      .c = make_matrix(gpt, y, out),
  };
  TRY(gpt->engine.table->multiply(&gpt->engine, &product));
  return gpt_lap(gpt, GPT_LAP_PRODUCTS);
}

cudrop_status_t gpt_differentiate(gpt_t *gpt, const void *x, gpt_kind_t kind, int layer,
                                  const void *dy, void *dx) {
  const gpt_parameter_t *of = find(gpt, kind, layer);
  int64_t in = 0, out = 0;
  find_sizes(of, gpt->config.width, &in, &out);
  const engine_product_t weight = {
      .transposes_a = true,
      .rows = in,
      .cols = out,
      .inner = gpt->shape.tokens,
      .count = {1, 1},
      .a = make_matrix(gpt, x, in),
      .b = make_matrix(gpt, dy, out),
      .c = {.data = gpt->gradient + of->first, .dtype = CUDROP_F32, .row = out},
  };
  const engine_product_t input = {
      .transposes_b = true,
      .rows = gpt->shape.tokens,
      .cols = in,
      .inner = out,
      .count = {1, 1},
      .a = make_matrix(gpt, dy, out),
      .b = make_weight(gpt, of, out),
      .c = make_matrix(gpt, dx, in),
  };
  TRY(gpt->engine.table->multiply(&gpt->engine, &weight));
  TRY(gpt->engine.table->multiply(&gpt->engine, &input));
  return gpt_lap(gpt, GPT_LAP_PRODUCTS);
}

/* ---- Masks and what they are for, sums and laps ------------------------------------- */

cudrop_status_t gpt_site_mask(const gpt_t *gpt, int site, cudrop_mask_t *mask,
                              const cudrop_mask_t **used) {
  *used = gpt->is_training ? mask : NULL;
  if (!gpt->is_training) return CUDROP_OK;
  return gpt_make_mask(&gpt->config, &gpt->parallel, gpt->mask_seed, gpt->step, site,
                       mask);
}

static gpt_kind_t find_gamma(const gpt_t *gpt, int k) {
  if (k == 2 * gpt->config.layers) return GPT_FINAL_GAMMA;
  return k % 2 == 0 ? GPT_NORM1_GAMMA : GPT_NORM2_GAMMA;
}

gpt_vectors_t gpt_norm_vectors(const gpt_t *gpt, const float *array, int k) {
  const gpt_kind_t bias = k % 2 == 1 ? GPT_PROJECTION_BIAS : GPT_OUTPUT_BIAS;
  const gpt_kind_t gamma = find_gamma(gpt, k);
  return (gpt_vectors_t){
      .bias = gpt_vector(gpt, array, bias, (k - 1) / 2),
      .gamma = gpt_vector(gpt, array, gamma, k / 2),
      .beta = gpt_vector(gpt, array, (gpt_kind_t)(gamma + 1), k / 2),
  };
}

cudrop_status_t gpt_get_norm(const gpt_t *gpt, int k, const gpt_vectors_t *parameters,
                             cudrop_mask_t *mask, cudrop_norm_t *norm) {
  const cudrop_mask_t *used = NULL;
  if (k > 0) TRY(gpt_site_mask(gpt, gpt_norm_site(k), mask, &used));
  *norm = (cudrop_norm_t){
      .kind = CUDROP_LAYER_NORM,
      .epsilon = 1e-5f,
      .bias = k > 0 ? &parameters->bias : NULL,
      .gamma = &parameters->gamma,
      .beta = &parameters->beta,
      .mask = used,
  };
  return CUDROP_OK;
}

cudrop_fused_t gpt_get_activation(const cudrop_tensor_t *bias) {
  return (cudrop_fused_t){.activation = CUDROP_GELU_TANH, .bias = bias};
}

/* The ranks' memory is the host's: main.c sees to that. */
cudrop_status_t gpt_sum_parts(gpt_t *gpt, void *data) {
  if (gpt->parallel.split == PARALLEL_TENSOR)
    parallel_sum(&gpt->parallel, data, (size_t)(gpt->shape.tokens * gpt->config.width));
  return gpt_lap(gpt, GPT_LAP_REST);
}

cudrop_status_t gpt_lap(gpt_t *gpt, gpt_lap_t lap) {
  struct timespec now;
  if (gpt->laps == NULL) return CUDROP_OK;
  TRY(cudrop_synchronize(gpt->context));
  clock_gettime(CLOCK_MONOTONIC, &now);
  const double time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
  gpt->laps[lap] += time - gpt->lap_begin;
  gpt->lap_begin = time;
  return CUDROP_OK;
}
