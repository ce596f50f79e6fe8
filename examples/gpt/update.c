/* update.c - a step of AdamW. */
#include <math.h>

#include "gpt.h"

cudrop_status_t gpt_update(gpt_t *gpt, uint64_t step, double rate, double decay) {
  const double keep_mean = 0.9, keep_square = 0.999;
  const double t = (double)step + 1.0;
  const engine_adamw_t adamw = {
      .take_mean = (float)(1.0 - keep_mean),
      .take_square = (float)(1.0 - keep_square),
      .decay = (float)(rate * decay),
      .scale = (float)(rate / (1.0 - pow(keep_mean, t))),
      .unbias = (float)(1.0 / sqrt(1.0 - pow(keep_square, t))),
      .epsilon = 1e-8f,
  };
  const engine_trained_t trained = {
      .n = gpt->parameters,
      .gradient = gpt->gradient,
      .mean = gpt->mean,
      .square = gpt->square,
      .parameter = gpt->parameter,
      .narrow = gpt->narrow,
  };
  TRY(gpt->engine.table->update(&gpt->engine, &adamw, &trained));
  return gpt_lap(gpt, GPT_LAP_REST);
}
