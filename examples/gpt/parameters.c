/* parameters.c - the list of tensors, and what they begin with. */
#include "parameters.h"

#include <math.h>
#include <string.h>

#include "cudrop/mask.h"

int gpt_parameter_number(const gpt_config_t *config, gpt_kind_t kind, int layer) {
  if (kind < GPT_NORM1_GAMMA) return (int)kind;
  if (kind < GPT_FINAL_GAMMA) return (int)kind + GPT_BLOCK_KINDS * layer;
  return (int)kind + GPT_BLOCK_KINDS * (config->layers - 1);
}

static gpt_kind_t find_kind(const gpt_config_t *config, int number) {
  const int behind = number - GPT_FRONT_KINDS - GPT_BLOCK_KINDS * config->layers;
  if (number < GPT_FRONT_KINDS) return (gpt_kind_t)number;
  if (behind >= 0) return (gpt_kind_t)(GPT_FINAL_GAMMA + behind);
  return (gpt_kind_t)(GPT_FRONT_KINDS + (number - GPT_FRONT_KINDS) % GPT_BLOCK_KINDS);
}

static gpt_parameter_t describe(const gpt_config_t *config, const parallel_t *parallel,
                                gpt_kind_t kind) {
  const int64_t V = config->vocabulary, T = config->length, C = config->width;
  const gpt_parameter_t parameters[GPT_KINDS] = {
#define GPT_PARAMETER_ROW(name, where, outer_size, split_size, inner_size, splits, with) \
  [GPT_##name] = {.outer = (outer_size),                                                 \
                  .split = (split_size),                                                 \
                  .inner = (inner_size),                                                 \
                  .is_split = (splits),                                                  \
                  .begin = GPT_##with},
      GPT_PARAMETER_LIST(GPT_PARAMETER_ROW)
#undef GPT_PARAMETER_ROW
  };
  gpt_parameter_t of = parameters[kind];
  of.is_split = of.is_split && parallel->split == PARALLEL_TENSOR;
  of.part = of.is_split ? of.split / parallel->ranks : of.split;
  of.start = of.is_split ? of.part * parallel->rank : 0;
  of.number = (size_t)(of.outer * of.part * of.inner);
  of.whole = (size_t)(of.outer * of.split * of.inner);
  return of;
}

size_t gpt_parameter_list(const gpt_config_t *config, const parallel_t *parallel,
                          gpt_parameter_t *list) {
  size_t first = 0;
  for (int number = 0; number < gpt_parameter_count(config); ++number) {
    list[number] = describe(config, parallel, find_kind(config, number));
    list[number].first = first;
    first += list[number].number;
  }
  return first;
}

size_t gpt_parameter_total(const gpt_config_t *config) {
  const parallel_t alone = parallel_alone();
  size_t total = 0;
  for (int number = 0; number < gpt_parameter_count(config); ++number)
    total += describe(config, &alone, find_kind(config, number)).whole;
  return total;
}

/* Numbers uniform in [-1, 1) have the variance 1/3. */
static double find_bound(const gpt_config_t *config, gpt_begin_t begin) {
  const double bound = 0.02 * sqrt(3.0);
  return begin == GPT_RANDOM_SHORTCUT ? bound / sqrt(2.0 * config->layers) : bound;
}

void gpt_parameter_draw(const gpt_config_t *config, const gpt_parameter_t *parameter,
                        int number, uint64_t seed, float *whole) {
  const double bound = find_bound(config, parameter->begin);
  const cudrop_philox_key_t key = cudrop_philox_key(seed);
  for (size_t i = 0; i < parameter->whole; i += 4) {
    const cudrop_philox_block_t counter = {
        {(uint32_t)i, (uint32_t)(i >> 32), (uint32_t)number, 0}};
    const cudrop_philox_block_t block = cudrop_philox(counter, key);
    for (size_t k = 0; k < 4 && i + k < parameter->whole; ++k)
      whole[i + k] = (float)(bound * (block.word[k] * 0x1p-31 - 1.0));
  }
  if (parameter->begin == GPT_ZEROS || parameter->begin == GPT_ONES)
    for (size_t i = 0; i < parameter->whole; ++i)
      whole[i] = parameter->begin == GPT_ONES ? 1.0f : 0.0f;
}

void gpt_parameter_cut(const gpt_parameter_t *parameter, const float *whole,
                       float *part) {
  const size_t run = (size_t)(parameter->part * parameter->inner);
  const size_t stride = (size_t)(parameter->split * parameter->inner);
  whole += parameter->start * parameter->inner;
  for (size_t k = 0; k < (size_t)parameter->outer; ++k)
    memcpy(part + k * run, whole + k * stride, run * sizeof *part);
}

void gpt_parameter_paste(const gpt_parameter_t *parameter, const float *part,
                         float *whole) {
  const size_t run = (size_t)(parameter->part * parameter->inner);
  const size_t stride = (size_t)(parameter->split * parameter->inner);
  whole += parameter->start * parameter->inner;
  for (size_t k = 0; k < (size_t)parameter->outer; ++k)
    memcpy(whole + k * stride, part + k * run, run * sizeof *part);
}
