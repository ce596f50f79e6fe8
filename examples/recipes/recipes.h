/*
 * recipes.h - cudrop in programs that have another dropout, or none: the calls at their places.
 *
 * The functions have the names and arguments of the programs', with a context and a mask more;
 * docs/recipes.md says where they go.
 */
#ifndef RECIPES_H
#define RECIPES_H

#include <cudrop/cudrop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- llm.c (llmc/encoder.cuh, layernorm.cuh, attention.cuh) ----------------------- */

/*
 * Pasted into llm.c, which has a floatX of its own, this goes, but for FLOATX: CUDROP_BF16 by
 * default, CUDROP_F32 with ENABLE_FP32, CUDROP_F16 with ENABLE_FP16.
 */
typedef float floatX;
#define FLOATX CUDROP_F32

void encoder_forward(floatX *out, const int *inp, const floatX *wte, const floatX *wpe,
                     int B, int T, int C, int V, cudrop_context_t *ctx,
                     const cudrop_mask_t *mask);
void encoder_backward(floatX *dwte, floatX *dwpe, const floatX *dout, const int *inp,
                      int B, int T, int C, int V, cudrop_context_t *ctx,
                      const cudrop_mask_t *mask);

void fused_residual_forward5(floatX *residual, floatX *normed, float *mean, float *rstd,
                             const floatX *inp1, const floatX *inp2, const floatX *weight,
                             const floatX *bias, int N, int C, cudrop_context_t *ctx,
                             const cudrop_mask_t *mask);

/* dinp += as there; drop_dinp is what then goes into the projection's matmul_backward(). */
void layernorm_backward(floatX *dinp, floatX *drop_dinp, floatX *dweight, floatX *dbias,
                        const floatX *dout, const floatX *inp, const floatX *weight,
                        const float *mean, const float *rstd, int B, int T, int C,
                        cudrop_context_t *ctx, const cudrop_mask_t *mask);

/* att is kept for backward; drop_att is what is multiplied by the values, and is made anew. */
void softmax_forward(floatX *att, floatX *drop_att, float inv_temperature,
                     const floatX *preatt, int B, int NH, int T, cudrop_context_t *ctx,
                     const cudrop_mask_t *mask);
void softmax_reapply(floatX *drop_att, const floatX *att, int B, int NH, int T,
                     cudrop_context_t *ctx, const cudrop_mask_t *mask);
void softmax_autoregressive_backward_inplace(floatX *datt, const floatX *att, int B,
                                             int NH, int T, float scale,
                                             cudrop_context_t *ctx,
                                             const cudrop_mask_t *mask);

/* ---- Darknet (src/dropout_layer.c) ------------------------------------------------ */

/* What its layer and network are to a dropout. */
typedef struct {
  int batch, inputs;
  float probability;
  uint64_t site; /* of this layer: no memory of random numbers */
} dropout_layer;

typedef struct {
  float *input, *delta;
  int train;
  uint64_t seen; /* batches, counted by the program: net.seen / net.batch */
} network;

void forward_dropout_layer(dropout_layer l, network net, cudrop_context_t *ctx);
void backward_dropout_layer(dropout_layer l, network net, cudrop_context_t *ctx);

/* ---- ggml ------------------------------------------------------------------------- */

/*
 * Fill the data of a dense F32 tensor of sizes ne[0..4), the first the innermost as ggml has
 * them, with the scaled mask: 1 / (1 - p) or 0. Its graph multiplies by that: ggml_mul().
 */
void fill_scaled_mask(float *data, const int64_t ne[4], cudrop_context_t *ctx,
                      const cudrop_mask_t *mask);

/* ---- All -------------------------------------------------------------------------- */

/* What these programs do about an error: say it and exit. */
void recipe_check(cudrop_status_t status);

#ifdef __cplusplus
}
#endif

#endif /* RECIPES_H */
