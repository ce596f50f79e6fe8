/* config.c - shapes, and the masks that follow from them. */
#include "config.h"

#include "failure.h"

const char *const gpt_way_names[GPT_WAYS] = {[GPT_FUSED] = "fused",
                                             [GPT_SEPARATE] = "separate",
                                             [GPT_BYTES] = "bytes",
                                             [GPT_BITS] = "bits"};
const char *const gpt_attention_names[GPT_ATTENTION_WAYS] = {
    [GPT_ATTENTION_FUSED] = "fused", [GPT_ATTENTION_SEPARATE] = "separate"};

gpt_shape_t gpt_shape(const gpt_config_t *config, const parallel_t *parallel) {
  const bool cuts_rows = parallel->split == PARALLEL_DATA;
  const int64_t row_parts = cuts_rows ? parallel->ranks : 1;
  const int64_t head_parts = cuts_rows ? 1 : parallel->ranks;
  gpt_shape_t shape = {
      .rows = config->batch / row_parts,
      .heads = config->heads / head_parts,
      .head_width = config->width / config->heads,
      .hidden = (int64_t)4 * config->width / head_parts,
  };
  shape.first_row = cuts_rows ? parallel->rank * shape.rows : 0;
  shape.first_head = cuts_rows ? 0 : parallel->rank * shape.heads;
  shape.tokens = shape.rows * config->length;
  shape.inner = shape.heads * shape.head_width;
  return shape;
}

/* cudrop_attend_forward() takes these widths of a head. */
static bool can_attend(const gpt_config_t *config) {
  const int head_width = config->width / config->heads;
  return head_width % 8 == 0 && head_width >= 8 && head_width <= 256;
}

gpt_attention_way_t gpt_choose_attention(const gpt_config_t *config) {
  return config->way == GPT_FUSED && can_attend(config) ? GPT_ATTENTION_FUSED
                                                        : GPT_ATTENTION_SEPARATE;
}

const char *gpt_find_fault(const gpt_config_t *config, const parallel_t *parallel) {
  if (config->width % config->heads != 0)
    return "the heads do not share the width evenly";
  if (config->attention == GPT_ATTENTION_FUSED && config->way != GPT_FUSED)
    return "--attention = fused goes with --sites fused alone: it drops within its call";
  if (config->attention == GPT_ATTENTION_FUSED && !can_attend(config))
    return "--attention = fused needs heads whose width is a multiple of 8, up to 256";
  if (parallel->ranks > PARALLEL_MOST_RANKS) return "there are more than 64 ranks";
  if (parallel->split == PARALLEL_DATA && config->batch % parallel->ranks != 0)
    return "the ranks do not share the batch evenly";
  if (parallel->split == PARALLEL_TENSOR && config->heads % parallel->ranks != 0)
    return "the ranks do not share the heads evenly";
  return NULL;
}

gpt_masked_t gpt_masked(const gpt_config_t *config, const parallel_t *parallel,
                        int site) {
  const gpt_shape_t shape = gpt_shape(config, parallel);
  if (gpt_site_rate(site) == GPT_DROP_ATTENTION)
    return (gpt_masked_t){
        .rank = 4,
        .part = {shape.rows, shape.heads, config->length, config->length},
        .start = {shape.first_row, shape.first_head, 0, 0},
        .whole = {config->batch, config->heads, config->length, config->length},
    };
  return (gpt_masked_t){
      .rank = 3,
      .part = {shape.rows, config->length, config->width},
      .start = {shape.first_row, 0, 0},
      .whole = {config->batch, config->length, config->width},
  };
}

cudrop_status_t gpt_make_mask(const gpt_config_t *config, const parallel_t *parallel,
                              uint64_t seed, uint64_t step, int site,
                              cudrop_mask_t *mask) {
  const gpt_masked_t masked = gpt_masked(config, parallel, site);
  uint64_t offset = 0;
  TRY(cudrop_offset(step, 1, 0, (uint64_t)gpt_sites(config), (uint64_t)site, &offset));
  *mask = cudrop_mask(seed, offset, config->p[gpt_site_rate(site)]);
  return cudrop_mask_shard(mask, masked.rank, masked.whole, masked.start);
}
