/*
 * gpt.h - the GPT of "Build a Large Language Model (From Scratch)", whose dropout stores no mask.
 *
 *   h[0] = drop(token + position)                          site 0
 *   y[k] = LayerNorm(h[k])                                 norms 0 to 2 L
 *   in block l:
 *   q, k, v = y[2l] Wqkv (+ bias)                          for each head
 *   a = drop(softmax(q k^T / sqrt(head width), causal)) v  site 1 + 3l
 *   h[2l+1] = h[2l] + drop(a Wprojection + bias)           site 2 + 3l
 *   f = GELU(y[2l+1] Whidden + bias)
 *   h[2l+2] = h[2l+1] + drop(f Woutput + bias)             site 3 + 3l
 *   logits = y[2L] Whead
 *
 * Masks are made where they are used, in forward and in backward (config.h), at a site by the way
 * that the configuration names (sites.h). The softmax of fused attention is made again in backward
 * too, and a number is kept for each query (attention.h). All memory of a context is one
 * allocation, made when the network is opened (arena.h); the rest is in engine.h and parallel.h.
 *
 * Every call returns a status, and gpt_error() says what failed last.
 */
#ifndef GPT_H
#define GPT_H

#include "arena.h"
#include "engine.h"
#include "parameters.h"

/*
 * What draws random bits in a run. Each is a child of the run's seed, so that none of them
 * meets another's numbers.
 */
enum { GPT_STREAM_MASKS, GPT_STREAM_PARAMETERS, GPT_STREAM_TEXT };

/* A norm, [tokens][width], and what its backward needs. */
typedef struct {
  void *h, *y;
  float *mean, *rstd;
} gpt_norm_t;

/* What backward needs of a block beside its norms. */
typedef struct {
  void *qkv;      /* [tokens][3][inner] */
  void *weights;  /* P, [rows][heads][length][length]; NULL with fused attention */
  float *lse;     /* of fused attention, [rows][heads][length]; else NULL */
  void *attended; /* [tokens][inner] */
  void *hidden;   /* [tokens][hidden], before bias and GELU */
  void *active;   /* behind them */
} gpt_block_t;

/* What one call hands to the next. */
typedef struct {
  void *dropped; /* like P: drop(P), and the gradients of it and P */
  void *wide;    /* [tokens][the larger of hidden and 3 inner] */
  void *x;       /* [tokens][width]: what a shortcut adds, and its gradient */
  void *dy;      /* [tokens][width] */
  void *dh;      /* [tokens][width]: the gradient along the shortcuts */
  void *workspace;
  size_t workspace_bytes;
} gpt_scratch_t;

/* What a step spends its time with. */
typedef enum {
  GPT_LAP_PRODUCTS,  /* products of matrices */
  GPT_LAP_ATTENTION, /* fused attention, with its products and its dropout */
  GPT_LAP_SITES,     /* dropouts and the neighbours that can be fused with them */
  GPT_LAP_DROPOUT,   /* of dropouts that are calls of their own */
  GPT_LAP_REST,
  GPT_LAPS
} gpt_lap_t;

typedef struct gpt {
  cudrop_context_t *context; /* the caller's */
  engine_t engine;           /* of its backend */
  gpt_config_t config;
  parallel_t parallel;
  gpt_shape_t shape;
  const struct gpt_sites *sites;
  const struct gpt_attention *attention;

  uint64_t mask_seed;
  uint64_t step;    /* of the masks of the last forward pass */
  bool is_training; /* that pass dropped */

  gpt_parameter_t *list; /* [tensors] */
  size_t parameters;     /* elements here */

  /* In host memory. */
  int32_t *ids, *targets; /* [tokens], for the caller to write */
  float *loss;            /* [tokens], of the last forward pass */
  float *whole;           /* of one tensor, as large as the largest */
  float *part;            /* what this rank has of it, if it is split */

  /* In the context's memory, like all that follows. */
  void *memory;
  size_t bytes[ARENA_PURPOSES];
  float *parameter, *gradient, *mean, *square; /* [parameters] */
  uint16_t *narrow;                            /* parameter in BF16, or NULL */
  int32_t *device_ids, *device_targets;
  float *device_loss;
  gpt_norm_t *norm;   /* [2 layers + 1] */
  gpt_block_t *block; /* [layers] */
  void *logits;       /* [tokens][vocabulary]; then their gradient */
  void **keep;        /* [sites], where masks are stored; else of NULL */
  gpt_scratch_t scratch;

  double *laps; /* [GPT_LAPS] seconds, or NULL: not measured */
  double lap_begin;
} gpt_t;

/* How much memory of the context a rank needs, by purpose; nothing is allocated. */
cudrop_status_t gpt_count_memory(const gpt_config_t *config, const parallel_t *parallel,
                                 size_t bytes[ARENA_PURPOSES]);

/*
 * Set up a network on a context. Only this allocates. Give the network to gpt_close() in any
 * case, before the context is destroyed.
 */
cudrop_status_t gpt_open(gpt_t *gpt, cudrop_context_t *context,
                         const gpt_config_t *config, const parallel_t *parallel);
cudrop_status_t gpt_close(gpt_t *gpt);
const char *gpt_error(const gpt_t *gpt);

/* Begin a run: parameters as gpt_parameter_draw() has them, averages 0. */
cudrop_status_t gpt_start(gpt_t *gpt, uint64_t seed);

/* Go on with a run: what has changed since its start is then written by gpt_put_state(). */
void gpt_continue(gpt_t *gpt, uint64_t seed);

/*
 * What a run has come to, beside its step: GPT_STATES arrays. Bring a tensor of one to `whole`,
 * from all ranks and on all ranks; and back from there.
 */
enum { GPT_STATES = 3 };
cudrop_status_t gpt_get_state(gpt_t *gpt, int state, int tensor);
cudrop_status_t gpt_put_state(gpt_t *gpt, int state, int tensor);

/* After the last of gpt_put_state(). */
cudrop_status_t gpt_finish_states(gpt_t *gpt);

/*
 * From `ids` to the losses of `targets`: with the dropout of a step, or without any. In place of
 * the logits is then the gradient of the mean loss of all ranks' tokens.
 */
cudrop_status_t gpt_forward(gpt_t *gpt, uint64_t step);
cudrop_status_t gpt_infer(gpt_t *gpt);

/* The gradients of all parameters, summed over the ranks, after gpt_forward(). */
cudrop_status_t gpt_backward(gpt_t *gpt);

/* Step number `step` of AdamW, from 0, with betas 0.9 and 0.999 and epsilon 1e-8. */
cudrop_status_t gpt_update(gpt_t *gpt, uint64_t step, double rate, double decay);

/* ---- For the sources of the network ------------------------------------------------- */

/*
 * Tensors of this rank's tokens, [rows][length][cols] and [rows][heads][length][length]; and of
 * floats, [rows][length].
 */
cudrop_tensor_t gpt_rows(const gpt_t *gpt, const void *data, int64_t cols);
cudrop_tensor_t gpt_scores(const gpt_t *gpt, const void *data);
cudrop_tensor_t gpt_means(const gpt_t *gpt, const float *data);

/* A vector or a table of parameters, or with `array` gradient of their gradients. */
cudrop_tensor_t gpt_vector(const gpt_t *gpt, const float *array, gpt_kind_t kind,
                           int layer);
cudrop_tensor_t gpt_table(const gpt_t *gpt, const float *array, gpt_kind_t kind);

/* y = x w, where w is a matrix of parameters; and with dy the gradients of w and of x. */
cudrop_status_t gpt_multiply(gpt_t *gpt, const void *x, gpt_kind_t kind, int layer,
                             void *y);
cudrop_status_t gpt_differentiate(gpt_t *gpt, const void *x, gpt_kind_t kind, int layer,
                                  const void *dy, void *dx);

/* The mask of a site for the pass that runs; NULL and success where nothing is dropped. */
cudrop_status_t gpt_site_mask(const gpt_t *gpt, int site, cudrop_mask_t *mask,
                              const cudrop_mask_t **used);

/*
 * What h[k] and y[k] have for parameters, or with `array` gradient their gradients. h[0] has no
 * bias; its .bias is that of a shortcut.
 */
typedef struct {
  cudrop_tensor_t bias, gamma, beta;
} gpt_vectors_t;

gpt_vectors_t gpt_norm_vectors(const gpt_t *gpt, const float *array, int k);

/* What forward and backward of h[k] and y[k] share, of these parameters, with its mask in *mask. */
cudrop_status_t gpt_get_norm(const gpt_t *gpt, int k, const gpt_vectors_t *parameters,
                             cudrop_mask_t *mask, cudrop_norm_t *norm);

/* What those of GELU(hidden + bias) share. */
cudrop_fused_t gpt_get_activation(const cudrop_tensor_t *bias);

/* Write down what the time since the last lap was for. */
cudrop_status_t gpt_lap(gpt_t *gpt, gpt_lap_t lap);

/* Sum a [tokens][width] over the ranks that have parts of a product. */
cudrop_status_t gpt_sum_parts(gpt_t *gpt, void *data);

/* The site whose dropout h[k] has in it. */
static inline int gpt_norm_site(int k) {
  return k == 0 ? 0 : gpt_attention_site((k - 1) / 2) + (k % 2 == 1 ? 1 : 2);
}

#endif /* GPT_H */
