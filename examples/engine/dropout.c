/*
 * dropout.c - Dropout x [ratio] [training_mode] -> y [mask] [ratio=] [seed=], as ONNX has it
 * since opset 12; y is x scaled by 1 / (1 - ratio) or 0, mask (u8) is 1 where x is kept.
 *
 *   ratio          an f32 or f64 parameter, a number in [0, 1); 0.5 where it is left out.
 *                  Opset 7 and 10 have it as an attribute, and so may a file.
 *   training_mode  a u8 parameter, a number: 0, as where it is left out, copies x and says that
 *                  all is kept. Monte-Carlo samples are drawn in any case.
 *   seed=          a whole number from 0 to 2^53; where there is none the engine's seed
 *
 * One call draws the masks of all samples of a value that has none yet: x repeats along them.
 *
 *   element (t, r, c) of [samples][rows][elements] has the mask index
 *     (first_sample + t) 2^40 + (first_row + r) elements + c,        the offset is the site
 *
 * and so a sample's mask depends neither on how many samples nor on how many rows there are.
 *
 * The mask is a prepared one, so that a recorded run serves other setups: seed, offset, ratio and
 * index base lie in a block, which prepare() writes. The index base of a block is a multiple of 8,
 * the elements of a group of the mask. The recorded index map adds first_lane, the remainder.
 */
#include <math.h>
#include <stdlib.h>

#include "cudrop/mask.h"
#include "mersenne.h"
#include "operator.h"

enum { SAMPLE_SHIFT = 40, SAMPLE_BITS = 59 - SAMPLE_SHIFT };

/* Children of the seed, so that training and sampling never meet. */
enum { STREAM_TRAINING, STREAM_SAMPLES };

typedef struct {
  double ratio;
  bool trains;
  bool has_seed;
  uint64_t seed;
  cudrop_prepared_t *block; /* NULL until something is drawn */
  uint64_t first_lane;      /* 0 to 7: where in its group the first element is */
} dropout_t;

/* ---- What the node says ------------------------------------------------------------ */

static cudrop_status_t fail(const operator_call_t *call, const char *rule) {
  return engine_fail(call->engine, call->source, CUDROP_ERROR_INVALID_ARGUMENT, "%s",
                     rule);
}

/* Input k is left out or a parameter that is one number; `data` is where it lies. */
static bool read_number(const operator_call_t *call, int k, const void **data,
                        cudrop_dtype_t *dtype) {
  *data = NULL;
  if (operator_in(call, k) == NULL) return true;
  const network_value_t *source = operator_source(call, k);
  *data = source->data;
  *dtype = source->dtype;
  return source->kind == NETWORK_PARAMETER && source->elements == 1;
}

static cudrop_status_t read_ratio(const operator_call_t *call, dropout_t *dropout) {
  const void *data = NULL;
  cudrop_dtype_t dtype = CUDROP_F32;
  dropout->ratio = operator_attribute(call, "ratio", 0.5);
  if (!read_number(call, 1, &data, &dtype) ||
      (dtype != CUDROP_F32 && dtype != CUDROP_F64))
    return fail(call, "the ratio is no f32 or f64 parameter that is a number");
  if (data != NULL)
    dropout->ratio =
        dtype == CUDROP_F32 ? (double)*(const float *)data : *(const double *)data;
  if (dropout->ratio >= 0.0 && dropout->ratio < 1.0) return CUDROP_OK;
  return engine_fail(call->engine, call->source, CUDROP_ERROR_INVALID_ARGUMENT,
                     "ratio = %g is outside [0, 1)", dropout->ratio);
}

static cudrop_status_t read_training_mode(const operator_call_t *call,
                                          dropout_t *dropout) {
  const void *data = NULL;
  cudrop_dtype_t dtype = CUDROP_U8;
  if (!read_number(call, 2, &data, &dtype) || dtype != CUDROP_U8)
    return fail(call, "training_mode is no u8 parameter that is a number");
  dropout->trains = data != NULL && *(const uint8_t *)data != 0;
  return CUDROP_OK;
}

static cudrop_status_t read_seed(const operator_call_t *call, dropout_t *dropout) {
  const double seed = operator_attribute(call, "seed", -1.0);
  dropout->has_seed = seed != -1.0;
  if (!dropout->has_seed) return CUDROP_OK;
  if (!(seed >= 0.0 && seed <= 0x1p53 && floor(seed) == seed))
    return fail(call, "the seed is no whole number from 0 to 2^53");
  dropout->seed = (uint64_t)seed;
  return CUDROP_OK;
}

static cudrop_status_t infer_shape(const operator_call_t *call) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                          CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
  const engine_value_t *x = operator_in(call, 0);
  dropout_t dropout = {.ratio = 0.0};
  TRY(operator_want_rows(call, 0));
  TRY(operator_want_dtype(call, dtypes, 6));
  TRY(read_ratio(call, &dropout));
  TRY(read_training_mode(call, &dropout));
  TRY(read_seed(call, &dropout));
  for (int k = 0; k < call->source->outputs; ++k)
    operator_shape_like(call, k, x, x->rank);
  if (operator_out(call, 1) != NULL) operator_out(call, 1)->dtype = CUDROP_U8;
  dropout_t *state = malloc(sizeof *state);
  if (state == NULL)
    return engine_fail(call->engine, call->source, CUDROP_ERROR_OUT_OF_MEMORY,
                       "no memory for it");
  *state = dropout;
  call->node->state = state;
  return CUDROP_OK;
}

static cudrop_status_t destroy(const operator_call_t *call) {
  dropout_t *dropout = call->node->state;
  if (dropout == NULL) return CUDROP_OK;
  const cudrop_status_t status =
      cudrop_prepared_destroy(call->engine->context, &dropout->block);
  free(dropout);
  call->node->state = NULL;
  return status;
}

/* ---- NumPy's masks ----------------------------------------------------------------- */

/* numpy.random.uniform(): 53 bits of two draws, in [0, 1). */
static double draw_uniform(mersenne_t *mersenne) {
  const uint32_t a = mersenne_draw(mersenne) >> 5;
  const uint32_t b = mersenne_draw(mersenne) >> 6;
  return (a * 0x1p26 + b) * 0x1p-53;
}

static bool draws_as_numpy(const operator_call_t *call) {
  const dropout_t *dropout = call->node->state;
  const engine_setup_t *setup = &call->engine->setup;
  return dropout->trains && setup->samples == 0 && setup->masks == ENGINE_NUMPY;
}

static size_t count_elements(const operator_call_t *call) {
  return (size_t)call->engine->setup.rows * (size_t)operator_in(call, 0)->elements;
}

static size_t find_workspace(const operator_call_t *call) {
  const bool needs_one = draws_as_numpy(call) && operator_out(call, 1) == NULL;
  return needs_one ? count_elements(call) : 0;
}

/* The mask is an output, or else in the workspace. */
static void *find_drawn(const operator_call_t *call) {
  const engine_value_t *mask = operator_out(call, 1);
  return mask != NULL ? mask->data : call->node->workspace;
}

static cudrop_status_t draw_as_numpy(const operator_call_t *call) {
  const dropout_t *dropout = call->node->state;
  const uint64_t seed = dropout->has_seed ? dropout->seed : call->engine->setup.seed;
  const size_t n = count_elements(call);
  if (seed > UINT32_MAX) return fail(call, "NumPy's seeds have 32 bits");
  uint8_t *keep = malloc(n);
  if (keep == NULL)
    return engine_fail(call->engine, call->source, CUDROP_ERROR_OUT_OF_MEMORY,
                       "no memory for a mask");
  mersenne_t mersenne;
  mersenne_seed(&mersenne, (uint32_t)seed);
  for (size_t k = 0; k < n; ++k) keep[k] = draw_uniform(&mersenne) >= dropout->ratio;
  const cudrop_status_t status =
      cudrop_upload(call->engine->context, find_drawn(call), keep, n);
  free(keep);
  return status;
}

/* ---- cudrop's ---------------------------------------------------------------------- */

/* No index of a sample may reach into the next one's. */
static cudrop_status_t check_indices(const operator_call_t *call) {
  const engine_setup_t *setup = &call->engine->setup;
  const uint64_t elements = (uint64_t)operator_in(call, 0)->elements;
  const uint64_t rows = ((uint64_t)1 << SAMPLE_SHIFT) / elements;
  const uint64_t samples = (uint64_t)1 << SAMPLE_BITS;
  if ((uint64_t)setup->rows <= rows && setup->first_row <= rows - (uint64_t)setup->rows &&
      (uint64_t)setup->samples <= samples &&
      setup->first_sample <= samples - (uint64_t)setup->samples)
    return CUDROP_OK;
  return engine_fail(call->engine, call->source, CUDROP_ERROR_OVERFLOW,
                     "masks are for %llu samples of %llu rows at most",
                     (unsigned long long)samples, (unsigned long long)rows);
}

static bool draws(const operator_call_t *call) {
  const dropout_t *dropout = call->node->state;
  return call->engine->setup.samples > 0 || dropout->trains;
}

/* Write to *mask the seed, offset, ratio and index base of the setup. */
static cudrop_status_t find_mask(const operator_call_t *call, cudrop_mask_t *mask) {
  const dropout_t *dropout = call->node->state;
  const engine_setup_t *setup = &call->engine->setup;
  const uint64_t seed = dropout->has_seed ? dropout->seed : setup->seed;
  const uint64_t site = (uint64_t)call->node->site;
  const uint64_t elements = (uint64_t)operator_in(call, 0)->elements;
  uint64_t offset = 0;
  if (setup->samples > 0) {
    *mask = cudrop_mask(cudrop_child_seed(seed, STREAM_SAMPLES), site, dropout->ratio);
    mask->index_base =
        (setup->first_sample << SAMPLE_SHIFT) + setup->first_row * elements;
    return CUDROP_OK;
  }
  TRY(cudrop_offset(setup->draw, 1, 0, (uint64_t)call->engine->sites, site, &offset));
  *mask = cudrop_mask(cudrop_child_seed(seed, STREAM_TRAINING), offset, dropout->ratio);
  return CUDROP_OK;
}

/* Write the setup's mask to the block. Only a run that is recorded anew has another first_lane. */
static cudrop_status_t write_block(const operator_call_t *call) {
  dropout_t *dropout = call->node->state;
  cudrop_context_t *context = call->engine->context;
  cudrop_mask_t mask;
  TRY(find_mask(call, &mask));
  const uint64_t lane = mask.index_base % CUDROP_MASK_LANES;
  if (lane != dropout->first_lane) call->engine->is_recorded = false;
  dropout->first_lane = lane;
  mask.index_base -= lane;
  return dropout->block == NULL ? cudrop_prepared_create(context, &mask, &dropout->block)
                                : cudrop_prepare(context, &mask, dropout->block);
}

static cudrop_status_t prepare(const operator_call_t *call) {
  if (draws_as_numpy(call)) return draw_as_numpy(call);
  if (call->engine->setup.samples > 0) TRY(check_indices(call));
  return draws(call) ? write_block(call) : CUDROP_OK;
}

/* The mask of a run: the block's, with the index map of samples. */
static cudrop_mask_t make_mask(const operator_call_t *call) {
  const dropout_t *dropout = call->node->state;
  const int64_t elements = operator_in(call, 0)->elements;
  if (!draws(call)) return cudrop_mask(0, 0, 0.0); /* which copies */
  cudrop_mask_t mask = cudrop_prepared_mask(dropout->block, 0);
  if (call->engine->setup.samples == 0) return mask;
  mask.index_base = dropout->first_lane;
  mask.index_rank = 3;
  mask.index_stride[0] = (int64_t)1 << SAMPLE_SHIFT;
  mask.index_stride[1] = elements;
  mask.index_stride[2] = 1;
  return mask;
}

static cudrop_status_t run(const operator_call_t *call) {
  const dropout_t *dropout = call->node->state;
  cudrop_context_t *context = call->engine->context;
  const cudrop_tensor_t y = operator_tensor(call, operator_out(call, 0));
  cudrop_tensor_t x = operator_tensor(call, operator_in(call, 0));
  x.shape[0] = y.shape[0];
  if (!operator_in(call, 0)->is_sampled) x.stride[0] = 0;
  cudrop_tensor_t keep = y;
  keep.dtype = CUDROP_U8;
  if (draws_as_numpy(call)) {
    keep.data = find_drawn(call);
    return cudrop_apply_bytes(context, &x, &keep, dropout->ratio, &y);
  }
  const cudrop_mask_t mask = make_mask(call);
  TRY(cudrop_forward(context, &x, &mask, &y));
  if (operator_out(call, 1) == NULL) return CUDROP_OK;
  keep.data = operator_out(call, 1)->data;
  return cudrop_export_bytes(context, &mask, &keep);
}

const operator_table_t operator_dropout = {
    .name = "Dropout",
    .least_inputs = 1,
    .most_inputs = 3,
    .most_outputs = 2,
    .samples = OPERATOR_BEGINS,
    .attribute = {"ratio", "seed"},
    .infer_shape = infer_shape,
    .find_workspace = find_workspace,
    .prepare = prepare,
    .run = run,
    .destroy = destroy,
};
