/* engine_element.h - what both engines compute for one element: one text for C and for CUDA. */
#ifndef ENGINE_ELEMENT_H
#define ENGINE_ELEMENT_H

#include <math.h>
#include <string.h>

#include "engine.h"

#if defined(__CUDACC__)
#define ENGINE_ELEMENT static __host__ __device__ inline
#else
#define ENGINE_ELEMENT static inline
#endif

/* ---- BF16, the upper half of a float ------------------------------------------------ */

ENGINE_ELEMENT float engine_widen(uint16_t narrow) {
  const uint32_t bits = (uint32_t)narrow << 16;
  float value = 0.0f;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* To nearest even. A NaN, of which a training does not come back, may become infinite. */
ENGINE_ELEMENT uint16_t engine_round(float value) {
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

ENGINE_ELEMENT float engine_load(const void *data, cudrop_dtype_t dtype, int64_t i) {
  return dtype == CUDROP_F32 ? ((const float *)data)[i]
                             : engine_widen(((const uint16_t *)data)[i]);
}

ENGINE_ELEMENT void engine_store(void *data, cudrop_dtype_t dtype, int64_t i,
                                 float value) {
  if (dtype == CUDROP_F32) {
    ((float *)data)[i] = value;
  } else {
    ((uint16_t *)data)[i] = engine_round(value);
  }
}

/* ---- The loss ----------------------------------------------------------------------- */

/* From a row's largest logit and its sum of exp(logit - largest). */
ENGINE_ELEMENT float engine_loss(float target_logit, float largest, double sum) {
  return (float)(log(sum) - (double)(target_logit - largest));
}

ENGINE_ELEMENT float engine_loss_gradient(float logit, float largest, double sum,
                                          bool is_target, float scale) {
  const float probability = expf(logit - largest) * (float)(1.0 / sum);
  return (probability - (is_target ? 1.0f : 0.0f)) * scale;
}

/* ---- AdamW -------------------------------------------------------------------------- */

ENGINE_ELEMENT float engine_step(const engine_adamw_t *step, float g, float *mean,
                                 float *square, float w) {
  *mean = *mean + step->take_mean * (g - *mean);
  *square = *square + step->take_square * (g * g - *square);
  return w - w * step->decay -
         step->scale * *mean / (sqrtf(*square) * step->unbias + step->epsilon);
}

#endif /* ENGINE_ELEMENT_H */
