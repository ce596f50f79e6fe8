/* view.c - tensors for tests. */
#include "view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

enum { FENCE = 64 };

static size_t element_bytes(cudrop_dtype_t dtype) {
  switch (dtype) {
    case CUDROP_U8:
    case CUDROP_F8E4M3:
    case CUDROP_F8E5M2:
      return 1;
    case CUDROP_F16:
    case CUDROP_BF16:
      return 2;
    case CUDROP_F32:
    case CUDROP_I32:
      return 4;
    default:
      return 8;
  }
}

view_t view_make(cudrop_dtype_t dtype, int rank, const int64_t *shape,
                 const int64_t *stride, int shift) {
  view_t view = {.tensor = {.dtype = dtype, .rank = rank}};
  int64_t dense = 1, below = 0, above = 0;
  for (int d = rank - 1; d >= 0; --d) {
    view.tensor.shape[d] = shape[d];
    view.tensor.stride[d] = stride != NULL ? stride[d] : dense;
    dense *= shape[d];
    const int64_t extent = (shape[d] - 1) * view.tensor.stride[d];
    if (extent < 0) below -= extent;
    if (extent > 0) above += extent;
  }
  const size_t size = element_bytes(dtype);
  const size_t span = dense == 0 ? 0 : (size_t)(below + 1 + above) * size;
  view.bytes = FENCE + (size_t)shift * size + span + FENCE;
  view.block = aligned_alloc(64, (view.bytes + 63) / 64 * 64);
  if (view.block == NULL) abort();
  memset(view.block, VIEW_POISON, view.bytes);
  view.tensor.data = view.block + FENCE + ((size_t)shift + (size_t)below) * size;
  return view;
}

view_t view_copy(const view_t *view) {
  view_t copy = *view;
  copy.block = aligned_alloc(64, (view->bytes + 63) / 64 * 64);
  if (copy.block == NULL) abort();
  memcpy(copy.block, view->block, view->bytes);
  copy.tensor.data = copy.block + ((uint8_t *)view->tensor.data - view->block);
  return copy;
}

void view_replace(view_t *to, const view_t *from) {
  view_free(to);
  *to = view_copy(from);
}

void view_insist(cudrop_status_t status) {
  if (status == CUDROP_OK) return;
  fprintf(stderr, "%s\n", cudrop_last_error());
  abort();
}

placed_t view_place(cudrop_context_t *context, const view_t *view, bool with_fences) {
  placed_t placed = {.tensor = view->tensor};
  const size_t fence = with_fences ? 0 : FENCE;
  const size_t bytes = view->bytes - 2 * fence;
  view_insist(cudrop_alloc(context, bytes, &placed.buffer));
  view_insist(cudrop_upload(context, placed.buffer, view->block + fence, bytes));
  placed.tensor.data = placed.buffer;
  if (bytes > 0)
    placed.tensor.data =
        (uint8_t *)placed.buffer + ((uint8_t *)view->tensor.data - (view->block + fence));
  return placed;
}

void view_fetch(cudrop_context_t *context, const placed_t *placed, view_t *view) {
  view_insist(cudrop_download(context, view->block, placed->buffer, view->bytes));
}

void view_displace(cudrop_context_t *context, placed_t *placed) {
  view_insist(cudrop_free(context, &placed->buffer));
}

void view_free(view_t *view) {
  free(view->block);
  view->block = NULL;
}

int64_t view_count(const view_t *view) {
  int64_t n = 1;
  for (int d = 0; d < view->tensor.rank; ++d) n *= view->tensor.shape[d];
  return n;
}

int64_t view_coordinate(const view_t *view, int64_t e, int d) {
  for (int k = view->tensor.rank - 1; k > d; --k) e /= view->tensor.shape[k];
  return e % view->tensor.shape[d];
}

void *view_element(const view_t *view, int64_t e) {
  int64_t position = 0;
  for (int d = 0; d < view->tensor.rank; ++d)
    position += view_coordinate(view, e, d) * view->tensor.stride[d];
  return (uint8_t *)view->tensor.data +
         position * (int64_t)element_bytes(view->tensor.dtype);
}

double view_get(const view_t *view, int64_t e) {
  return oracle_read(view->tensor.dtype, view_element(view, e));
}

/* A small generator of its own (xorshift64*), so that data shares nothing with masks. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 2685821657736338717u;
}

/* The least value above 0 of a type. */
static double find_least(cudrop_dtype_t dtype) {
  switch (dtype) {
    case CUDROP_F16:
      return 0x1p-24;
    case CUDROP_BF16:
      return 0x1p-133;
    case CUDROP_F8E4M3:
      return 0x1p-9;
    case CUDROP_F8E5M2:
      return 0x1p-16;
    case CUDROP_F64:
      return 0x1p-1074;
    default:
      return 0x1p-149;
  }
}

double view_tiny(cudrop_dtype_t dtype, uint64_t random) {
  const double size = find_least(dtype) * (double)(random & 4 ? 0 : 1 + (random & 2));
  return random & 1 ? -size : size;
}

void *view_make_workspace(cudrop_context_t *context, size_t bytes, void **buffer) {
  enum { BEHIND = 16 }; /* a boundary of 256 bytes */
  *buffer = NULL;
  if (bytes == 0) return NULL;
  view_insist(cudrop_alloc(context, bytes + BEHIND, buffer));
  return (uint8_t *)*buffer + BEHIND;
}

void view_randomise(view_t *view, uint64_t seed) {
  uint64_t state = seed * 2 + 1;
  const cudrop_dtype_t dtype = view->tensor.dtype;
  const size_t size = element_bytes(dtype);
  for (size_t at = 0; at + size <= view->bytes; at += size) {
    const uint64_t random = next_random(&state), kind = random >> 8 & 0xff;
    if (dtype == CUDROP_U8) {
      view->block[at] = random >> 32 & 1 ? (uint8_t)(random >> 40) : 0;
    } else if (random % 4 == 0) { /* any bits at all */
      memcpy(view->block + at, (const uint8_t *)&random + (8 - size), size);
    } else if (kind < 32) {
      oracle_write(dtype, view_tiny(dtype, random >> 16), view->block + at);
    } else if (kind < 35) {
      oracle_write(dtype,
                   kind == 32   ? (double)NAN
                   : kind == 33 ? INFINITY
                                : -INFINITY,
                   view->block + at);
    } else {
      oracle_write(view->tensor.dtype, (double)(int64_t)random * 0x1p-61,
                   view->block + at);
    }
  }
}

static bool are_equal(cudrop_dtype_t dtype, const void *a, const void *b) {
  if (memcmp(a, b, element_bytes(dtype)) == 0) return true;
  if (dtype == CUDROP_U8) return false;
  const double x = oracle_read(dtype, a), y = oracle_read(dtype, b);
  return x != x && y != y;
}

ptrdiff_t view_difference(const view_t *a, const view_t *b) {
  view_t even = view_copy(b);
  ptrdiff_t difference = -1;
  for (int64_t e = 0; e < view_count(a); ++e) {
    void *element = view_element(&even, e);
    if (are_equal(a->tensor.dtype, view_element(a, e), element))
      memcpy(element, view_element(a, e), element_bytes(a->tensor.dtype));
  }
  for (size_t at = 0; at < a->bytes && difference < 0; ++at)
    if (a->block[at] != even.block[at]) difference = (ptrdiff_t)at;
  view_free(&even);
  return difference;
}

bool view_is_equal(const view_t *a, const view_t *b) {
  if (view_count(a) != view_count(b)) return false;
  for (int64_t e = 0; e < view_count(a); ++e)
    if (!are_equal(a->tensor.dtype, view_element(a, e), view_element(b, e))) return false;
  return true;
}

double view_draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)*state * 0x1p-62;
}

void view_fill_tamely(view_t *view, uint64_t seed) {
  uint64_t state = seed * 2 + 1;
  const size_t size = element_bytes(view->tensor.dtype);
  for (size_t at = 0; at + size <= view->bytes; at += size) {
    const double value = 2.0 * view_draw(&state);
    oracle_write(view->tensor.dtype,
                 state >> 40 & 0xf ? value : view_tiny(view->tensor.dtype, state >> 44),
                 view->block + at);
  }
}

bool view_is_near(const view_t *view, int64_t e, double value, double bound) {
  uint8_t low[8], high[8];
  const cudrop_dtype_t dtype = view->tensor.dtype;
  const double found = oracle_read(dtype, view_element(view, e));
  if (isnan(value)) return isnan(found);
  oracle_write(dtype, value - bound, low);
  if (bound == 0.0) return memcmp(low, view_element(view, e), element_bytes(dtype)) == 0;
  if (isinf(value)) return found == value;
  oracle_write(dtype, value + bound, high);
  return oracle_read(dtype, low) <= found && found <= oracle_read(dtype, high);
}

bool view_is_untouched(const view_t *view, const view_t *before, int64_t e) {
  return memcmp(view_element(view, e), view_element(before, e),
                element_bytes(view->tensor.dtype)) == 0;
}

bool view_is_fenced(const view_t *view, const view_t *before, bool is_written) {
  view_t even = view_copy(before);
  const size_t size = element_bytes(view->tensor.dtype);
  for (int64_t e = 0; is_written && e < view_count(view); ++e)
    memcpy(view_element(&even, e), view_element(view, e), size);
  const bool same = memcmp(even.block, view->block, view->bytes) == 0;
  view_free(&even);
  return same;
}
