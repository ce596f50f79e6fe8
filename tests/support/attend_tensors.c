/* attend_tensors.c - the tensors of section 17, and both calls on them. */
#include "attend_tensors.h"

#include <stdlib.h>
#include <string.h>

#include "around.h"
#include "oracle.h"

const char *const attend_output_names[ATTEND_OUTPUTS] = {"o", "lse", "dq", "dk", "dv"};

attend_tensors_t attend_make(cudrop_dtype_t dtype, int rank, const int64_t *q_shape,
                             const int64_t *k_shape) {
  attend_tensors_t t;
  const view_t q = view_make(dtype, rank, q_shape, NULL, 0);
  const view_t k = view_make(dtype, rank, k_shape, NULL, 0);
  t.input[ATTEND_Q] = q;
  t.input[ATTEND_DOUT] = view_copy(&q);
  t.output[ATTEND_O] = view_copy(&q);
  t.output[ATTEND_DQ] = view_copy(&q);
  t.input[ATTEND_K] = k;
  t.input[ATTEND_V] = view_copy(&k);
  t.output[ATTEND_DK] = view_copy(&k);
  t.output[ATTEND_DV] = view_copy(&k);
  t.output[ATTEND_LSE] = view_make(CUDROP_F32, rank - 1, q_shape, NULL, 0);
  for (int x = 0; x < ATTEND_INPUTS; ++x) attend_fill(&t.input[x], (uint64_t)x + 1, 1.0);
  return t;
}

void attend_free(attend_tensors_t *t) {
  for (int x = 0; x < ATTEND_INPUTS; ++x) view_free(&t->input[x]);
  for (int y = 0; y < ATTEND_OUTPUTS; ++y) view_free(&t->output[y]);
}

/* ---- Calls ------------------------------------------------------------------------ */

/* A call's tensors in the memory of a context. Outputs that are left out stay where they are. */
typedef struct {
  placed_t input[ATTEND_INPUTS], output[ATTEND_OUTPUTS];
} placed_tensors_t;

static placed_tensors_t place(cudrop_context_t *context, const attend_tensors_t *t) {
  placed_tensors_t placed;
  for (int x = 0; x < ATTEND_INPUTS; ++x)
    placed.input[x] = view_place(context, &t->input[x], false);
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    placed.output[y] = view_place(context, &t->output[y], true);
  return placed;
}

static void displace(cudrop_context_t *context, placed_tensors_t *placed,
                     attend_tensors_t *t) {
  for (int x = 0; x < ATTEND_INPUTS; ++x) view_displace(context, &placed->input[x]);
  for (int y = 0; y < ATTEND_OUTPUTS; ++y) {
    view_fetch(context, &placed->output[y], &t->output[y]);
    view_displace(context, &placed->output[y]);
  }
}

static bool was_in_chunks;

bool attend_was_in_chunks(void) {
  return was_in_chunks;
}

static bool is_in_chunks(const cudrop_tensor_t *tensor) {
  bool is_even = (uintptr_t)tensor->data % 16 == 0;
  for (int d = 0; d < tensor->rank - 1; ++d)
    is_even = is_even && tensor->stride[d] % 8 == 0;
  return is_even;
}

static void note_chunks(const placed_tensors_t *placed) {
  was_in_chunks = true;
  for (int x = 0; x < ATTEND_INPUTS; ++x)
    was_in_chunks = was_in_chunks && is_in_chunks(&placed->input[x].tensor);
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    if (y != ATTEND_LSE)
      was_in_chunks = was_in_chunks && is_in_chunks(&placed->output[y].tensor);
}

static const cudrop_tensor_t *get_output(const placed_tensors_t *placed,
                                         const attend_ways_t *ways, attend_output_t y) {
  return ways->without[y] ? NULL : &placed->output[y].tensor;
}

static cudrop_status_t run_forward(cudrop_context_t *context,
                                   const cudrop_attention_t *attention,
                                   attend_tensors_t *t, const attend_ways_t *ways) {
  if (ways->o_is_q) view_replace(&t->output[ATTEND_O], &t->input[ATTEND_Q]);
  placed_tensors_t placed = place(context, t);
  note_chunks(&placed);
  const placed_t *q = ways->o_is_q ? &placed.output[ATTEND_O] : &placed.input[ATTEND_Q];
  const cudrop_status_t status = AROUND(
      context,
      cudrop_attend_forward(context, &(cudrop_attend_forward_t){
                                         .attention = attention,
                                         .q = &q->tensor,
                                         .k = &placed.input[ATTEND_K].tensor,
                                         .v = &placed.input[ATTEND_V].tensor,
                                         .o = &placed.output[ATTEND_O].tensor,
                                         .lse = get_output(&placed, ways, ATTEND_LSE)}));
  displace(context, &placed, t);
  return status;
}

/* A workspace that suffices for the q of the tensors, full of poison. */
static void *make_workspace(cudrop_context_t *context, const attend_tensors_t *t,
                            size_t *bytes, void **buffer) {
  const cudrop_tensor_t *q = &t->input[ATTEND_Q].tensor;
  const int64_t cols = q->shape[q->rank - 1];
  view_insist(cudrop_attend_backward_workspace(view_count(&t->input[ATTEND_Q]) / cols,
                                               cols, bytes));
  void *workspace = view_make_workspace(context, *bytes, buffer);
  void *poison = malloc(*bytes + 1);
  memset(poison, VIEW_POISON, *bytes);
  if (*bytes > 0) view_insist(cudrop_upload(context, workspace, poison, *bytes));
  free(poison);
  return workspace;
}

/* The view whose place dq takes, and the same when it is placed. */
static const view_t *find_view_over(const attend_tensors_t *t, attend_over_t over) {
  return over == ATTEND_OVER_Q   ? &t->input[ATTEND_Q]
         : over == ATTEND_OVER_O ? &t->output[ATTEND_O]
                                 : &t->input[ATTEND_DOUT];
}

static cudrop_status_t run_backward(cudrop_context_t *context,
                                    const cudrop_attention_t *attention,
                                    attend_tensors_t *t, const attend_ways_t *ways) {
  if (ways->dq_is != ATTEND_OVER_NOTHING)
    view_replace(&t->output[ATTEND_DQ], find_view_over(t, ways->dq_is));
  placed_tensors_t placed = place(context, t);
  const cudrop_tensor_t *dq = &placed.output[ATTEND_DQ].tensor;
  void *buffer = NULL;
  cudrop_attend_backward_t args = {
      .attention = attention,
      .q = ways->dq_is == ATTEND_OVER_Q ? dq : &placed.input[ATTEND_Q].tensor,
      .k = &placed.input[ATTEND_K].tensor,
      .v = &placed.input[ATTEND_V].tensor,
      .o = ways->dq_is == ATTEND_OVER_O ? dq : &placed.output[ATTEND_O].tensor,
      .lse = &placed.output[ATTEND_LSE].tensor,
      .dout = ways->dq_is == ATTEND_OVER_DOUT ? dq : &placed.input[ATTEND_DOUT].tensor,
      .dq = get_output(&placed, ways, ATTEND_DQ),
      .dk = get_output(&placed, ways, ATTEND_DK),
      .dv = get_output(&placed, ways, ATTEND_DV),
      .accumulate = ways->accumulates ? CUDROP_ACCUMULATE_DATA : 0};
  args.workspace = make_workspace(context, t, &args.workspace_bytes, &buffer);
  const cudrop_status_t status = AROUND(context, cudrop_attend_backward(context, &args));
  displace(context, &placed, t);
  view_insist(cudrop_free(context, &buffer));
  return status;
}

cudrop_status_t attend_call(cudrop_context_t *context,
                            const cudrop_attention_t *attention, attend_tensors_t *t,
                            const attend_ways_t *ways) {
  const bool *without = ways->without;
  const cudrop_status_t status = run_forward(context, attention, t, ways);
  if (status != CUDROP_OK || without[ATTEND_LSE] ||
      (without[ATTEND_DQ] && without[ATTEND_DK] && without[ATTEND_DV]))
    return status;
  return run_backward(context, attention, t, ways);
}

attend_tensors_t attend_make_whole(cudrop_context_t *context,
                                   const cudrop_attention_t *attention,
                                   cudrop_dtype_t dtype, int rank, const int64_t *q_shape,
                                   const int64_t *k_shape) {
  attend_tensors_t whole = attend_make(dtype, rank, q_shape, k_shape);
  view_insist(attend_call(context, attention, &whole, &(attend_ways_t){0}));
  return whole;
}

/* ---- Elements --------------------------------------------------------------------- */

view_t attend_cut(const view_t *view, int d, int64_t start, int64_t size) {
  const cudrop_tensor_t *whole = &view->tensor;
  int64_t shape[CUDROP_MAX_RANK], inner = 1;
  memcpy(shape, whole->shape, sizeof shape);
  shape[d] = size;
  for (int k = d + 1; k < whole->rank; ++k) inner *= shape[k];
  view_t cut = view_make(whole->dtype, whole->rank, shape, NULL, 0);
  for (int64_t e = 0; e < view_count(&cut); ++e) {
    const int64_t outer = e / (inner * size), rest = e % (inner * size);
    memcpy(view_element(&cut, e),
           view_element(view, (outer * whole->shape[d] + start) * inner + rest),
           cudrop_dtype_bytes(whole->dtype));
  }
  return cut;
}

void attend_fill(view_t *view, uint64_t seed, double size) {
  uint64_t state = seed;
  for (int64_t e = 0; e < view_count(view); ++e) {
    oracle_write(view->tensor.dtype, view_draw(&state) * size, view_element(view, e));
  }
}
