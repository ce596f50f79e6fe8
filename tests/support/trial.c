/* trial.c - calls beside the oracle. */
#include "trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "around.h"
#include "oracle.h"

const char *const trial_operator_names[TRIAL_OPERATORS] = {
    "cudrop_forward",       "cudrop_backward",       "cudrop_backward_accumulate",
    "cudrop_alpha_forward", "cudrop_alpha_backward", "cudrop_export_bytes",
    "cudrop_export_scale",  "cudrop_export_bits",    "cudrop_count_kept",
    "cudrop_apply_bytes",   "cudrop_apply_bits",
};

/* What a trial works on; `expected` begins as a copy of y before the call. */
typedef struct {
  view_t x, keep, y, expected;
} tensors_t;

bool trial_has_input(trial_operator_t op) {
  return op <= TRIAL_ALPHA_BACKWARD || op >= TRIAL_APPLY_BYTES;
}

bool trial_has_mask(trial_operator_t op) {
  return op < TRIAL_APPLY_BYTES;
}

bool trial_takes(trial_operator_t op, cudrop_dtype_t dtype) {
  const bool is_f8 = dtype == CUDROP_F8E4M3 || dtype == CUDROP_F8E5M2;
  const bool computes =
      op == TRIAL_ACCUMULATE || op == TRIAL_ALPHA_FORWARD || op == TRIAL_ALPHA_BACKWARD;
  return !is_f8 || !computes;
}

uint64_t trial_index(const cudrop_mask_t *mask, const view_t *view, int64_t e) {
  if (mask->index_rank == 0) return mask->index_base + (uint64_t)e;
  uint64_t index = mask->index_base;
  for (int d = 0; d < view->tensor.rank; ++d)
    index += (uint64_t)(view_coordinate(view, e, d) * mask->index_stride[d]);
  return index;
}

/* y of a trial: the layout's tensor, or the packed bits or the total of one. */
static view_t make_output(const trial_t *trial) {
  const layout_t *layout = trial->layout;
  int64_t n = 1;
  for (int d = 0; d < layout->rank; ++d) n *= layout->shape[d];
  const int64_t bytes = (n + 7) / 8;
  const int64_t one = 1;
  switch (trial->op) {
    case TRIAL_EXPORT_BITS:
      return view_make(CUDROP_U8, 1, &bytes, NULL, trial->y_shift);
    case TRIAL_COUNT_KEPT:
      return view_make(CUDROP_F64, 1, &one, NULL, trial->y_shift);
    case TRIAL_EXPORT_BYTES:
      return view_make(CUDROP_U8, layout->rank, layout->shape, layout->y_stride,
                       trial->y_shift);
    default:
      return view_make(trial->dtype, layout->rank, layout->shape, layout->y_stride,
                       trial->y_shift);
  }
}

static tensors_t make_tensors(const trial_t *trial) {
  const layout_t *layout = trial->layout;
  tensors_t t = {.y = make_output(trial)};
  t.x = view_make(trial->dtype, layout->rank, layout->shape, layout->x_stride,
                  trial->x_shift);
  view_randomise(&t.x, 1 + trial->mask.offset);
  if (trial->op == TRIAL_ACCUMULATE) view_randomise(&t.y, 2 + trial->mask.offset);
  if (trial->in_place) {
    view_free(&t.y);
    t.y = view_copy(&t.x); /* the call works on y alone; x keeps what it was */
  }
  const int64_t n = view_count(&t.x);
  const int64_t bytes = (n + 7) / 8;
  t.keep = trial->op == TRIAL_APPLY_BITS
               ? view_make(CUDROP_U8, 1, &bytes, NULL, 0)
               : view_make(CUDROP_U8, layout->rank, layout->shape, layout->x_stride, 0);
  view_randomise(&t.keep, 3 + trial->mask.offset);
  t.expected = view_copy(&t.y);
  return t;
}

static void free_tensors(tensors_t *t) {
  view_free(&t->x);
  view_free(&t->keep);
  view_free(&t->y);
  view_free(&t->expected);
}

/* The call itself, on tensors in the context's memory. */
static cudrop_status_t call(cudrop_context_t *context, const trial_t *trial,
                            const cudrop_mask_t *mask, const cudrop_tensor_t *x,
                            const cudrop_tensor_t *keep, const cudrop_tensor_t *y) {
  const layout_t *layout = trial->layout;
  const double p = trial->mask.p;
  switch (trial->op) {
    case TRIAL_FORWARD:
      return cudrop_forward(context, x, mask, y);
    case TRIAL_BACKWARD:
      return cudrop_backward(context, x, mask, y);
    case TRIAL_ACCUMULATE:
      return cudrop_backward_accumulate(context, x, mask, y);
    case TRIAL_ALPHA_FORWARD:
      return cudrop_alpha_forward(context, x, mask, y);
    case TRIAL_ALPHA_BACKWARD:
      return cudrop_alpha_backward(context, x, mask, y);
    case TRIAL_EXPORT_BYTES:
      return cudrop_export_bytes(context, mask, y);
    case TRIAL_EXPORT_SCALE:
      return cudrop_export_scale(context, mask, y);
    case TRIAL_EXPORT_BITS:
      return cudrop_export_bits(context, mask, layout->rank, layout->shape, y->data);
    case TRIAL_COUNT_KEPT:
      return cudrop_count_kept(context, mask, layout->rank, layout->shape, y->data);
    case TRIAL_APPLY_BYTES:
      return cudrop_apply_bytes(context, x, keep, p, y);
    default:
      return cudrop_apply_bits(context, x, keep->data, p, y);
  }
}

/* Place the tensors, make the call, and read y back. */
static cudrop_status_t make_call(cudrop_context_t *context, const trial_t *trial,
                                 tensors_t *t) {
  placed_t x = view_place(context, &t->x, false);
  placed_t keep = view_place(context, &t->keep, false);
  placed_t y = view_place(context, &t->y, true);
  cudrop_mask_t mask = trial->mask;
  cudrop_prepared_t *block = NULL;
  if (trial->prepared) mask = trial_prepare(context, &trial->mask, &block);
  const cudrop_status_t status = AROUND(
      context, call(context, trial, trial->no_mask ? NULL : &mask,
                    trial->in_place ? &y.tensor : &x.tensor, &keep.tensor, &y.tensor));
  view_fetch(context, &y, &t->y);
  view_displace(context, &x);
  view_displace(context, &keep);
  view_displace(context, &y);
  if (cudrop_prepared_destroy(context, &block) != CUDROP_OK) abort();
  return status;
}

static bool find_fate(const trial_t *trial, const tensors_t *t, int64_t e) {
  const cudrop_mask_t *mask = &trial->mask;
  const uint8_t *bits = t->keep.tensor.data;
  switch (trial->op) {
    case TRIAL_APPLY_BYTES:
      return *(uint8_t *)view_element(&t->keep, e) != 0;
    case TRIAL_APPLY_BITS:
      return bits[e / 8] & 1 << e % 8;
    default:
      return oracle_keep(mask->seed, mask->offset, trial_index(mask, &t->x, e), mask->p);
  }
}

/* What element e becomes, written into the expected output. */
static void expect_element(const trial_t *trial, tensors_t *t, int64_t e, bool kept) {
  const cudrop_dtype_t dtype = trial->dtype;
  const double p = trial->mask.p;
  const void *x = view_element(&t->x, e);
  uint8_t *data = t->expected.tensor.data;
  uint64_t total;
  switch (trial->op) {
    case TRIAL_ACCUMULATE:
      oracle_accumulate(dtype, x, kept, p, view_element(&t->expected, e));
      break;
    case TRIAL_ALPHA_FORWARD:
      oracle_alpha(dtype, x, kept, p, view_element(&t->expected, e));
      break;
    case TRIAL_ALPHA_BACKWARD:
      oracle_alpha_gradient(dtype, x, kept, p, view_element(&t->expected, e));
      break;
    case TRIAL_EXPORT_BYTES:
      *(uint8_t *)view_element(&t->expected, e) = kept;
      break;
    case TRIAL_EXPORT_SCALE:
      oracle_scale(dtype, kept, p, view_element(&t->expected, e));
      break;
    case TRIAL_EXPORT_BITS:
      if (e % 8 == 0) data[e / 8] = 0;
      data[e / 8] = (uint8_t)(data[e / 8] | kept << e % 8);
      break;
    case TRIAL_COUNT_KEPT:
      memcpy(&total, data, sizeof total);
      total += kept;
      memcpy(data, &total, sizeof total);
      break;
    default:
      oracle_drop(dtype, x, kept, p, view_element(&t->expected, e));
  }
}

/* Where bits are copied or left alone, a NaN must be the very NaN that it was. */
static bool is_exact(const trial_t *trial, bool kept) {
  if (trial->op == TRIAL_ACCUMULATE) return !kept;
  return trial_has_input(trial->op) && trial->mask.p == 0.0;
}

static bool has_same_bits(const trial_t *trial, const tensors_t *t, int64_t e) {
  return memcmp(view_element(&t->expected, e), view_element(&t->y, e),
                cudrop_dtype_bytes(trial->dtype)) == 0;
}

/* An empty text, or what is wrong: a status, or the byte of the block in which y differs. */
static const char *describe(const trial_t *trial, const tensors_t *t,
                            cudrop_status_t status, ptrdiff_t at) {
  static char text[512];
  const ptrdiff_t from_data = at - ((uint8_t *)t->y.tensor.data - t->y.block);
  text[0] = '\0';
  if (status == CUDROP_OK && at < 0) return text;
  snprintf(text, sizeof text,
           "%s, dtype %d, %s, p = %.17g, offset %llu, base %llu, shifts %d and %d%s: "
           "status %s (%s), first wrong byte %td from the data",
           trial_operator_names[trial->op], (int)trial->dtype, trial->layout->name,
           trial->mask.p, (unsigned long long)trial->mask.offset,
           (unsigned long long)trial->mask.index_base, trial->x_shift, trial->y_shift,
           trial->in_place   ? ", in place"
           : trial->prepared ? ", prepared"
           : trial->no_mask  ? ", no mask"
                             : "",
           cudrop_status_name(status), status == CUDROP_OK ? "" : cudrop_last_error(),
           at < 0 ? -1 : from_data);
  return text;
}

const char *trial_run(cudrop_context_t *context, const trial_t *trial) {
  tensors_t t = make_tensors(trial);
  const int64_t n = view_count(&t.x);
  const cudrop_status_t status = make_call(context, trial, &t);
  if (trial->op == TRIAL_COUNT_KEPT) memset(t.expected.tensor.data, 0, sizeof(uint64_t));
  int64_t inexact = -1;
  for (int64_t e = 0; e < n; ++e) {
    const bool kept = find_fate(trial, &t, e);
    expect_element(trial, &t, e, kept);
    if (is_exact(trial, kept) && !has_same_bits(trial, &t, e)) inexact = e;
  }
  ptrdiff_t at = view_difference(&t.expected, &t.y);
  if (at < 0 && inexact >= 0) at = (uint8_t *)view_element(&t.y, inexact) - t.y.block;
  const char *text = describe(trial, &t, status, at);
  free_tensors(&t);
  return text;
}

const char *trial_compare(cudrop_context_t *reference, cudrop_context_t *context,
                          const trial_t *trial) {
  tensors_t t = make_tensors(trial);
  cudrop_status_t status = make_call(reference, trial, &t);
  const view_t y = t.y;
  t.y = t.expected; /* as y was before the call */
  t.expected = y;
  if (status == CUDROP_OK) status = make_call(context, trial, &t);
  const char *text = describe(trial, &t, status, view_difference(&t.expected, &t.y));
  free_tensors(&t);
  return text;
}

bool trial_keeps(const cudrop_mask_t *mask, const view_t *view, int64_t e) {
  return mask == NULL ||
         oracle_keep(mask->seed, mask->offset, trial_index(mask, view, e), mask->p);
}

float trial_scale(const cudrop_mask_t *mask) {
  const double p = mask == NULL ? 0.0 : mask->p;
  return p < 1.0 ? (float)(1.0 / (1.0 - p)) : 0.0f;
}

cudrop_mask_t trial_prepare(cudrop_context_t *context, const cudrop_mask_t *mask,
                            cudrop_prepared_t **block) {
  cudrop_mask_t value = *mask, prepared = *mask;
  value.offset -= 3;
  value.index_base = mask->index_base / 2 & ~(uint64_t)7; /* the rest is the call's */
  prepared.index_base -= value.index_base;
  view_insist(AROUND(context, cudrop_prepared_create(context, &value, block)));
  prepared.seed = 0;
  prepared.p = 0.0;
  prepared.offset = 3;
  prepared.prepared = *block;
  return prepared;
}

trial_given_t trial_give(cudrop_context_t *context, const cudrop_mask_t *mask,
                         trial_source_t source, int rank, const int64_t *shape) {
  trial_given_t given = {.has_mask = mask != NULL};
  int64_t n = 1;
  if (mask == NULL) return given;
  given.mask = *mask;
  if (source == TRIAL_PREPARED) given.mask = trial_prepare(context, mask, &given.block);
  for (int d = 0; d < rank; ++d) n *= shape[d];
  if (source != TRIAL_BITS || n == 0) return given; /* no elements: no memory for bits */
  view_insist(cudrop_alloc(context, (size_t)(n + 7) / 8, &given.bits));
  view_insist(cudrop_export_bits(context, mask, rank, shape, given.bits));
  given.p = mask->p;
  given.has_mask = false;
  return given;
}

void trial_take_back(cudrop_context_t *context, trial_given_t *given) {
  view_insist(cudrop_prepared_destroy(context, &given->block));
  view_insist(cudrop_free(context, &given->bits));
}

const char *trial_complain(const char *format, ...) {
  static char text[600];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}
