/* gpt.c - the network's memory, and its states. */
#define _GNU_SOURCE /* clock_gettime */
#include "gpt.h"

#include <stdlib.h>
#include <string.h>

#include "attention.h"
#include "sites.h"

/* ---- Memory of the context ---------------------------------------------------------- */

static void *take_rows(gpt_t *gpt, arena_t *arena, arena_purpose_t purpose,
                       int64_t cols) {
  return arena_take(
      arena, purpose,
      (size_t)(gpt->shape.tokens * cols) * cudrop_dtype_bytes(gpt->config.dtype));
}

/* NULL with fused attention, which has none. */
static void *take_scores(gpt_t *gpt, arena_t *arena, arena_purpose_t purpose) {
  if (gpt->config.attention == GPT_ATTENTION_FUSED) return NULL;
  return take_rows(gpt, arena, purpose, gpt->shape.heads * gpt->config.length);
}

static float *take_lse(gpt_t *gpt, arena_t *arena) {
  const int64_t queries = gpt->shape.tokens * gpt->shape.heads;
  if (gpt->config.attention != GPT_ATTENTION_FUSED) return NULL;
  return arena_take(arena, ARENA_WEIGHTS, (size_t)queries * sizeof(float));
}

static void place_trained(gpt_t *gpt, arena_t *arena) {
  float **const arrays[] = {&gpt->parameter, &gpt->gradient, &gpt->mean, &gpt->square};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; ++k)
    *arrays[k] = arena_take(arena, ARENA_TRAINED, gpt->parameters * sizeof(float));
  if (gpt->config.dtype == CUDROP_BF16)
    gpt->narrow = arena_take(arena, ARENA_TRAINED, gpt->parameters * sizeof *gpt->narrow);
}

static void place_activations(gpt_t *gpt, arena_t *arena) {
  const size_t floats = (size_t)gpt->shape.tokens * sizeof(float);
  for (int k = 0; k <= 2 * gpt->config.layers; ++k) {
    gpt_norm_t *norm = &gpt->norm[k];
    norm->h = take_rows(gpt, arena, ARENA_ACTIVATIONS, gpt->config.width);
    norm->y = take_rows(gpt, arena, ARENA_ACTIVATIONS, gpt->config.width);
    norm->mean = arena_take(arena, ARENA_ACTIVATIONS, floats);
    norm->rstd = arena_take(arena, ARENA_ACTIVATIONS, floats);
  }
  for (int l = 0; l < gpt->config.layers; ++l) {
    gpt_block_t *block = &gpt->block[l];
    block->qkv = take_rows(gpt, arena, ARENA_ACTIVATIONS, 3 * gpt->shape.inner);
    block->weights = take_scores(gpt, arena, ARENA_WEIGHTS);
    block->lse = take_lse(gpt, arena);
    block->attended = take_rows(gpt, arena, ARENA_ACTIVATIONS, gpt->shape.inner);
    block->hidden = take_rows(gpt, arena, ARENA_ACTIVATIONS, gpt->shape.hidden);
    block->active = take_rows(gpt, arena, ARENA_ACTIVATIONS, gpt->shape.hidden);
  }
  gpt->device_ids = arena_take(arena, ARENA_ACTIVATIONS, floats);
  gpt->device_targets = arena_take(arena, ARENA_ACTIVATIONS, floats);
  gpt->device_loss = arena_take(arena, ARENA_ACTIVATIONS, floats);
  gpt->logits = take_rows(gpt, arena, ARENA_ACTIVATIONS, gpt->config.vocabulary);
}

static void place_masks(gpt_t *gpt, arena_t *arena) {
  if (gpt->config.way != GPT_BYTES && gpt->config.way != GPT_BITS) return;
  for (int site = 0; site < gpt_sites(&gpt->config); ++site) {
    const gpt_masked_t masked = gpt_masked(&gpt->config, &gpt->parallel, site);
    size_t n = 1;
    for (int d = 0; d < masked.rank; ++d) n *= (size_t)masked.part[d];
    gpt->keep[site] =
        arena_take(arena, ARENA_MASKS, gpt->config.way == GPT_BITS ? (n + 7) / 8 : n);
  }
}

/* Of the sites, or of fused attention. */
static cudrop_status_t find_workspace(const gpt_t *gpt, size_t *bytes) {
  const gpt_shape_t *shape = &gpt->shape;
  size_t attention = 0;
  TRY(gpt_sites_workspace(gpt, bytes));
  if (gpt->config.attention != GPT_ATTENTION_FUSED) return CUDROP_OK;
  TRY(cudrop_attend_backward_workspace(shape->tokens * shape->heads, shape->head_width,
                                       &attention));
  if (attention > *bytes) *bytes = attention;
  return CUDROP_OK;
}

static cudrop_status_t place_scratch(gpt_t *gpt, arena_t *arena) {
  const gpt_shape_t *shape = &gpt->shape;
  const int64_t qkv = 3 * shape->inner;
  gpt_scratch_t *scratch = &gpt->scratch;
  scratch->dropped = take_scores(gpt, arena, ARENA_SCRATCH);
  scratch->wide =
      take_rows(gpt, arena, ARENA_SCRATCH, shape->hidden > qkv ? shape->hidden : qkv);
  scratch->x = take_rows(gpt, arena, ARENA_SCRATCH, gpt->config.width);
  scratch->dy = take_rows(gpt, arena, ARENA_SCRATCH, gpt->config.width);
  scratch->dh = take_rows(gpt, arena, ARENA_SCRATCH, gpt->config.width);
  TRY(find_workspace(gpt, &scratch->workspace_bytes));
  scratch->workspace = arena_take(arena, ARENA_SCRATCH, scratch->workspace_bytes);
  return CUDROP_OK;
}

static cudrop_status_t place_all(gpt_t *gpt, arena_t *arena) {
  place_trained(gpt, arena);
  place_activations(gpt, arena);
  place_masks(gpt, arena);
  TRY(place_scratch(gpt, arena));
  memcpy(gpt->bytes, arena->bytes, sizeof gpt->bytes);
  return CUDROP_OK;
}

static cudrop_status_t allocate_arena(gpt_t *gpt) {
  arena_t arena = {.base = NULL};
  TRY(place_all(gpt, &arena));
  TRY(cudrop_alloc(gpt->context, arena.used, &gpt->memory));
  arena = (arena_t){.base = gpt->memory};
  return place_all(gpt, &arena);
}

/* ---- Memory of the host ------------------------------------------------------------- */

static void free_lists(gpt_t *gpt) {
  free(gpt->list);
  free(gpt->norm);
  free(gpt->block);
  free(gpt->keep);
}

/* The lists that the arena is dealt out to. */
static bool allocate_lists(gpt_t *gpt) {
  const size_t layers = (size_t)gpt->config.layers;
  gpt->list = calloc((size_t)gpt_parameter_count(&gpt->config), sizeof *gpt->list);
  gpt->norm = calloc(2 * layers + 1, sizeof *gpt->norm);
  gpt->block = calloc(layers, sizeof *gpt->block);
  gpt->keep = calloc((size_t)gpt_sites(&gpt->config), sizeof *gpt->keep);
  if (gpt->list == NULL || gpt->norm == NULL || gpt->block == NULL || gpt->keep == NULL)
    return false;
  gpt->parameters = gpt_parameter_list(&gpt->config, &gpt->parallel, gpt->list);
  return true;
}

static bool allocate_staging(gpt_t *gpt) {
  const size_t tokens = (size_t)gpt->shape.tokens;
  size_t whole = 1, part = 1;
  for (int k = 0; k < gpt_parameter_count(&gpt->config); ++k) {
    const gpt_parameter_t *of = &gpt->list[k];
    if (of->whole > whole) whole = of->whole;
    if (of->is_split && of->number > part) part = of->number;
  }
  gpt->ids = calloc(2 * tokens, sizeof *gpt->ids);
  gpt->loss = calloc(tokens, sizeof *gpt->loss);
  gpt->whole = calloc(whole, sizeof *gpt->whole);
  gpt->part = calloc(part, sizeof *gpt->part);
  if (gpt->ids != NULL) gpt->targets = gpt->ids + tokens;
  return gpt->ids != NULL && gpt->loss != NULL && gpt->whole != NULL && gpt->part != NULL;
}

static cudrop_status_t say_no_memory(gpt_t *gpt) {
  return failure_say(&gpt->engine.failure, CUDROP_ERROR_OUT_OF_MEMORY,
                     "no memory for the network");
}

static gpt_t describe(const gpt_config_t *config, const parallel_t *parallel) {
  return (gpt_t){
      .config = *config,
      .parallel = *parallel,
      .shape = gpt_shape(config, parallel),
      .sites = config->way == GPT_FUSED ? &gpt_sites_fused : &gpt_sites_separate,
      .attention = config->attention == GPT_ATTENTION_FUSED ? &gpt_attention_fused
                                                            : &gpt_attention_separate,
  };
}

cudrop_status_t gpt_count_memory(const gpt_config_t *config, const parallel_t *parallel,
                                 size_t bytes[ARENA_PURPOSES]) {
  gpt_t gpt = describe(config, parallel);
  arena_t arena = {.base = NULL};
  cudrop_status_t status = CUDROP_ERROR_OUT_OF_MEMORY;
  if (allocate_lists(&gpt)) status = place_all(&gpt, &arena);
  memcpy(bytes, arena.bytes, sizeof arena.bytes);
  free_lists(&gpt);
  return status;
}

cudrop_status_t gpt_open(gpt_t *gpt, cudrop_context_t *context,
                         const gpt_config_t *config, const parallel_t *parallel) {
  *gpt = describe(config, parallel);
  gpt->context = context;
  TRY(engine_open(&gpt->engine, context));
  if (!allocate_lists(gpt) || !allocate_staging(gpt)) return say_no_memory(gpt);
  return allocate_arena(gpt);
}

cudrop_status_t gpt_close(gpt_t *gpt) {
  free_lists(gpt);
  free(gpt->ids);
  free(gpt->loss);
  free(gpt->whole);
  free(gpt->part);
  const cudrop_status_t closed = engine_close(&gpt->engine);
  const cudrop_status_t freed =
      gpt->memory == NULL ? CUDROP_OK : cudrop_free(gpt->context, &gpt->memory);
  return closed != CUDROP_OK ? closed : freed;
}

const char *gpt_error(const gpt_t *gpt) {
  return failure_words(&gpt->engine.failure);
}
