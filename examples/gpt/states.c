/* states.c - what a run begins with, and has come to. */
#include <string.h>

#include "gpt.h"

enum { PARAMETER, MEAN, SQUARE };

static float *locate(const gpt_t *gpt, int state, int tensor) {
  float *const array[GPT_STATES] = {
      [PARAMETER] = gpt->parameter, [MEAN] = gpt->mean, [SQUARE] = gpt->square};
  return array[state] + gpt->list[tensor].first;
}

cudrop_status_t gpt_get_state(gpt_t *gpt, int state, int tensor) {
  const gpt_parameter_t *of = &gpt->list[tensor];
  float *here = of->is_split ? gpt->part : gpt->whole;
  TRY(cudrop_download(gpt->context, here, locate(gpt, state, tensor),
                      of->number * sizeof *here));
  if (!of->is_split) return CUDROP_OK;
  /* Bits are joined, and not numbers summed: -0 stays what it is. */
  memset(gpt->whole, 0, of->whole * sizeof *gpt->whole);
  gpt_parameter_paste(of, gpt->part, gpt->whole);
  parallel_join(&gpt->parallel, gpt->whole, of->whole);
  return CUDROP_OK;
}

cudrop_status_t gpt_put_state(gpt_t *gpt, int state, int tensor) {
  const gpt_parameter_t *of = &gpt->list[tensor];
  if (of->is_split) gpt_parameter_cut(of, gpt->whole, gpt->part);
  return cudrop_upload(gpt->context, locate(gpt, state, tensor),
                       of->is_split ? gpt->part : gpt->whole,
                       of->number * sizeof *gpt->whole);
}

cudrop_status_t gpt_finish_states(gpt_t *gpt) {
  const engine_trained_t trained = {
      .n = gpt->parameters, .parameter = gpt->parameter, .narrow = gpt->narrow};
  return gpt->engine.table->narrow(&gpt->engine, &trained);
}

static cudrop_status_t start_tensor(gpt_t *gpt, int tensor, uint64_t seed) {
  const gpt_parameter_t *of = &gpt->list[tensor];
  memset(gpt->whole, 0, of->whole * sizeof *gpt->whole);
  TRY(gpt_put_state(gpt, MEAN, tensor));
  TRY(gpt_put_state(gpt, SQUARE, tensor));
  gpt_parameter_draw(&gpt->config, of, tensor, seed, gpt->whole);
  return gpt_put_state(gpt, PARAMETER, tensor);
}

cudrop_status_t gpt_start(gpt_t *gpt, uint64_t seed) {
  gpt_continue(gpt, seed);
  for (int tensor = 0; tensor < gpt_parameter_count(&gpt->config); ++tensor)
    TRY(start_tensor(gpt, tensor, cudrop_child_seed(seed, GPT_STREAM_PARAMETERS)));
  return gpt_finish_states(gpt);
}

void gpt_continue(gpt_t *gpt, uint64_t seed) {
  gpt->mask_seed = cudrop_child_seed(seed, GPT_STREAM_MASKS);
}
