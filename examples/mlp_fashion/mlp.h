/*
 * mlp.h - a three-layer ReLU network whose dropout stores no mask.
 *
 *   a[0] = drop(x)      a[l] = drop(relu(a[l-1] W[l-1] + b[l-1]))      logits = a[3]
 *
 * Dropout stands in front of every layer: site l is the input of layer l. Its mask is
 * the value (seed, cudrop_offset(step, 1, 0, 3, l), p[l]), made where it is used, in the
 * forward pass and in the backward pass. Sampling has another seed, and counts samples where
 * training counts steps.
 *
 * The network lies in the memory of a cudrop context, on the host or on a GPU; what is
 * computed there apart from dropout is in maths.h.
 *
 * The source is compiled for float, and for double (MLP_DOUBLE, on the host alone), where
 * finite differences are sharp enough to check every gradient.
 */
#ifndef MLP_H
#define MLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/cudrop.h"
#include "maths.h"

enum { MLP_LAYERS = 3 }; /* and as many sites of dropout */
enum { MLP_STATES = 3 }; /* the arrays that training changes */

/*
 * What draws random bits in a run. Each is a child of the run's seed, so that none of
 * them meets another's numbers.
 */
enum { MLP_STREAM_MASKS, MLP_STREAM_WEIGHTS, MLP_STREAM_SHUFFLES, MLP_STREAM_SAMPLES };

/* The affine map of a layer: weight[in][out] and bias[out]; or the gradients of both. */
typedef struct {
  real_t *weight;
  real_t *bias;
} mlp_layer_t;

typedef struct {
  cudrop_context_t *context; /* the caller's */
  maths_t maths;             /* of its backend */
  int width[MLP_LAYERS + 1]; /* the input, the hidden layers, the classes */
  int batch;                 /* the most images in one call */

  uint64_t mask_seed;   /* of training */
  uint64_t sample_seed; /* of mlp_sample() */
  double p[MLP_LAYERS]; /* the probability to drop at each site */

  /* In host memory, for the caller to write and to read. */
  real_t *input;  /* [batch][width[0]]; the start of the one allocation there */
  real_t *logits; /* [batch][classes], of the last mlp_fetch() */
  real_t *staged; /* [parameters], what is uploaded or has been downloaded */

  /* In the context's memory, like all that follows. */
  size_t parameters; /* how many; each of the four arrays has so many elements */
  real_t *parameter; /* all weights and biases; the start of the one allocation there */
  real_t *gradient;  /* of the mean loss of a batch */
  real_t *mean;      /* Adam's running mean of the gradient */
  real_t *square;    /* and of its square */
  mlp_layer_t layer[MLP_LAYERS];   /* views of `parameter` */
  mlp_layer_t d_layer[MLP_LAYERS]; /* views of `gradient` */

  real_t *activation[MLP_LAYERS + 1];   /* [batch][width[l]] */
  real_t *d_activation[MLP_LAYERS + 1]; /* the gradients; [0] is NULL, nobody needs it */
  uint8_t *label;                       /* [batch] */
} mlp_t;

/* The elements of n rows of activation[l]. */
static inline size_t mlp_units(const mlp_t *mlp, int l, int n) {
  return (size_t)n * (size_t)mlp->width[l];
}

/*
 * Set up a network of these widths for calls of at most `batch` images, on a context. Only
 * this allocates. The weights are unspecified until mlp_start(). Give the network to
 * mlp_free() in any case, before the context is destroyed.
 *
 * This and every other call returns a status, and mlp_error() says what failed last.
 */
cudrop_status_t mlp_init(mlp_t *mlp, cudrop_context_t *context,
                         const int width[MLP_LAYERS + 1], int batch);
cudrop_status_t mlp_free(mlp_t *mlp);
const char *mlp_error(const mlp_t *mlp);

/*
 * Begin a run: weights uniform with variance 2 / in, biases and Adam's averages 0, and
 * the dropout rates of the sites. Source of the variance: K. He et al., "Delving deep
 * into rectifiers", 2015. The weights depend on `seed` alone.
 */
cudrop_status_t mlp_start(mlp_t *mlp, uint64_t seed, const double p[MLP_LAYERS]);

/* Go on with a run that mlp_start() has begun, with the parameters that there are. */
void mlp_continue(mlp_t *mlp, uint64_t seed, const double p[MLP_LAYERS]);

/*
 * What a run has come to, beside its step: parameter, mean and square are number k of
 * MLP_STATES. Bring one of them to `staged`, and from there back.
 */
cudrop_status_t mlp_stage(mlp_t *mlp, int k);
cudrop_status_t mlp_unstage(mlp_t *mlp, int k);

/*
 * From n images in `input` to their logits in activation[MLP_LAYERS]: for training, with
 * the dropout of step `step`; and for inference, without any.
 */
cudrop_status_t mlp_forward(mlp_t *mlp, int n, uint64_t step);
cudrop_status_t mlp_infer(mlp_t *mlp, int n);

/*
 * The same with the dropout of Monte-Carlo sample number `sample`, for the images first to
 * first + n - 1 of a set. What is dropped of an image follows from its number in the set and
 * from the sample, whatever the batch, and has nothing to do with what training drops.
 * Source: Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation", 2016.
 */
cudrop_status_t mlp_sample(mlp_t *mlp, int first, int n, uint64_t sample);

/* Bring the logits of the n images of the last pass to the host. */
cudrop_status_t mlp_fetch(mlp_t *mlp, int n);

/* What the logits say of one image. */
typedef struct {
  double loss;       /* -log of the probability of its label */
  double confidence; /* the probability of the likeliest class */
  bool is_correct;   /* that class is the label */
} mlp_judgement_t;

/* The judgement on image i of the last mlp_fetch(). */
mlp_judgement_t mlp_judge(const mlp_t *mlp, int i, uint8_t label);

/* Add the probabilities of image i of the last mlp_fetch() to sum[classes]. */
void mlp_add_softmax(const mlp_t *mlp, int i, double *sum);

/*
 * The gradient of the mean loss over the n images of the last mlp_forward(), which had
 * the same `step`. The labels lie in host memory.
 */
cudrop_status_t mlp_backward(mlp_t *mlp, const uint8_t *label, int n, uint64_t step);

/*
 * Adam's step number `step`, from 0, on the gradient g of every parameter w:
 *
 *   m = 0.9 m + 0.1 g        v = 0.999 v + 0.001 g^2
 *   w = w - 0.001 m' / (sqrt(v') + 1e-8)
 *
 * with m' = m / (1 - 0.9^(step+1)) and v' = v / (1 - 0.999^(step+1)). Source: D. Kingma,
 * J. Ba, "Adam: a method for stochastic optimization", 2015.
 */
cudrop_status_t mlp_update(mlp_t *mlp, uint64_t step);

#endif /* MLP_H */
