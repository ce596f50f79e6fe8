/* mlp.c - the network's two passes, and its steps. */
#include "mlp.h"

#include <math.h>

#include "maths_element.h"

#if defined(MLP_DOUBLE)
#define MLP_DTYPE CUDROP_F64
#else
#define MLP_DTYPE CUDROP_F32
#endif

/* ---- Dropout ---------------------------------------------------------------------- */

/* cudrop_forward() and cudrop_backward() alike. */
typedef cudrop_status_t dropout_t(cudrop_context_t *context, const cudrop_tensor_t *x,
                                  const cudrop_mask_t *mask, const cudrop_tensor_t *y);

/* What the masks of a pass follow from. */
typedef struct {
  uint64_t seed;
  uint64_t step; /* or sample */
  int first;     /* the first row's number in the set of rows that is masked in parts */
} draw_t;

static draw_t draw_step(const mlp_t *mlp, uint64_t step) {
  return (draw_t){.seed = mlp->mask_seed, .step = step};
}

/* Dropout of site l, in place. Equal draws and sites drop equal elements. */
static cudrop_status_t drop(const mlp_t *mlp, dropout_t *dropout, real_t *data, int n,
                            draw_t draw, int l) {
  uint64_t offset = 0;
  TRY(cudrop_offset(draw.step, 1, 0, MLP_LAYERS, (uint64_t)l, &offset));
  cudrop_mask_t mask = cudrop_mask(draw.seed, offset, mlp->p[l]);
  mask.index_base = mlp_units(mlp, l, draw.first);
  const cudrop_tensor_t tensor = cudrop_matrix(data, MLP_DTYPE, n, mlp->width[l]);
  return dropout(mlp->context, &tensor, &mask, &tensor);
}

/* ---- Forward ---------------------------------------------------------------------- */

/* activation[l+1] = activation[l] W[l] + b[l], for n images. */
static cudrop_status_t apply_layer(mlp_t *mlp, int l, int n) {
  const maths_product_t product = {
      .rows = n,
      .cols = mlp->width[l + 1],
      .inner = mlp->width[l],
      .a = mlp->activation[l],
      .b = mlp->layer[l].weight,
      .beta = 1,
      .c = mlp->activation[l + 1],
  };
  TRY(mlp->maths.table->repeat_row(&mlp->maths, mlp->layer[l].bias, product.rows,
                                   product.cols, product.c));
  return mlp->maths.table->multiply(&mlp->maths, &product);
}

static cudrop_status_t rectify(mlp_t *mlp, int l, int n) {
  return mlp->maths.table->rectify(&mlp->maths, mlp_units(mlp, l, n), mlp->activation[l]);
}

static cudrop_status_t upload_input(mlp_t *mlp, int n) {
  return cudrop_upload(mlp->context, mlp->activation[0], mlp->input,
                       mlp_units(mlp, 0, n) * sizeof *mlp->input);
}

static cudrop_status_t run_dropping(mlp_t *mlp, int n, draw_t draw) {
  TRY(upload_input(mlp, n));
  for (int l = 0; l < MLP_LAYERS; ++l) {
    if (l > 0) TRY(rectify(mlp, l, n));
    TRY(drop(mlp, cudrop_forward, mlp->activation[l], n, draw, l));
    TRY(apply_layer(mlp, l, n));
  }
  return CUDROP_OK;
}

cudrop_status_t mlp_forward(mlp_t *mlp, int n, uint64_t step) {
  return run_dropping(mlp, n, draw_step(mlp, step));
}

cudrop_status_t mlp_sample(mlp_t *mlp, int first, int n, uint64_t sample) {
  const draw_t draw = {.seed = mlp->sample_seed, .step = sample, .first = first};
  return run_dropping(mlp, n, draw);
}

cudrop_status_t mlp_infer(mlp_t *mlp, int n) {
  TRY(upload_input(mlp, n));
  for (int l = 0; l < MLP_LAYERS; ++l) {
    if (l > 0) TRY(rectify(mlp, l, n));
    TRY(apply_layer(mlp, l, n));
  }
  return CUDROP_OK;
}

/* ---- Judgement -------------------------------------------------------------------- */

cudrop_status_t mlp_fetch(mlp_t *mlp, int n) {
  return cudrop_download(mlp->context, mlp->logits, mlp->activation[MLP_LAYERS],
                         mlp_units(mlp, MLP_LAYERS, n) * sizeof *mlp->logits);
}

static const real_t *find_logits(const mlp_t *mlp, int i) {
  return mlp->logits + mlp_units(mlp, MLP_LAYERS, i);
}

mlp_judgement_t mlp_judge(const mlp_t *mlp, int i, uint8_t label) {
  const int classes = mlp->width[MLP_LAYERS];
  const real_t *logit = find_logits(mlp, i);
  const int top = maths_find_top(logit, classes);
  const double sum = maths_sum_exponentials(logit, classes, top);
  return (mlp_judgement_t){
      .loss = log(sum) - (double)(logit[label] - logit[top]),
      .confidence = 1.0 / sum,
      .is_correct = top == label,
  };
}

void mlp_add_softmax(const mlp_t *mlp, int i, double *sum) {
  const int classes = mlp->width[MLP_LAYERS];
  const real_t *logit = find_logits(mlp, i);
  const int top = maths_find_top(logit, classes);
  const double exponentials = maths_sum_exponentials(logit, classes, top);
  for (int c = 0; c < classes; ++c)
    sum[c] += exp((double)(logit[c] - logit[top])) / exponentials;
}

/* ---- Backward --------------------------------------------------------------------- */

static cudrop_status_t differentiate_loss(mlp_t *mlp, const uint8_t *label, int n) {
  TRY(cudrop_upload(mlp->context, mlp->label, label, (size_t)n * sizeof *label));
  return mlp->maths.table->differentiate_loss(&mlp->maths, mlp->activation[MLP_LAYERS],
                                              mlp->label, n, mlp->width[MLP_LAYERS],
                                              mlp->d_activation[MLP_LAYERS]);
}

/* The gradients of a layer's weights and biases, from that of its output. */
static cudrop_status_t differentiate_layer(mlp_t *mlp, int l, int n) {
  const maths_product_t product = {
      .transposes_a = true,
      .rows = mlp->width[l],
      .cols = mlp->width[l + 1],
      .inner = n,
      .a = mlp->activation[l],
      .b = mlp->d_activation[l + 1],
      .c = mlp->d_layer[l].weight,
  };
  TRY(mlp->maths.table->multiply(&mlp->maths, &product));
  return mlp->maths.table->sum_rows(&mlp->maths, mlp->d_activation[l + 1], n,
                                    mlp->width[l + 1], mlp->d_layer[l].bias);
}

/* The gradient of a layer's input: d_activation[l] = d_activation[l+1] W[l]^T. */
static cudrop_status_t differentiate_input(mlp_t *mlp, int l, int n) {
  const maths_product_t product = {
      .transposes_b = true,
      .rows = n,
      .cols = mlp->width[l],
      .inner = mlp->width[l + 1],
      .a = mlp->d_activation[l + 1],
      .b = mlp->layer[l].weight,
      .c = mlp->d_activation[l],
  };
  return mlp->maths.table->multiply(&mlp->maths, &product);
}

/*
 * Through the ReLU. A unit that dropout kept is positive exactly where it was before the
 * dropout; the gradient of a dropped one is 0 already.
 */
static cudrop_status_t differentiate_rectify(mlp_t *mlp, int l, int n) {
  return mlp->maths.table->differentiate_rectify(
      &mlp->maths, mlp_units(mlp, l, n), mlp->activation[l], mlp->d_activation[l]);
}

cudrop_status_t mlp_backward(mlp_t *mlp, const uint8_t *label, int n, uint64_t step) {
  TRY(differentiate_loss(mlp, label, n));
  for (int l = MLP_LAYERS - 1; l > 0; --l) {
    TRY(differentiate_layer(mlp, l, n));
    TRY(differentiate_input(mlp, l, n));
    TRY(drop(mlp, cudrop_backward, mlp->d_activation[l], n, draw_step(mlp, step), l));
    TRY(differentiate_rectify(mlp, l, n));
  }
  return differentiate_layer(mlp, 0, n); /* nothing in front of it is trained */
}

/* ---- Adam ------------------------------------------------------------------------- */

cudrop_status_t mlp_update(mlp_t *mlp, uint64_t step) {
  const double rate = 1e-3, decay_mean = 0.9, decay_square = 0.999;
  const double t = (double)step + 1.0;
  const maths_adam_t adam = {
      .keep_mean = (real_t)decay_mean,
      .take_mean = (real_t)(1.0 - decay_mean),
      .keep_square = (real_t)decay_square,
      .take_square = (real_t)(1.0 - decay_square),
      .scale = (real_t)(rate / (1.0 - pow(decay_mean, t))),
      .unbias = (real_t)(1.0 / sqrt(1.0 - pow(decay_square, t))),
      .epsilon = (real_t)1e-8,
  };
  return mlp->maths.table->adam(&mlp->maths, &adam, mlp->parameters, mlp->gradient,
                                mlp->mean, mlp->square, mlp->parameter);
}
