/*
 * config.h - what a GPT is: its sizes, its rates of dropout, and how it is cut into parts.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "cudrop/cudrop.h"
#include "parallel.h"

/* The three rates, of four kinds of sites: both shortcuts of a block have one. */
typedef enum {
  GPT_DROP_EMBEDDING,
  GPT_DROP_ATTENTION,
  GPT_DROP_SHORTCUT,
  GPT_RATES
} gpt_rate_t;

/* What is done at a site of dropout, and what is kept of its mask. Every way drops the same. */
typedef enum {
  GPT_FUSED,    /* one call with its neighbours; the mask is regenerated */
  GPT_SEPARATE, /* a call of its own; the mask is regenerated */
  GPT_BYTES,    /* a call of its own; forward stores a byte an element for backward */
  GPT_BITS,     /* the same with a bit an element */
  GPT_WAYS
} gpt_way_t;
extern const char *const gpt_way_names[GPT_WAYS];

/*
 * How attention is computed. Both ways drop the same weights; their sums are rounded in different
 * orders.
 */
typedef enum {
  GPT_ATTENTION_FUSED,    /* one call, without a matrix of weights */
  GPT_ATTENTION_SEPARATE, /* products, softmax and dropout, with weights in memory */
  GPT_ATTENTION_WAYS
} gpt_attention_way_t;
extern const char *const gpt_attention_names[GPT_ATTENTION_WAYS];

typedef struct {
  int vocabulary; /* ids are 0 to vocabulary - 1 */
  int length;     /* tokens in a row, and positions */
  int width;      /* of an embedding; a multiple of heads */
  int heads;
  int layers;
  bool has_qkv_bias;
  double p[GPT_RATES];
  int batch; /* rows in a step, of all ranks together */
  cudrop_dtype_t
      dtype; /* of activations and of what products read: F32, on a GPU also BF16 */
  gpt_way_t way;
  gpt_attention_way_t attention; /* FUSED only with GPT_FUSED */
} gpt_config_t;

/* The way for a network where none is asked for: FUSED where there can be that. */
gpt_attention_way_t gpt_choose_attention(const gpt_config_t *config);

/*
 * What a rank has of it. With PARALLEL_DATA that is some rows of the batch, with
 * PARALLEL_TENSOR some heads of attention and some hidden columns of the feed-forward part.
 */
typedef struct {
  int64_t rows, first_row;
  int64_t tokens; /* rows * length */
  int64_t heads, first_head;
  int64_t head_width;
  int64_t inner;  /* heads * head_width */
  int64_t hidden; /* of the 4 * width */
} gpt_shape_t;

gpt_shape_t gpt_shape(const gpt_config_t *config, const parallel_t *parallel);

/* Why there can be no such network on so many ranks, as a text; NULL if there can. */
const char *gpt_find_fault(const gpt_config_t *config, const parallel_t *parallel);

/* ---- Sites of dropout ------------------------------------------------------------- */

/*
 * In the order of a forward pass: 0 is the embedding's; block l has 1 + 3 l, the attention
 * weights, and the next two, its shortcuts.
 */
static inline int gpt_sites(const gpt_config_t *config) {
  return 1 + 3 * config->layers;
}
static inline int gpt_attention_site(int layer) {
  return 1 + 3 * layer;
}

static inline gpt_rate_t gpt_site_rate(int site) {
  if (site == 0) return GPT_DROP_EMBEDDING;
  return site % 3 == 1 ? GPT_DROP_ATTENTION : GPT_DROP_SHORTCUT;
}

/* The tensor that is masked, [batch, length, width] or [batch, heads, length, length]. */
typedef struct {
  int rank;
  int64_t part[4];  /* what this rank has */
  int64_t start[4]; /* where that begins in the whole */
  int64_t whole[4];
} gpt_masked_t;

gpt_masked_t gpt_masked(const gpt_config_t *config, const parallel_t *parallel, int site);

/*
 * The mask of a site at a step, for this rank's part. It follows from the seed, the step, the
 * site and the place in the whole, so that any number of ranks drops the same elements.
 */
cudrop_status_t gpt_make_mask(const gpt_config_t *config, const parallel_t *parallel,
                              uint64_t seed, uint64_t step, int site,
                              cudrop_mask_t *mask);

#endif /* CONFIG_H */
