/* attention.c - embeddings, queries, keys, scores and their softmax. */
#include "attention.h"

#include <math.h>

#include "torch_rng.h"

enum { WORDS = ATTENTION_WORDS, INPUTS = 3, OUTPUTS = 2 };

static const double embedding[WORDS][INPUTS] = {
    {0.43, 0.15, 0.89}, /* Your */
    {0.55, 0.87, 0.66}, /* journey */
    {0.57, 0.85, 0.64}, /* starts */
    {0.22, 0.58, 0.33}, /* with */
    {0.77, 0.25, 0.10}, /* one */
    {0.05, 0.80, 0.55}, /* step */
};

/* y = x W^T of a torch.nn.Linear that is new: W is uniform within 1 / sqrt(INPUTS). */
static void project(mersenne_t *rng, double y[WORDS][OUTPUTS]) {
  const float bound = (float)(1.0 / sqrt(INPUTS));
  for (int j = 0; j < OUTPUTS; ++j) {
    for (int w = 0; w < WORDS; ++w) y[w][j] = 0.0;
    for (int k = 0; k < INPUTS; ++k) {
      const double weight = torch_rng_uniform(rng, -bound, bound);
      for (int w = 0; w < WORDS; ++w) y[w][j] += embedding[w][k] * weight;
    }
  }
}

void attention_weights(float weights[WORDS * WORDS]) {
  mersenne_t rng;
  double query[WORDS][OUTPUTS], key[WORDS][OUTPUTS];
  mersenne_seed(&rng, 789);
  project(&rng, query);
  project(&rng, key);
  for (int w = 0; w < WORDS; ++w) {
    double row[WORDS] = {0.0}, sum = 0.0;
    for (int v = 0; v <= w; ++v) { /* the others are exp(-infinity) = 0 */
      double score = 0.0;
      for (int j = 0; j < OUTPUTS; ++j) score += query[w][j] * key[v][j];
      row[v] = exp(score / sqrt(OUTPUTS));
      sum += row[v];
    }
    for (int v = 0; v < WORDS; ++v) weights[w * WORDS + v] = (float)(row[v] / sum);
  }
}
