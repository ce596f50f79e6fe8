/*
 * choosing.h - which call stands at which site of a network: the functions that docs/choosing.md
 * quotes. Tensors are dense, in F32, in the memory of the context's backend.
 */
#ifndef CHOOSING_H
#define CHOOSING_H

#include <cudrop/cudrop.h>

/* ---- all networks ----------------------------------------------------------------- */

cudrop_status_t find_mask(uint64_t seed, uint64_t step, uint64_t sites, uint64_t site,
                          double p, cudrop_mask_t *mask);

/* ---- a GPT ------------------------------------------------------------------------ */

typedef struct {
  int64_t batch, tokens, width, heads;
} sizes_t;

cudrop_status_t gpt_embedding(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              sizes_t of, const int32_t *ids, const float *words,
                              int64_t vocabulary, const float *positions, float *h);
cudrop_status_t gpt_attention(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              sizes_t of, const float *q, const float *k, const float *v,
                              float *o, float *lse);
cudrop_status_t gpt_shortcut(cudrop_context_t *ctx, const cudrop_mask_t *mask, sizes_t of,
                             const float *x, const float *bias, const float *gamma,
                             const float *beta, float *h, float *y, float *mean,
                             float *rstd);
cudrop_status_t gpt_shortcut_backward(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                                      sizes_t of, const float *dy, float *dh,
                                      const float *h, const float *mean,
                                      const float *rstd, const float *gamma, float *dx,
                                      float *dbias, float *dgamma, float *dbeta);

/* ---- a BERT ----------------------------------------------------------------------- */

cudrop_status_t bert_embedding(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                               sizes_t of, const int32_t *ids, const float *words,
                               int64_t vocabulary, const float *positions,
                               const int32_t *segments, const float *kinds, float *sum,
                               float *y, float *mean, float *rstd, const float *gamma,
                               const float *beta);
cudrop_status_t bert_attention(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                               sizes_t of, const int32_t *lengths, const float *q,
                               const float *k, const float *v, float *o, float *lse);
cudrop_status_t bert_shortcut(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              sizes_t of, const float *x, const float *bias,
                              const float *residual, const float *gamma,
                              const float *beta, float *h, float *y, float *mean,
                              float *rstd);

/* ---- a vision transformer --------------------------------------------------------- */

cudrop_status_t vit_shortcut(cudrop_context_t *ctx, const cudrop_mask_t *mask, sizes_t of,
                             const float *x, const float *bias, float *h);

/* ---- a convolutional network ------------------------------------------------------ */

typedef struct {
  int64_t samples, channels, height, width;
} images_t;

cudrop_status_t cnn_dropout2d(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              images_t of, float *x);
cudrop_status_t cnn_drop_block(cudrop_context_t *ctx, const cudrop_mask_t *seeds,
                               images_t of, int64_t side, float *x);
cudrop_status_t cnn_drop_block_by_share(cudrop_context_t *host,
                                        const cudrop_mask_t *seeds, images_t of,
                                        int64_t side, float *ones, uint8_t *keep,
                                        float *x);
double cnn_seed_rate(images_t of, int64_t side, double p);

/* ---- a recurrent network ---------------------------------------------------------- */

cudrop_status_t rnn_locked(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                           int64_t batch, int64_t time, int64_t features, float *x);
cudrop_status_t rnn_weights(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                            int64_t rows, int64_t cols, const float *weights,
                            float *dropped);

/* ---- Monte-Carlo samples ---------------------------------------------------------- */

cudrop_status_t draw_samples(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                             int64_t samples, int64_t batch, int64_t width,
                             const float *x, float *y);

/* ---- Gaussian dropout ------------------------------------------------------------- */

void gaussian_dropout(const cudrop_mask_t *mask, int64_t n, const float *x, float *y);

#endif /* CHOOSING_H */
