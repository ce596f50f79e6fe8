/* mlp.c - the network: its parameters, its two passes and Adam. */
#include "mlp.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "cudrop/mask.h"

#if defined(MLP_DOUBLE)
#define MLP_DTYPE CUDROP_F64
#define MLP_GEMM cblas_dgemm
#else
#define MLP_DTYPE CUDROP_F32
#define MLP_GEMM cblas_sgemm
#endif

/* ---- Parameters ------------------------------------------------------------------- */

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

bool mlp_init(mlp_t *mlp, cudrop_context_t *context, const int width[MLP_LAYERS + 1],
              int batch) {
  *mlp = (mlp_t){.context = context, .batch = batch};
  memcpy(mlp->width, width, sizeof mlp->width);
  size_t units = 0;
  for (int l = 0; l <= MLP_LAYERS; ++l) units += (size_t)width[l];
  for (int l = 0; l < MLP_LAYERS; ++l)
    mlp->parameters += count_weights(mlp, l) + (size_t)width[l + 1];

  const size_t elements =
      4 * mlp->parameters + (size_t)batch * (2 * units - (size_t)width[0]);
  mlp->parameter = calloc(elements, sizeof(real_t));
  if (mlp->parameter == NULL) return false;
  mlp->gradient = mlp->parameter + mlp->parameters;
  mlp->mean = mlp->gradient + mlp->parameters;
  mlp->square = mlp->mean + mlp->parameters;
  place_layers(mlp, mlp->layer, mlp->parameter);
  place_layers(mlp, mlp->d_layer, mlp->gradient);

  real_t *memory = mlp->square + mlp->parameters;
  for (int l = 0; l <= MLP_LAYERS; ++l) {
    const size_t activations = (size_t)batch * (size_t)width[l];
    mlp->activation[l] = memory;
    memory += activations;
    if (l == 0) continue;
    mlp->d_activation[l] = memory;
    memory += activations;
  }
  return true;
}

void mlp_free(mlp_t *mlp) {
  free(mlp->parameter);
  mlp->parameter = NULL;
}

void mlp_start(mlp_t *mlp, uint64_t seed, const double p[MLP_LAYERS]) {
  const cudrop_philox_key_t key =
      cudrop_philox_key(cudrop_child_seed(seed, MLP_STREAM_WEIGHTS));
  mlp->mask_seed = cudrop_child_seed(seed, MLP_STREAM_MASKS);
  memcpy(mlp->p, p, sizeof mlp->p);
  memset(mlp->parameter, 0, 4 * mlp->parameters * sizeof(real_t));
  for (int l = 0; l < MLP_LAYERS; ++l) {
    /* Numbers uniform in [-1, 1) have the variance 1/3. */
    const double bound = sqrt(6.0 / mlp->width[l]);
    const size_t weights = count_weights(mlp, l);
    for (size_t i = 0; i < weights; ++i) {
      const cudrop_philox_block_t counter = {{(uint32_t)i, (uint32_t)l, 0, 0}};
      const double uniform = cudrop_philox(counter, key).word[0] * 0x1p-31 - 1.0;
      mlp->layer[l].weight[i] = (real_t)(bound * uniform);
    }
  }
}

/* ---- Dropout ---------------------------------------------------------------------- */

/* cudrop_forward() and cudrop_backward() alike. */
typedef cudrop_status_t dropout_t(cudrop_context_t *context, const cudrop_tensor_t *x,
                                  const cudrop_mask_t *mask, const cudrop_tensor_t *y);

/* Dropout of site l at a step, in place. Equal site and step drop equal elements. */
static cudrop_status_t drop(const mlp_t *mlp, dropout_t *dropout, real_t *data, int n,
                            uint64_t step, int l) {
  uint64_t offset = 0;
  const cudrop_status_t status =
      cudrop_offset(step, 1, 0, MLP_LAYERS, (uint64_t)l, &offset);
  if (status != CUDROP_OK) return status;
  const cudrop_mask_t mask = cudrop_mask(mlp->mask_seed, offset, mlp->p[l]);
  const cudrop_tensor_t tensor = cudrop_matrix(data, MLP_DTYPE, n, mlp->width[l]);
  return dropout(mlp->context, &tensor, &mask, &tensor);
}

/* ---- Forward ---------------------------------------------------------------------- */

/* activation[l+1] = activation[l] W[l] + b[l], for n images. */
static void apply_layer(const mlp_t *mlp, int l, int n) {
  const int in = mlp->width[l];
  const int out = mlp->width[l + 1];
  real_t *z = mlp->activation[l + 1];
  for (int i = 0; i < n; ++i)
    memcpy(z + (size_t)i * (size_t)out, mlp->layer[l].bias, (size_t)out * sizeof *z);
  MLP_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, out, in, 1, mlp->activation[l],
           in, mlp->layer[l].weight, out, 1, z, out);
}

static void rectify(const mlp_t *mlp, int l, int n) {
  real_t *a = mlp->activation[l];
  const size_t elements = (size_t)n * (size_t)mlp->width[l];
  for (size_t e = 0; e < elements; ++e) a[e] = a[e] > 0 ? a[e] : 0;
}

cudrop_status_t mlp_forward(mlp_t *mlp, int n, uint64_t step) {
  for (int l = 0; l < MLP_LAYERS; ++l) {
    if (l > 0) rectify(mlp, l, n);
    const cudrop_status_t status =
        drop(mlp, cudrop_forward, mlp->activation[l], n, step, l);
    if (status != CUDROP_OK) return status;
    apply_layer(mlp, l, n);
  }
  return CUDROP_OK;
}

void mlp_infer(mlp_t *mlp, int n) {
  for (int l = 0; l < MLP_LAYERS; ++l) {
    if (l > 0) rectify(mlp, l, n);
    apply_layer(mlp, l, n);
  }
}

/* ---- Loss ------------------------------------------------------------------------- */

/* The class of the largest logit. */
static int find_top(const real_t *logit, int classes) {
  int top = 0;
  for (int c = 1; c < classes; ++c)
    if (logit[c] > logit[top]) top = c;
  return top;
}

/* The sum of exp(logit - logit[top]): at least 1, and it cannot overflow. */
static double sum_exponentials(const real_t *logit, int classes, int top) {
  double sum = 0.0;
  for (int c = 0; c < classes; ++c) sum += exp((double)(logit[c] - logit[top]));
  return sum;
}

mlp_judgement_t mlp_judge(const mlp_t *mlp, int i, uint8_t label) {
  const int classes = mlp->width[MLP_LAYERS];
  const real_t *logit = mlp->activation[MLP_LAYERS] + (size_t)i * (size_t)classes;
  const int top = find_top(logit, classes);
  const double sum = sum_exponentials(logit, classes, top);
  return (mlp_judgement_t){
      .loss = log(sum) - (double)(logit[label] - logit[top]),
      .confidence = 1.0 / sum,
      .is_correct = top == label,
  };
}

/* The gradient of the mean loss by the logits: (softmax - one-hot) / n. */
static void differentiate_loss(const mlp_t *mlp, const uint8_t *label, int n) {
  const int classes = mlp->width[MLP_LAYERS];
  for (int i = 0; i < n; ++i) {
    const size_t row = (size_t)i * (size_t)classes;
    const real_t *logit = mlp->activation[MLP_LAYERS] + row;
    real_t *d_logit = mlp->d_activation[MLP_LAYERS] + row;
    const int top = find_top(logit, classes);
    const double sum = sum_exponentials(logit, classes, top);
    for (int c = 0; c < classes; ++c) {
      const double probability = exp((double)(logit[c] - logit[top])) / sum;
      d_logit[c] = (real_t)((probability - (c == label[i])) / n);
    }
  }
}

/* ---- Backward --------------------------------------------------------------------- */

/* The gradients of a layer's weights and biases, from that of its output. */
static void differentiate_layer(const mlp_t *mlp, int l, int n) {
  const int in = mlp->width[l];
  const int out = mlp->width[l + 1];
  const real_t *dz = mlp->d_activation[l + 1];
  real_t *d_bias = mlp->d_layer[l].bias;
  MLP_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, in, out, n, 1, mlp->activation[l], in,
           dz, out, 0, mlp->d_layer[l].weight, out);
  memset(d_bias, 0, (size_t)out * sizeof *d_bias);
  for (int i = 0; i < n; ++i)
    for (int o = 0; o < out; ++o) d_bias[o] += dz[(size_t)i * (size_t)out + (size_t)o];
}

/* The gradient of a layer's input: d_activation[l] = d_activation[l+1] W[l]^T. */
static void differentiate_input(const mlp_t *mlp, int l, int n) {
  const int in = mlp->width[l];
  const int out = mlp->width[l + 1];
  MLP_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, n, in, out, 1,
           mlp->d_activation[l + 1], out, mlp->layer[l].weight, out, 0,
           mlp->d_activation[l], in);
}

/*
 * Through the ReLU. A unit that dropout kept is positive exactly where it was before the
 * dropout; the gradient of a dropped one is 0 already.
 */
static void differentiate_rectify(const mlp_t *mlp, int l, int n) {
  const real_t *a = mlp->activation[l];
  real_t *d = mlp->d_activation[l];
  const size_t elements = (size_t)n * (size_t)mlp->width[l];
  for (size_t e = 0; e < elements; ++e) d[e] = a[e] > 0 ? d[e] : 0;
}

cudrop_status_t mlp_backward(mlp_t *mlp, const uint8_t *label, int n, uint64_t step) {
  differentiate_loss(mlp, label, n);
  for (int l = MLP_LAYERS - 1; l > 0; --l) {
    differentiate_layer(mlp, l, n);
    differentiate_input(mlp, l, n);
    const cudrop_status_t status =
        drop(mlp, cudrop_backward, mlp->d_activation[l], n, step, l);
    if (status != CUDROP_OK) return status;
    differentiate_rectify(mlp, l, n);
  }
  differentiate_layer(mlp, 0, n); /* nothing is trained in front of the first layer */
  return CUDROP_OK;
}

/* ---- Adam ------------------------------------------------------------------------- */

void mlp_update(mlp_t *mlp, uint64_t step) {
  const double rate = 1e-3, decay_mean = 0.9, decay_square = 0.999;
  const double t = (double)step + 1.0;
  const double correct_mean = 1.0 - pow(decay_mean, t);
  const double correct_square = 1.0 - pow(decay_square, t);
  const real_t keep_mean = (real_t)decay_mean, take_mean = (real_t)(1.0 - decay_mean);
  const real_t keep_square = (real_t)decay_square;
  const real_t take_square = (real_t)(1.0 - decay_square);
  const real_t scale = (real_t)(rate / correct_mean);
  const real_t unbias = (real_t)(1.0 / sqrt(correct_square));
  const real_t epsilon = (real_t)1e-8;
  real_t *restrict w = mlp->parameter;
  real_t *restrict mean = mlp->mean;
  real_t *restrict square = mlp->square;
  const real_t *restrict g = mlp->gradient;
  for (size_t i = 0; i < mlp->parameters; ++i) {
    mean[i] = keep_mean * mean[i] + take_mean * g[i];
    square[i] = keep_square * square[i] + take_square * g[i] * g[i];
    w[i] -= scale * mean[i] / (sqrt(square[i]) * unbias + epsilon);
  }
}
