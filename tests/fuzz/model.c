/*
 * model.c - what the header says of a call, worked out byte by byte: each byte of the arena is
 * asked who owns it.
 */
#include <math.h>
#include <string.h>

#include "oracle.h"
#include "request.h"

__extension__ typedef __int128 wide_t;

/* ---- tensors ------------------------------------------------------------------------------ */

int64_t count_elements(const cudrop_tensor_t *tensor) {
  wide_t n = 1;
  for (int d = 0; d < tensor->rank && d < CUDROP_MAX_RANK; ++d)
    if (tensor->shape[d] == 0) return 0;
  for (int d = 0; d < tensor->rank && d < CUDROP_MAX_RANK; ++d) {
    n *= tensor->shape[d];
    if (n > INT64_MAX || n < 0) return -1;
  }
  return (int64_t)n;
}

/* The coordinate of element e along each dimension. */
static void find_coordinates(const cudrop_tensor_t *tensor, int64_t e, int64_t *at) {
  for (int d = tensor->rank - 1; d >= 0; --d) {
    at[d] = e % tensor->shape[d];
    e /= tensor->shape[d];
  }
}

/* Where element e lies, in bytes from the tensor's data. */
static int64_t locate(const cudrop_tensor_t *tensor, int64_t e) {
  int64_t at[CUDROP_MAX_RANK], position = 0;
  find_coordinates(tensor, e, at);
  for (int d = 0; d < tensor->rank; ++d)
    if (at[d] > 0) position += at[d] * tensor->stride[d];
  return position * (int64_t)cudrop_dtype_bytes(tensor->dtype);
}

static bool is_well_formed(const cudrop_tensor_t *tensor) {
  if (tensor->rank < 0 || tensor->rank > CUDROP_MAX_RANK) return false;
  for (int d = 0; d < tensor->rank; ++d)
    if (tensor->shape[d] < 0) return false;
  return count_elements(tensor) >= 0;
}

static bool has_data(const cudrop_tensor_t *tensor) {
  return count_elements(tensor) == 0 ||
         (tensor->data != NULL &&
          (uintptr_t)tensor->data % cudrop_dtype_bytes(tensor->dtype) == 0);
}

static bool has_same_shape(const cudrop_tensor_t *a, const cudrop_tensor_t *b) {
  return a->rank == b->rank &&
         memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0;
}

/* ---- what a request asks for --------------------------------------------------------------- */

static bool has_x(request_operator_t op) {
  return op <= REQUEST_ALPHA_BACKWARD || op >= REQUEST_APPLY_BYTES;
}
static bool writes_tensor(request_operator_t op) {
  return op != REQUEST_EXPORT_BITS && op != REQUEST_COUNT_KEPT;
}
static bool brings_mask(request_operator_t op) {
  return op >= REQUEST_APPLY_BYTES;
}

static bool takes(request_operator_t op, cudrop_dtype_t dtype) {
  if (op == REQUEST_EXPORT_BYTES) return dtype == CUDROP_U8;
  if (dtype == CUDROP_F8E4M3 || dtype == CUDROP_F8E5M2)
    return op != REQUEST_ACCUMULATE && op != REQUEST_ALPHA_FORWARD &&
           op != REQUEST_ALPHA_BACKWARD;
  return dtype == CUDROP_F32 || dtype == CUDROP_F16 || dtype == CUDROP_BF16 ||
         dtype == CUDROP_F64;
}

static bool is_needed_null(const request_t *request) {
  const request_operator_t op = request->op;
  const unsigned needed = NULL_CONTEXT | NULL_Y | (has_x(op) ? NULL_X : 0u) |
                          (brings_mask(op) ? NULL_KEEP : 0u);
  return (request->nulls & needed) != 0;
}

static bool are_tensors_legal(const request_t *request) {
  const cudrop_tensor_t *x = &request->x, *keep = &request->keep, *y = &request->y;
  const request_operator_t op = request->op;
  if (!is_well_formed(y)) return false;
  if (op == REQUEST_COUNT_KEPT && y->data == NULL) return false;
  if (writes_tensor(op) && !takes(op, y->dtype)) return false;
  if (!has_data(y)) return false;
  if (has_x(op) &&
      !(is_well_formed(x) && x->dtype == y->dtype && has_data(x) && has_same_shape(x, y)))
    return false;
  if (op == REQUEST_APPLY_BITS) return count_elements(y) == 0 || keep->data != NULL;
  return op != REQUEST_APPLY_BYTES || (is_well_formed(keep) && keep->dtype == CUDROP_U8 &&
                                       has_data(keep) && has_same_shape(keep, y));
}

/* The mask index of element e. */
static wide_t find_index(const cudrop_mask_t *mask, const cudrop_tensor_t *y, int64_t e) {
  int64_t at[CUDROP_MAX_RANK];
  wide_t index = (wide_t)mask->index_base;
  if (mask->index_rank == 0) return index + e;
  find_coordinates(y, e, at);
  for (int d = 0; d < y->rank; ++d) index += (wide_t)at[d] * mask->index_stride[d];
  return index;
}

static bool is_mask_legal(const request_t *request) {
  const cudrop_mask_t *mask = &request->mask;
  const int64_t n = count_elements(&request->y);
  if (!(mask->p >= 0.0 && mask->p <= 1.0)) return false;
  if (brings_mask(request->op)) return true;
  if (mask->prepared != NULL && (mask->seed != 0 || mask->p != 0.0)) return false;
  if (mask->index_rank != 0 && mask->index_rank != request->y.rank) return false;
  for (int d = 0; d < mask->index_rank; ++d)
    if (mask->index_stride[d] < 0) return false;
  return n == 0 || find_index(mask, &request->y, n - 1) < (wide_t)1 << 59;
}

/* ---- who owns a byte ------------------------------------------------------------------------ */

static bool is_owned[ARENA];

/* Take `size` bytes for y; false if one of them is taken already. */
static bool take(int64_t from, int64_t size) {
  for (int64_t k = from; k < from + size; ++k) {
    if (is_owned[k]) return false;
    is_owned[k] = true;
  }
  return true;
}

static bool is_free(int64_t from, int64_t size) {
  for (int64_t k = from; k < from + size; ++k)
    if (is_owned[k]) return false;
  return true;
}

static bool is_tensor_free(const cudrop_tensor_t *tensor, const uint8_t *arena,
                           int64_t n) {
  const int64_t data = (const uint8_t *)tensor->data - arena;
  for (int64_t e = 0; e < n; ++e)
    if (!is_free(data + locate(tensor, e), (int64_t)cudrop_dtype_bytes(tensor->dtype)))
      return false;
  return true;
}

static bool is_same_view(const cudrop_tensor_t *a, const cudrop_tensor_t *b) {
  if (a->data != b->data || a->dtype != b->dtype) return false;
  for (int d = 0; d < a->rank; ++d)
    if (a->shape[d] > 1 && a->stride[d] != b->stride[d]) return false;
  return true;
}

static bool take_y(const request_t *request, int64_t data, int64_t n) {
  if (request->op == REQUEST_COUNT_KEPT) return take(data, 8);
  if (request->op == REQUEST_EXPORT_BITS) return take(data, (n + 7) / 8);
  for (int64_t e = 0; e < n; ++e)
    if (!take(data + locate(&request->y, e),
              (int64_t)cudrop_dtype_bytes(request->y.dtype)))
      return false;
  return true;
}

/* No byte of y is written twice, and none of another argument is written. */
static bool is_memory_legal(const request_t *request, const uint8_t *arena) {
  const cudrop_tensor_t *x = &request->x, *keep = &request->keep, *y = &request->y;
  const int64_t n = count_elements(y);
  if (n == 0) return true;
  memset(is_owned, 0, sizeof is_owned);
  if (!take_y(request, (const uint8_t *)y->data - arena, n)) return false;
  if (has_x(request->op) && !is_same_view(x, y) && !is_tensor_free(x, arena, n))
    return false;
  if (request->op == REQUEST_APPLY_BYTES && !is_tensor_free(keep, arena, n)) return false;
  return request->op != REQUEST_APPLY_BITS ||
         is_free((const uint8_t *)keep->data - arena, (n + 7) / 8);
}

bool is_legal(const request_t *request, const uint8_t *arena) {
  return !is_needed_null(request) && are_tensors_legal(request) &&
         is_mask_legal(request) && is_memory_legal(request, arena);
}

/* ---- results -------------------------------------------------------------------------------- */

static bool is_kept(const request_t *request, const uint8_t *base, int64_t e,
                    int64_t keep) {
  const cudrop_mask_t *drawn = &request->drawn;
  if (request->op == REQUEST_APPLY_BYTES)
    return base[keep + locate(&request->keep, e)] != 0;
  if (request->op == REQUEST_APPLY_BITS) return base[keep + e / 8] >> e % 8 & 1;
  return oracle_keep(
      drawn->seed, drawn->offset,
      (uint64_t)find_index(&request->mask, &request->y, e) + request->block_base,
      drawn->p);
}

/* Element e of a tensor, from x to y. */
static void expect_element(const request_t *request, const uint8_t *x, uint8_t *y,
                           bool kept) {
  const cudrop_dtype_t dtype = request->y.dtype;
  const double p = request->drawn.p;
  switch (request->op) {
    case REQUEST_ACCUMULATE:
      oracle_accumulate(dtype, x, kept, p, y);
      break;
    case REQUEST_ALPHA_FORWARD:
      oracle_alpha(dtype, x, kept, p, y);
      break;
    case REQUEST_ALPHA_BACKWARD:
      oracle_alpha_gradient(dtype, x, kept, p, y);
      break;
    case REQUEST_EXPORT_SCALE:
      oracle_scale(dtype, kept, p, y);
      break;
    case REQUEST_EXPORT_BYTES:
      *y = kept;
      break;
    default:
      oracle_drop(dtype, x, kept, p, y);
  }
}

/* A NaN has no bits of its own, but where elements are copied or left alone. */
static void forgive_nan(const request_t *request, uint8_t *expected,
                        const uint8_t *actual, bool kept) {
  const cudrop_dtype_t dtype = request->y.dtype;
  const bool is_exact =
      request->op == REQUEST_ACCUMULATE ? !kept : request->drawn.p == 0.0;
  if (is_exact || dtype == CUDROP_U8) return;
  if (isnan(oracle_read(dtype, expected)) && isnan(oracle_read(dtype, actual)))
    memcpy(expected, actual, cudrop_dtype_bytes(dtype));
}

void expect_result(const request_t *request, const uint8_t *arena, const uint8_t *before,
                   uint8_t *expected, const uint8_t *actual) {
  const int64_t n = count_elements(&request->y);
  const ptrdiff_t x = n == 0 ? 0 : (const uint8_t *)request->x.data - arena;
  const ptrdiff_t keep = n == 0 ? 0 : (const uint8_t *)request->keep.data - arena;
  const ptrdiff_t y = (const uint8_t *)request->y.data - arena;
  uint64_t total = 0;
  if (request->op == REQUEST_EXPORT_BITS && n > 0)
    memset(expected + y, 0, (size_t)(n + 7) / 8);
  for (int64_t e = 0; e < n; ++e) {
    const bool kept = is_kept(request, before, e, keep);
    total += kept;
    if (request->op == REQUEST_EXPORT_BITS)
      expected[y + e / 8] |= (uint8_t)(kept << e % 8);
    if (!writes_tensor(request->op)) continue;
    const ptrdiff_t at = y + locate(&request->y, e);
    const uint8_t *from = has_x(request->op) ? before + x + locate(&request->x, e) : NULL;
    expect_element(request, from, expected + at, kept);
    forgive_nan(request, expected + at, actual + at, kept);
  }
  if (request->op == REQUEST_COUNT_KEPT) memcpy(expected + y, &total, sizeof total);
}
