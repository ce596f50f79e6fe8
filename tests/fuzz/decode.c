/* decode.c - bytes of an input become the arguments of a call. */
#include <math.h>
#include <string.h>

#include "request.h"

unsigned take_byte(bytes_t *bytes) {
  if (bytes->left == 0) return 0;
  --bytes->left;
  return *bytes->at++;
}

uint64_t take_word(bytes_t *bytes) {
  uint64_t word = 0;
  for (int k = 0; k < 8; ++k) word = word << 8 | take_byte(bytes);
  return word;
}

double take_rate(bytes_t *bytes) {
  static const double rates[] = {0.5,       0.1,       0.0,       1.0,  0.9,
                                 0x1p-16,   0x1p-1074, 0x1p-1022, 0.75, 1 - 0x1p-53,
                                 1.0 / 3.0, -0.0,      -0x1p-60,  1.5,  NAN,
                                 INFINITY,  -INFINITY, 0x1p-81};
  const unsigned choice = take_byte(bytes);
  if (choice < 200) return rates[choice % (sizeof rates / sizeof rates[0])];
  if (choice < 230) return (double)take_byte(bytes) / 256.0;
  const uint64_t word = take_word(bytes);
  double rate;
  memcpy(&rate, &word, sizeof rate);
  return rate;
}

/* Of a type's elements in 8 bytes all signs, and 1 in each; the largest subnormal, infinity. */
static const struct {
  uint64_t signs, ones, fraction, infinity;
} formats[] = {{1ull << 63, 1, (1ull << 52) - 1, 0x7ffull << 52},       /* F64 */
               {0x8000000080000000, 0x100000001, 0x7fffff, 0x7f800000}, /* F32 */
               {0x8000800080008000, 0x1000100010001, 0x3ff, 0x7c00},    /* F16 */
               {0x8000800080008000, 0x1000100010001, 0x7f, 0x7f80},     /* BF16 */
               {0x8080808080808080, 0x101010101010101, 7, 0x7f},        /* F8E4M3 */
               {0x8080808080808080, 0x101010101010101, 3, 0x7c}};       /* F8E5M2 */
enum { FORMATS = sizeof formats / sizeof formats[0] };

uint64_t make_special(uint64_t random, bool is_finite) {
  const uint64_t choice = random % FORMATS, kind = random / FORMATS % 8;
  const uint64_t fraction = formats[choice].fraction, infinity = formats[choice].infinity;
  const uint64_t extreme[] = {infinity, infinity | 1, infinity - 1};
  const uint64_t tiny[] = {0, 0, 0, 1, fraction};
  const uint64_t value = kind < 5 || is_finite ? tiny[kind % 5] : extreme[kind - 5];
  return value * formats[choice].ones | (random & formats[choice].signs);
}

/* Mostly small; some at the edges of vectors, some that nothing can hold. */
int64_t take_size(bytes_t *bytes) {
  static const int64_t sizes[] = {64,        127,       128,       129,
                                  255,       256,       257,       1000,
                                  4099,      270000,    -1,        INT64_MAX,
                                  INT64_MIN, 1LL << 20, 1LL << 31, 1LL << 32,
                                  1LL << 40, 1LL << 59, 1LL << 62, (1LL << 61) - 1};
  const unsigned choice = take_byte(bytes);
  if (choice < 200) return choice % 41;
  return sizes[(choice - 200) % (sizeof sizes / sizeof sizes[0])];
}

/* Strides of one piece, the dimensions in some order, the innermost `step` apart. */
static void spread(cudrop_tensor_t *tensor, unsigned order, int64_t step) {
  uint64_t stride = (uint64_t)step;
  if (tensor->rank > CUDROP_MAX_RANK) return;
  for (int k = 0; k < tensor->rank; ++k) {
    const int d = order % 2 == 0 ? tensor->rank - 1 - k : k;
    tensor->stride[d] = (int64_t)stride;
    stride *= (uint64_t)tensor->shape[d];
    if (order / 2 % 2 == 1) ++stride; /* a pitch */
  }
}

static void take_strides(bytes_t *bytes, cudrop_tensor_t *tensor) {
  const unsigned way = take_byte(bytes);
  if (tensor->rank < 0 || tensor->rank > CUDROP_MAX_RANK) return;
  spread(tensor, way, 1 + way / 4 % 4);
  if (way < 128) return;
  const unsigned changed = take_byte(bytes);
  for (int d = 0; d < tensor->rank; ++d) {
    if (!(changed >> d & 1)) continue;
    const int64_t stride = tensor->stride[d];
    tensor->stride[d] = way < 160   ? 0
                        : way < 208 ? (int64_t) - (uint64_t)stride
                        : way < 240 ? (int64_t)take_byte(bytes) - 128
                                    : (int64_t)take_word(bytes);
  }
}

/* The lowest byte and the one past the highest; false if there is no telling. */
static bool find_span(const cudrop_tensor_t *tensor, int64_t *low, int64_t *high) {
  __extension__ typedef __int128 wide_t;
  const wide_t size = (wide_t)cudrop_dtype_bytes(tensor->dtype);
  wide_t least = 0, most = size;
  *low = *high = 0;
  if (tensor->rank < 0 || tensor->rank > CUDROP_MAX_RANK) return false;
  for (int d = 0; d < tensor->rank; ++d)
    if (tensor->shape[d] == 0) return true;
  for (int d = 0; d < tensor->rank; ++d) {
    const wide_t steps = ((wide_t)tensor->shape[d] - 1) * (wide_t)tensor->stride[d];
    if (tensor->shape[d] < 0) return false;
    const wide_t extent = steps < -ARENA  ? -ARENA - 1
                          : steps > ARENA ? ARENA + 1
                                          : steps * size;
    if (extent < 0) least += extent;
    if (extent > 0) most += extent;
  }
  *low = least < -ARENA ? -ARENA - 1 : (int64_t)least;
  *high = most > ARENA ? ARENA + 1 : (int64_t)most;
  return true;
}

/* Put a tensor somewhere in the arena; false if it does not go in. */
static bool place(bytes_t *bytes, cudrop_tensor_t *tensor, uint8_t *arena) {
  const unsigned where = take_byte(bytes);
  int64_t low = 0, high = 0;
  const int64_t at =
      (int64_t)((where % 32 << 8) | (where < 200 ? where / 32 * 64 : where));
  tensor->data = arena + at;
  const bool is_known = find_span(tensor, &low, &high);
  if (is_known && at + high - low <= ARENA) {
    tensor->data = arena + (at - low);
    if (where == 255) tensor->data = NULL;
    return true;
  }
  if (is_known && high - low <= ARENA) {
    tensor->data = arena - low;
    return true;
  }
  return false;
}

static cudrop_dtype_t take_dtype(bytes_t *bytes) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                          CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
  const unsigned choice = take_byte(bytes);
  if (choice >= 250) return (cudrop_dtype_t)(choice % 2 == 0 ? choice : choice - 150);
  return choice >= 245 ? CUDROP_U8 : dtypes[choice % 6];
}

static cudrop_tensor_t take_shape(bytes_t *bytes) {
  cudrop_tensor_t tensor = {.rank = 0};
  const unsigned choice = take_byte(bytes);
  tensor.rank = choice < 240 ? (int)(choice % 5) : (int)(choice - 240) - 4;
  for (int d = 0; d < tensor.rank && d < CUDROP_MAX_RANK; ++d)
    tensor.shape[d] = take_size(bytes);
  return tensor;
}

/* A tensor of a shape, or now and then of one that differs from it. */
static cudrop_tensor_t take_view(bytes_t *bytes, const cudrop_tensor_t *shape,
                                 cudrop_dtype_t dtype) {
  cudrop_tensor_t view = *shape;
  const unsigned choice = take_byte(bytes);
  view.dtype = choice == 255 ? take_dtype(bytes) : dtype;
  if (choice == 254) view.shape[take_byte(bytes) % CUDROP_MAX_RANK] = take_size(bytes);
  if (choice == 253) view.rank = (int)take_byte(bytes) - 100;
  take_strides(bytes, &view);
  return view;
}

static cudrop_mask_t take_mask(bytes_t *bytes, const cudrop_tensor_t *y) {
  const unsigned way = take_byte(bytes);
  cudrop_mask_t mask = cudrop_mask(take_byte(bytes), take_byte(bytes), take_rate(bytes));
  if (way & 1) mask.seed = take_word(bytes);
  if (way & 2) mask.offset = take_word(bytes);
  if (way & 4) mask.index_base = take_byte(bytes);
  if (way & 8) mask.index_base = take_word(bytes) >> take_byte(bytes) % 64;
  if (way & 16) {
    mask.index_rank = way & 32 ? (int)take_byte(bytes) - 100 : y->rank;
    for (int d = 0; d < CUDROP_MAX_RANK && d < mask.index_rank; ++d)
      mask.index_stride[d] = take_size(bytes);
  }
  return mask;
}

request_t take_request(bytes_t *bytes, uint8_t *arena) {
  request_t request = {.op = take_byte(bytes) % REQUEST_OPERATORS};
  const unsigned choice = take_byte(bytes);
  const bool is_in_place = choice % 4 == 1;
  if (choice >= 240) request.nulls = 1u << choice % 5;
  const cudrop_tensor_t shape = take_shape(bytes);
  const cudrop_dtype_t dtype = take_dtype(bytes);
  const bool is_plain =
      request.op == REQUEST_EXPORT_BITS || request.op == REQUEST_COUNT_KEPT;
  request.y =
      take_view(bytes, &shape, request.op == REQUEST_EXPORT_BYTES ? CUDROP_U8 : dtype);
  if (is_plain) { /* the strides of which the arena has room for what is written */
    request.y = shape;
    request.y.dtype = request.op == REQUEST_EXPORT_BITS ? CUDROP_U8 : CUDROP_F64;
    if (request.op == REQUEST_EXPORT_BITS) spread(&request.y, 0, 1);
  }
  bool fits = place(bytes, &request.y, arena);
  request.x = is_in_place ? request.y : take_view(bytes, &shape, dtype);
  if (!is_in_place) fits = place(bytes, &request.x, arena) && fits;
  request.keep = take_view(bytes, &shape, CUDROP_U8);
  if (request.op == REQUEST_APPLY_BITS) spread(&request.keep, 0, 1);
  if (request.op == REQUEST_APPLY_BITS || request.op == REQUEST_APPLY_BYTES)
    fits = place(bytes, &request.keep, arena) && fits;
  if (request.op == REQUEST_APPLY_BITS && request.nulls & NULL_KEEP) {
    request.keep.data = NULL; /* of no bits that is fine */
    request.nulls = 0;
  }
  request.mask = take_mask(bytes, &request.y);
  if (!fits || count_elements(&request.y) > MOST_ELEMENTS) {
    request.mask.p = NAN;
    request.nulls &= ~(unsigned)NULL_MASK; /* which would have no rate */
  }
  request.drawn = request.mask;
  return request;
}
