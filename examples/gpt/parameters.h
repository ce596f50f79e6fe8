/*
 * parameters.h - what is trained: which tensors there are, where they lie, and how they begin.
 *
 * All parameters are one array of floats; the tensors lie one after the other in it. With
 * PARALLEL_TENSOR a rank has a part of some tensors, [outer][split / ranks][inner] of
 * [outer][split][inner]; the rest it has whole, as every other rank has.
 */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/*
 * Name; part of the network; outer, split and inner size, of V ids, T positions and width C;
 * whether it is split; what it begins with. Weights are [in][out]; the columns of QKV are
 * [3][heads][head width].
 */
#define GPT_PARAMETER_LIST(X)                                         \
  X(TOKENS, FRONT, 1, V, C, false, RANDOM)                            \
  X(POSITIONS, FRONT, 1, T, C, false, RANDOM)                         \
  X(NORM1_GAMMA, BLOCK, 1, 1, C, false, ONES)                         \
  X(NORM1_BETA, BLOCK, 1, 1, C, false, ZEROS)                         \
  X(QKV_WEIGHT, BLOCK, 3 * C, C, 1, true, RANDOM)                     \
  X(QKV_BIAS, BLOCK, config->has_qkv_bias ? 3 : 0, C, 1, true, ZEROS) \
  X(PROJECTION_WEIGHT, BLOCK, 1, C, C, true, RANDOM_SHORTCUT)         \
  X(PROJECTION_BIAS, BLOCK, 1, 1, C, false, ZEROS)                    \
  X(NORM2_GAMMA, BLOCK, 1, 1, C, false, ONES)                         \
  X(NORM2_BETA, BLOCK, 1, 1, C, false, ZEROS)                         \
  X(HIDDEN_WEIGHT, BLOCK, C, 4 * C, 1, true, RANDOM)                  \
  X(HIDDEN_BIAS, BLOCK, 1, 4 * C, 1, true, ZEROS)                     \
  X(OUTPUT_WEIGHT, BLOCK, 1, 4 * C, C, true, RANDOM_SHORTCUT)         \
  X(OUTPUT_BIAS, BLOCK, 1, 1, C, false, ZEROS)                        \
  X(FINAL_GAMMA, BACK, 1, 1, C, false, ONES)                          \
  X(FINAL_BETA, BACK, 1, 1, C, false, ZEROS)                          \
  X(HEAD_WEIGHT, BACK, 1, C, V, false, RANDOM)

typedef enum {
#define GPT_PARAMETER_ENUM(name, part, outer, split, inner, is_split, begin) GPT_##name,
  GPT_PARAMETER_LIST(GPT_PARAMETER_ENUM)
#undef GPT_PARAMETER_ENUM
      GPT_KINDS
} gpt_kind_t;

enum {
  GPT_FRONT_KINDS = GPT_NORM1_GAMMA,
  GPT_BLOCK_KINDS = GPT_FINAL_GAMMA - GPT_NORM1_GAMMA,
  GPT_BACK_KINDS = GPT_KINDS - GPT_FINAL_GAMMA
};

typedef enum { GPT_ZEROS, GPT_ONES, GPT_RANDOM, GPT_RANDOM_SHORTCUT } gpt_begin_t;

typedef struct {
  size_t first;                /* its first element in the array of all */
  size_t number;               /* of elements here */
  size_t whole;                /* of elements on all ranks together */
  int64_t outer, split, inner; /* of the whole */
  int64_t start, part;         /* what of `split` is here */
  bool is_split;
  gpt_begin_t begin;
} gpt_parameter_t;

/* How many tensors a network has: number 0 to that, in the order in which they lie. */
static inline int gpt_parameter_count(const gpt_config_t *config) {
  return GPT_FRONT_KINDS + GPT_BLOCK_KINDS * config->layers + GPT_BACK_KINDS;
}

/* The number of a tensor; `layer` counts for those of blocks. */
int gpt_parameter_number(const gpt_config_t *config, gpt_kind_t kind, int layer);

/*
 * Write down the tensors, gpt_parameter_count() of them, and return how many elements a rank
 * has of all.
 */
size_t gpt_parameter_list(const gpt_config_t *config, const parallel_t *parallel,
                          gpt_parameter_t *list);

/* How many elements there are in all, whatever the ranks. */
size_t gpt_parameter_total(const gpt_config_t *config);

/*
 * Write the whole of tensor `number` as a run with this seed begins: weights and tables uniform
 * with a standard deviation of 0.02, and those in front of a shortcut of 0.02 / sqrt(2 layers),
 * biases 0, gammas 1. Source: A. Radford et al., "Language models are unsupervised multitask
 * learners", 2019, where they are normal.
 */
void gpt_parameter_draw(const gpt_config_t *config, const gpt_parameter_t *parameter,
                        int number, uint64_t seed, float *whole);

/* Between the whole of a tensor and this rank's part of it. */
void gpt_parameter_cut(const gpt_parameter_t *parameter, const float *whole, float *part);
void gpt_parameter_paste(const gpt_parameter_t *parameter, const float *part,
                         float *whole);

#endif /* PARAMETERS_H */
