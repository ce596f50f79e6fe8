/*
 * gpt_reference.h - the loss of a GPT in double, written down formula by formula, slowly, and
 * without a line of examples/gpt.
 */
#ifndef GPT_REFERENCE_H
#define GPT_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The parameters lie one after the other, in the order of examples/gpt/parameters.h. Site s drops
 * where keep[s] has a 0: [batch][length][width], or for attention weights
 * [batch][heads][length][length]; with keep NULL nothing is dropped.
 */
typedef struct {
  int vocabulary, length, width, heads, layers, batch;
  bool has_qkv_bias;
  double p[3];                  /* of the embedding, of attention weights, of shortcuts */
  const int32_t *ids, *targets; /* [batch][length] */
  const uint8_t *const *keep;
} gpt_reference_t;

/* The mean of -log of the targets' probabilities. */
double gpt_reference_loss(const gpt_reference_t *gpt, const double *parameter);

#endif /* GPT_REFERENCE_H */
