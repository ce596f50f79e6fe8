/* fault_steps.c - the calls of a program, in their order. */
#include "fault_steps.h"

enum { N = FAULT_N, ROWS = 10, COLS = 10, WORKSPACE = 1 << 13 };

static float values[N];

cudrop_tensor_t fault_vector(void *data) {
  return cudrop_vector(data, CUDROP_F32, N);
}
static cudrop_tensor_t every_second(void *data) {
  cudrop_tensor_t tensor = cudrop_vector(data, CUDROP_F32, N / 2);
  tensor.stride[0] = 2;
  return tensor;
}

cudrop_status_t fault_create(fault_state_t *s) {
  return cudrop_create(&s->context, CUDROP_CUDA, 1);
}
cudrop_status_t fault_alloc_x(fault_state_t *s) {
  return cudrop_alloc(s->context, sizeof values, &s->x);
}
cudrop_status_t fault_alloc_y(fault_state_t *s) {
  return cudrop_alloc(s->context, sizeof values, &s->y);
}
static cudrop_status_t alloc_bits(fault_state_t *s) {
  return cudrop_alloc(s->context, N, &s->bits);
}
static cudrop_status_t create_block(fault_state_t *s) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_prepared_create(s->context, &mask, &s->block);
}
static cudrop_status_t alloc_kept(fault_state_t *s) {
  return cudrop_alloc(s->context, sizeof(uint64_t), &s->kept);
}
static cudrop_status_t upload(fault_state_t *s) {
  return cudrop_upload(s->context, s->x, values, sizeof values);
}
static cudrop_status_t forward(fault_state_t *s, double p) {
  const cudrop_tensor_t x = fault_vector(s->x), y = fault_vector(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, p);
  return cudrop_forward(s->context, &x, &mask, &y);
}
cudrop_status_t fault_drop(fault_state_t *s) {
  return forward(s, 0.5);
}
static cudrop_status_t copy(fault_state_t *s) {
  return forward(s, 0.0);
}
static cudrop_status_t clear(fault_state_t *s) {
  return forward(s, 1.0);
}
static cudrop_status_t drop_strided(fault_state_t *s) {
  const cudrop_tensor_t x = every_second(s->x), y = every_second(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_backward_accumulate(s->context, &x, &mask, &y);
}
static cudrop_status_t alpha(fault_state_t *s) {
  const cudrop_tensor_t x = fault_vector(s->x);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_alpha_forward(s->context, &x, &mask, &x);
}
static cudrop_status_t export_bits(fault_state_t *s) {
  const int64_t n = N;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_export_bits(s->context, &mask, 1, &n, s->bits);
}
static cudrop_status_t apply_bits(fault_state_t *s) {
  const cudrop_tensor_t x = fault_vector(s->x), y = fault_vector(s->y);
  return cudrop_apply_bits(s->context, &x, s->bits, 0.5, &y);
}
static cudrop_status_t count(fault_state_t *s) {
  const int64_t n = N;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_count_kept(s->context, &mask, 1, &n, s->kept);
}
static cudrop_status_t prepare(fault_state_t *s) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_prepare(s->context, &mask, s->block);
}
static cudrop_status_t drop_prepared(fault_state_t *s) {
  const cudrop_tensor_t x = fault_vector(s->x), y = fault_vector(s->y);
  const cudrop_mask_t mask = cudrop_prepared_mask(s->block, 0);
  return cudrop_forward(s->context, &x, &mask, &y);
}
static cudrop_status_t advance(fault_state_t *s) {
  return cudrop_advance(s->context, s->block, 1);
}
static cudrop_status_t alloc_workspace(fault_state_t *s) {
  return cudrop_alloc(s->context, WORKSPACE, &s->workspace);
}
static cudrop_tensor_t matrix(void *data) {
  return cudrop_matrix(data, CUDROP_F32, ROWS, COLS);
}
static cudrop_status_t fused(fault_state_t *s) {
  const cudrop_tensor_t x = matrix(s->x), y = matrix(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_fused_t shared = {.mask = &mask};
  return cudrop_fused_forward(
      s->context, &(cudrop_fused_forward_t){.fused = &shared, .x = &x, .y = &y});
}
static cudrop_status_t fused_backward(fault_state_t *s) {
  const cudrop_tensor_t dy = matrix(s->x);
  const cudrop_tensor_t dbias = cudrop_vector(s->y, CUDROP_F32, COLS);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_fused_t shared = {.mask = &mask};
  return cudrop_fused_backward(s->context,
                               &(cudrop_fused_backward_t){.fused = &shared,
                                                          .dy = &dy,
                                                          .dbias = &dbias,
                                                          .workspace = s->workspace,
                                                          .workspace_bytes = WORKSPACE});
}
static cudrop_status_t norm(fault_state_t *s) {
  const cudrop_tensor_t x = matrix(s->x), y = matrix(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_norm_t shared = {.epsilon = 1e-5f, .mask = &mask};
  return cudrop_norm_forward(s->context,
                             &(cudrop_norm_forward_t){.norm = &shared, .x = &x, .y = &y});
}
static cudrop_status_t norm_backward(fault_state_t *s) {
  const cudrop_tensor_t h = matrix(s->x), dx = matrix(s->y);
  const cudrop_tensor_t rstd = cudrop_vector(s->x, CUDROP_F32, ROWS);
  const cudrop_norm_t shared = {.kind = CUDROP_RMS_NORM};
  return cudrop_norm_backward(s->context,
                              &(cudrop_norm_backward_t){.norm = &shared,
                                                        .dy = &h,
                                                        .h = &h,
                                                        .rstd = &rstd,
                                                        .dx = &dx,
                                                        .workspace = s->workspace,
                                                        .workspace_bytes = WORKSPACE});
}
static const cudrop_attention_t every_key = {.scale = 1.0f};
static cudrop_status_t attention(fault_state_t *s) {
  const cudrop_tensor_t scores = matrix(s->x), y = matrix(s->y);
  return cudrop_attention_forward(
      s->context,
      &(cudrop_attention_forward_t){.attention = &every_key, .scores = &scores, .y = &y});
}
static cudrop_status_t reapply(fault_state_t *s) {
  const cudrop_tensor_t weights = matrix(s->x), y = matrix(s->y);
  return cudrop_attention_reapply(
      s->context, &(cudrop_attention_reapply_t){
                      .attention = &every_key, .weights = &weights, .y = &y});
}
static cudrop_status_t attention_backward(fault_state_t *s) {
  const cudrop_tensor_t weights = matrix(s->x), dscores = matrix(s->y);
  return cudrop_attention_backward(s->context,
                                   &(cudrop_attention_backward_t){.attention = &every_key,
                                                                  .dy = &weights,
                                                                  .weights = &weights,
                                                                  .dscores = &dscores});
}
/* A query and a key that tensor cores take: their kernels ask for more shared memory first. */
static cudrop_tensor_t head(void *data) {
  return cudrop_matrix(data, CUDROP_BF16, 1, 64);
}
static cudrop_status_t attend(fault_state_t *s) {
  const cudrop_tensor_t in = head(s->x), out = head(s->y);
  return cudrop_attend_forward(
      s->context, &(cudrop_attend_forward_t){
                      .attention = &every_key, .q = &in, .k = &in, .v = &in, .o = &out});
}
static cudrop_status_t attend_backward(fault_state_t *s) {
  const cudrop_tensor_t in = head(s->x), dv = head(s->y);
  const cudrop_tensor_t lse = cudrop_vector(s->x, CUDROP_F32, 1);
  return cudrop_attend_backward(
      s->context, &(cudrop_attend_backward_t){.attention = &every_key,
                                              .q = &in,
                                              .k = &in,
                                              .v = &in,
                                              .o = &in,
                                              .lse = &lse,
                                              .dout = &in,
                                              .dv = &dv,
                                              .workspace = s->workspace,
                                              .workspace_bytes = WORKSPACE});
}
static cudrop_status_t embedding(fault_state_t *s) {
  const cudrop_tensor_t tokens = matrix(s->x), y = matrix(s->y);
  const cudrop_tensor_t ids = cudrop_vector(s->bits, CUDROP_I32, ROWS);
  return cudrop_embedding_forward(
      s->context, &(cudrop_embedding_forward_t){.ids = &ids, .tokens = &tokens, .y = &y});
}
static cudrop_status_t embedding_backward(fault_state_t *s) {
  const cudrop_tensor_t dy = matrix(s->x), dtokens = matrix(s->y);
  const cudrop_tensor_t ids = cudrop_vector(s->bits, CUDROP_I32, ROWS);
  return cudrop_embedding_backward(
      s->context, &(cudrop_embedding_backward_t){.ids = &ids,
                                                 .dy = &dy,
                                                 .dtokens = &dtokens,
                                                 .workspace = s->workspace,
                                                 .workspace_bytes = WORKSPACE});
}
static cudrop_status_t download(fault_state_t *s) {
  float back[N];
  return cudrop_download(s->context, back, s->y, sizeof back);
}
cudrop_status_t fault_synchronize(fault_state_t *s) {
  return cudrop_synchronize(s->context);
}
cudrop_status_t fault_free_x(fault_state_t *s) {
  return cudrop_free(s->context, &s->x);
}

const fault_row_t fault_steps[FAULT_STEPS] = {
    {fault_create, "cudrop_create"},
    {fault_alloc_x, "cudrop_alloc"},
    {fault_alloc_y, "cudrop_alloc"},
    {alloc_bits, "cudrop_alloc"},
    {create_block, "cudrop_"}, /* the text names cudrop_alloc or cudrop_prepare */
    {alloc_kept, "cudrop_alloc"},
    {alloc_workspace, "cudrop_alloc"},
    {upload, "cudrop_upload"},
    {fault_drop, "cudrop_forward"},
    {copy, "cudrop_forward"},
    {clear, "cudrop_forward"},
    {drop_strided, "cudrop_backward_accumulate"},
    {alpha, "cudrop_alpha_forward"},
    {export_bits, "cudrop_export_bits"},
    {apply_bits, "cudrop_apply_bits"},
    {count, "cudrop_count_kept"},
    {prepare, "cudrop_prepare"},
    {drop_prepared, "cudrop_forward"},
    {advance, "cudrop_advance"},
    {fused, "cudrop_fused_forward"},
    {fused_backward, "cudrop_fused_backward"},
    {norm, "cudrop_norm_forward"},
    {norm_backward, "cudrop_norm_backward"},
    {attention, "cudrop_attention_forward"},
    {reapply, "cudrop_attention_reapply"},
    {attention_backward, "cudrop_attention_backward"},
    {attend, "cudrop_attend_forward"},
    {attend_backward, "cudrop_attend_backward"},
    {embedding, "cudrop_embedding_forward"},
    {embedding_backward, "cudrop_embedding_backward"},
    {download, "cudrop_download"},
    {fault_synchronize, "cudrop_synchronize"},
    {fault_free_x, "cudrop_free"},
};
