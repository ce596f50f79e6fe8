/* mlp_init.c - the network's memory, and the numbers that it begins with. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "mlp.h"

/* ---- Memory ----------------------------------------------------------------------- */

static size_t count_weights(const mlp_t *mlp, int l) {
  return (size_t)mlp->width[l] * (size_t)mlp->width[l + 1];
}

static void place_layers(const mlp_t *mlp, mlp_layer_t *layer, real_t *memory) {
  for (int l = 0; l < MLP_LAYERS; ++l) {
    layer[l].weight = memory;
    layer[l].bias = memory + count_weights(mlp, l);
    memory = layer[l].bias + mlp->width[l + 1];
  }
}

/* Every array begins at a multiple of 64 elements, where accesses are fast. */
static size_t pad(size_t elements) {
  return (elements + 63) / 64 * 64;
}

static real_t *take(real_t **memory, size_t elements) {
  real_t *taken = *memory;
  *memory += pad(elements);
  return taken;
}

static size_t count_bytes(const mlp_t *mlp) {
  size_t elements = 4 * pad(mlp->parameters) + pad(mlp_units(mlp, 0, mlp->batch));
  for (int l = 1; l <= MLP_LAYERS; ++l)
    elements += 2 * pad(mlp_units(mlp, l, mlp->batch));
  return elements * sizeof(real_t) + (size_t)mlp->batch * sizeof *mlp->label;
}

static void place_arrays(mlp_t *mlp, real_t *memory) {
  mlp->parameter = take(&memory, mlp->parameters);
  mlp->gradient = take(&memory, mlp->parameters);
  mlp->mean = take(&memory, mlp->parameters);
  mlp->square = take(&memory, mlp->parameters);
  place_layers(mlp, mlp->layer, mlp->parameter);
  place_layers(mlp, mlp->d_layer, mlp->gradient);
  for (int l = 0; l <= MLP_LAYERS; ++l) {
    const size_t units = mlp_units(mlp, l, mlp->batch);
    mlp->activation[l] = take(&memory, units);
    if (l > 0) mlp->d_activation[l] = take(&memory, units);
  }
  mlp->label = (uint8_t *)memory;
}

cudrop_status_t mlp_init(mlp_t *mlp, cudrop_context_t *context,
                         const int width[MLP_LAYERS + 1], int batch) {
  *mlp = (mlp_t){.context = context, .batch = batch};
  memcpy(mlp->width, width, sizeof mlp->width);
  for (int l = 0; l < MLP_LAYERS; ++l)
    mlp->parameters += count_weights(mlp, l) + (size_t)width[l + 1];

  const size_t inputs = mlp_units(mlp, 0, batch);
  const size_t logits = mlp_units(mlp, MLP_LAYERS, batch);
  mlp->input = calloc(inputs + logits + mlp->parameters, sizeof(real_t));
  if (mlp->input == NULL)
    return failure_say(&mlp->maths.failure, CUDROP_ERROR_OUT_OF_MEMORY,
                       "no memory for the network");
  mlp->logits = mlp->input + inputs;
  mlp->staged = mlp->logits + logits;

  void *memory = NULL;
  TRY(maths_open(&mlp->maths, context));
  TRY(cudrop_alloc(context, count_bytes(mlp), &memory));
  place_arrays(mlp, memory);
  return CUDROP_OK;
}

cudrop_status_t mlp_free(mlp_t *mlp) {
  void *memory = mlp->parameter;
  free(mlp->input);
  mlp->input = NULL;
  mlp->parameter = NULL;
  const cudrop_status_t closed = maths_close(&mlp->maths);
  const cudrop_status_t freed =
      memory == NULL ? CUDROP_OK : cudrop_free(mlp->context, &memory);
  return closed != CUDROP_OK ? closed : freed;
}

const char *mlp_error(const mlp_t *mlp) {
  return failure_words(&mlp->maths.failure);
}

/* ---- States ----------------------------------------------------------------------- */

enum { PARAMETER, MEAN, SQUARE };

static real_t *get_state(const mlp_t *mlp, int k) {
  real_t *const state[MLP_STATES] = {
      [PARAMETER] = mlp->parameter, [MEAN] = mlp->mean, [SQUARE] = mlp->square};
  return state[k];
}

static size_t count_state_bytes(const mlp_t *mlp) {
  return mlp->parameters * sizeof(real_t);
}

cudrop_status_t mlp_stage(mlp_t *mlp, int k) {
  return cudrop_download(mlp->context, mlp->staged, get_state(mlp, k),
                         count_state_bytes(mlp));
}

cudrop_status_t mlp_unstage(mlp_t *mlp, int k) {
  return cudrop_upload(mlp->context, get_state(mlp, k), mlp->staged,
                       count_state_bytes(mlp));
}

/* ---- The beginning of a run ------------------------------------------------------- */

static void draw_weights(const mlp_t *mlp, cudrop_philox_key_t key) {
  for (int l = 0; l < MLP_LAYERS; ++l) {
    /* Numbers uniform in [-1, 1) have the variance 1/3. */
    const double bound = sqrt(6.0 / mlp->width[l]);
    const size_t weights = count_weights(mlp, l);
    real_t *weight = mlp->staged + (mlp->layer[l].weight - mlp->parameter);
    for (size_t i = 0; i < weights; ++i) {
      const cudrop_philox_block_t counter = {{(uint32_t)i, (uint32_t)l, 0, 0}};
      const double uniform = cudrop_philox(counter, key).word[0] * 0x1p-31 - 1.0;
      weight[i] = (real_t)(bound * uniform);
    }
  }
}

cudrop_status_t mlp_start(mlp_t *mlp, uint64_t seed, const double p[MLP_LAYERS]) {
  mlp_continue(mlp, seed, p);
  memset(mlp->staged, 0, count_state_bytes(mlp));
  TRY(mlp_unstage(mlp, MEAN));
  TRY(mlp_unstage(mlp, SQUARE));
  draw_weights(mlp, cudrop_philox_key(cudrop_child_seed(seed, MLP_STREAM_WEIGHTS)));
  return mlp_unstage(mlp, PARAMETER);
}

void mlp_continue(mlp_t *mlp, uint64_t seed, const double p[MLP_LAYERS]) {
  mlp->mask_seed = cudrop_child_seed(seed, MLP_STREAM_MASKS);
  mlp->sample_seed = cudrop_child_seed(seed, MLP_STREAM_SAMPLES);
  memcpy(mlp->p, p, sizeof mlp->p);
}
