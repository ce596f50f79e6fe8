/*
 * vector_span.h - the functions of spans, in vectors. Include vector_sse2.h or a sibling first.
 *
 * A tile is a vector of keep bits and their elements; a step is TILES tiles.
 */
#ifndef CUDROP_VECTOR_SPAN_H
#define CUDROP_VECTOR_SPAN_H

#include <stddef.h>

#include "host/draw_vector.h"
#include "host/span.h"
#include "ops/drop/apply.h"

enum { AHEAD = 2048 }; /* bytes to prefetch */

/* ---- Elements ---- */

/* Constants for float; each is in every lane. */
typedef struct {
  f32v scale, shift, dropped;
} constants32_t;

/* Constants for double; each is in every lane. */
typedef struct {
  f64v scale, shift, dropped;
} constants64_t;

/* What a span's loop holds in registers. */
typedef struct {
  constants32_t f32;
  constants64_t f64;
  bool streams;
} work_t;

INLINE work_t begin_work(const cudropi_constants_t *constants, bool streams) {
  return (work_t){
      .f32 = {(f32v){0} + constants->f32.scale, (f32v){0} + constants->f32.shift,
              (f32v){0} + constants->f32.dropped},
      .f64 = {(f64v){0} + constants->f64.scale, (f64v){0} + constants->f64.shift,
              (f64v){0} + constants->f64.dropped},
      .streams = streams};
}

INLINE void put(const work_t *work, char *to, u64v value) {
  if (work->streams) {
    stream(to, value);
  } else {
    memcpy(to, &value, sizeof value);
  }
}

/* What a kernel computes for kept elements. */
#define APPLY(NAME, name, KEPT) \
  if (kernel == CUDROPI_KERNEL_##NAME) return KEPT;
INLINE f32v kept32(constants32_t c, cudropi_kernel_t kernel, f32v x, f32v y) {
  CUDROPI_APPLY_LIST(APPLY)
  return x;
}
INLINE f64v kept64(constants64_t c, cudropi_kernel_t kernel, f64v x, f64v y) {
  CUDROPI_APPLY_LIST(APPLY)
  return x;
}
#undef APPLY

/* Does the kernel write +0 for a dropped element? */
INLINE bool drops_to_zero(cudropi_kernel_t kernel) {
  return kernel != CUDROPI_KERNEL_AFFINE && kernel != CUDROPI_KERNEL_ACCUMULATE;
}
/* What a kernel writes for a tile of 16-bit elements: `kept`, or +0 or `dropped`. */
INLINE u16v pick16(cudropi_kernel_t kernel, keep_t keep, u16v kept, u16v dropped) {
  return drops_to_zero(kernel) ? keep16(keep, kept) : choose16(keep, kept, dropped);
}
/* The same for part k of a tile of 32-bit elements. */
INLINE u32v pick32(cudropi_kernel_t kernel, keep_t keep, int k, u32v kept, u32v dropped) {
  return drops_to_zero(kernel) ? keep32(keep, k, kept) : choose32(keep, k, kept, dropped);
}
/* The same for part k of a tile of 64-bit elements. */
INLINE u64v pick64(cudropi_kernel_t kernel, keep_t keep, int k, u64v kept, u64v dropped) {
  return drops_to_zero(kernel) ? keep64(keep, k, kept) : choose64(keep, k, kept, dropped);
}

INLINE void tile_f32(const work_t *work, cudropi_kernel_t kernel, keep_t keep,
                     const char *x, char *y) {
#pragma GCC unroll 4
  for (int part = 0; part < 2; ++part, x += VECTOR, y += VECTOR) {
    const u32v in = kernel == CUDROPI_KERNEL_FILL ? (u32v){0} : (u32v)load(x);
    const u32v old = kernel == CUDROPI_KERNEL_ACCUMULATE ? (u32v)load(y) : (u32v){0};
    const u32v dropped = kernel == CUDROPI_KERNEL_AFFINE ? (u32v)work->f32.dropped : old;
    const u32v kept = kernel == CUDROPI_KERNEL_SELECT
                          ? in
                          : (u32v)kept32(work->f32, kernel, (f32v)in, (f32v)old);
    put(work, y, (u64v)pick32(kernel, keep, part, kept, dropped));
  }
}

INLINE void tile_f64(const work_t *work, cudropi_kernel_t kernel, keep_t keep,
                     const char *x, char *y) {
#pragma GCC unroll 4
  for (int part = 0; part < 4; ++part, x += VECTOR, y += VECTOR) {
    const u64v in = kernel == CUDROPI_KERNEL_FILL ? (u64v){0} : load(x);
    const u64v old = kernel == CUDROPI_KERNEL_ACCUMULATE ? load(y) : (u64v){0};
    const u64v dropped = kernel == CUDROPI_KERNEL_AFFINE ? (u64v)work->f64.dropped : old;
    const u64v kept = kernel == CUDROPI_KERNEL_SELECT
                          ? in
                          : (u64v)kept64(work->f64, kernel, (f64v)in, (f64v)old);
    put(work, y, pick64(kernel, keep, part, kept, dropped));
  }
}

/*
 * Round to BF16, to nearest even; the result is in the upper halves. A NaN stays a NaN: its lower
 * half is 0, because it comes from BF16 numbers or from the processor, so the sum does not carry.
 */
INLINE u32v round_bf16(f32v value) {
  const u32v bits = (u32v)value;
  return bits + 0x7fff + (bits >> 16 & 1);
}

/* Even and odd elements are computed apart: a BF16 number is the upper half of a float. */
INLINE u16v kept_bf16(const work_t *work, cudropi_kernel_t kernel, u16v x, u16v y) {
  const u32v in = (u32v)x, old = (u32v)y;
  const f32v even = kept32(work->f32, kernel, (f32v)(in << 16), (f32v)(old << 16));
  const f32v odd =
      kept32(work->f32, kernel, (f32v)(in & 0xffff0000u), (f32v)(old & 0xffff0000u));
  return narrow(round_bf16(even), round_bf16(odd));
}

INLINE void tile_bf16(const work_t *work, cudropi_kernel_t kernel, keep_t keep,
                      const char *x, char *y) {
  const u16v in = kernel == CUDROPI_KERNEL_FILL ? (u16v){0} : (u16v)load(x);
  const u16v old = kernel == CUDROPI_KERNEL_ACCUMULATE ? (u16v)load(y) : (u16v){0};
  const u16v kept =
      kernel == CUDROPI_KERNEL_SELECT ? in : kept_bf16(work, kernel, in, old);
  const u32v dropped_half = round_bf16(work->f32.dropped);
  const u16v dropped =
      kernel == CUDROPI_KERNEL_AFFINE ? narrow(dropped_half, dropped_half) : old;
  put(work, y, (u64v)pick16(kernel, keep, kept, dropped));
}

#if HAS_F16C
INLINE u16v kept_f16(const work_t *work, cudropi_kernel_t kernel, const char *x,
                     char *y) {
  f32v part[2];
#pragma GCC unroll 4
  for (int k = 0; k < 2; ++k) {
    const ptrdiff_t at = k * VECTOR / 2;
    const f32v in = kernel == CUDROPI_KERNEL_FILL ? (f32v){0} : floats_of_halves(x + at);
    const f32v old =
        kernel == CUDROPI_KERNEL_ACCUMULATE ? floats_of_halves(y + at) : (f32v){0};
    part[k] = kept32(work->f32, kernel, in, old);
  }
  return halves_of_floats(part[0], part[1]);
}

INLINE void tile_f16(const work_t *work, cudropi_kernel_t kernel, keep_t keep,
                     const char *x, char *y) {
  const u16v kept =
      kernel == CUDROPI_KERNEL_SELECT ? (u16v)load(x) : kept_f16(work, kernel, x, y);
  const u16v dropped =
      kernel == CUDROPI_KERNEL_AFFINE
          ? halves_of_floats(work->f32.dropped, work->f32.dropped)
          : (kernel == CUDROPI_KERNEL_ACCUMULATE ? (u16v)load(y) : (u16v){0});
  put(work, y, (u64v)pick16(kernel, keep, kept, dropped));
}
#endif

/* ---- Spans ---- */

/* Where keep bits come from; a constant in every span function. */
typedef enum { PHILOX, BITS, BYTES } source_t;
/* The type of elements; a constant in every span function. */
typedef enum { F32, F64, BF16, F16, MASK } element_t;

INLINE keep_t brought_keep(source_t source, const char *keep, int64_t e) {
  uint32_t bits = 0;
  if (source == BYTES) return from_bytes(keep + e);
  memcpy(&bits, keep + e / 8, TILE / 8);
  return from_bits(bits);
}

/* Write the mask itself, as bits or bytes. */
INLINE void tile_mask(cudropi_kernel_t kernel, keep_t keep, int64_t e, char *y) {
  const uint32_t bits = to_bits(keep);
  if (kernel == CUDROPI_KERNEL_BYTES) {
    to_bytes(y + e, keep);
  } else {
    memcpy(y + e / 8, &bits, TILE / 8);
  }
}

INLINE void do_tile(const work_t *work, cudropi_kernel_t kernel, element_t element,
                    keep_t keep, int64_t e, const char *x, char *y) {
  switch (element) {
    case F32:
      tile_f32(work, kernel, keep, x + 4 * e, y + 4 * e);
      break;
    case F64:
      tile_f64(work, kernel, keep, x + 8 * e, y + 8 * e);
      break;
    case BF16:
      tile_bf16(work, kernel, keep, x + 2 * e, y + 2 * e);
      break;
    case F16:
#if HAS_F16C
      tile_f16(work, kernel, keep, x + 2 * e, y + 2 * e);
#endif
      break;
    case MASK:
      tile_mask(kernel, keep, e, y);
      break;
  }
}

INLINE void walk(cudropi_span_t *span, source_t source, cudropi_kernel_t kernel,
                 element_t element, bool streams) {
  const work_t work = begin_work(&span->plan->constants, streams);
  const cudrop_mask_schedule_t *mask = &span->plan->draw.schedule;
  lanes_t lanes[2] = {spread(mask), spread(mask)};
  __asm__("" : "+m"(lanes)); /* keep `lanes` in memory, where instructions read it */
  const int64_t bytes = element == F64 ? 8 : element == F32 ? 4 : 2;
  const uint64_t first = span->group;
  char *y = span->y;
  const char *x = span->x != NULL ? span->x : y; /* a kernel without an x reads none */
  const char *brought = span->keep;
  uint64_t kept = 0;
  for (int64_t e = 0; e < span->n; e += (int64_t)TILES * TILE) {
    keep_t keep[TILES];
    if (source == PHILOX) draw(mask, lanes, first + (uint64_t)e / 8, keep);
#pragma GCC unroll 4
    for (int t = 0; t < TILES; ++t) {
      const int64_t at = e + (int64_t)t * TILE;
      if (source != PHILOX) keep[t] = brought_keep(source, brought, at);
      if (streams && kernel != CUDROPI_KERNEL_FILL)
        __builtin_prefetch(x + at * bytes + AHEAD);
      if (kernel == CUDROPI_KERNEL_COUNT) {
        kept += (uint64_t)__builtin_popcount(to_bits(keep[t]));
      } else {
        do_tile(&work, kernel, element, keep[t], at, x, y);
      }
    }
  }
  span->kept += kept;
}

/* X(source, kernel, element) for each combination that has a function. */
#define SPANS_OF_FLOATS(X, ELEMENT) \
  X(PHILOX, SCALE, ELEMENT)         \
  X(PHILOX, ACCUMULATE, ELEMENT)    \
  X(PHILOX, AFFINE, ELEMENT)        \
  X(PHILOX, FILL, ELEMENT)          \
  X(BITS, SCALE, ELEMENT)           \
  X(BITS, SELECT, ELEMENT)          \
  X(BYTES, SCALE, ELEMENT)          \
  X(BYTES, SELECT, ELEMENT)
#if HAS_F16C
#define SPANS_OF_F16(X) SPANS_OF_FLOATS(X, F16)
#else
#define SPANS_OF_F16(X)
#endif
#define SPAN_LIST(X)       \
  SPANS_OF_FLOATS(X, F32)  \
  SPANS_OF_FLOATS(X, F64)  \
  SPANS_OF_FLOATS(X, BF16) \
  SPANS_OF_F16(X)          \
  X(PHILOX, BYTES, MASK)   \
  X(PHILOX, BITS, MASK)    \
  X(PHILOX, COUNT, MASK)

#define DEFINE_SPAN(SOURCE, KERNEL, ELEMENT)                            \
  static void SOURCE##_##KERNEL##_##ELEMENT(cudropi_span_t *span) {     \
    const bool can_stream = ELEMENT != MASK;                            \
    if (can_stream && span->streams) {                                  \
      walk(span, SOURCE, CUDROPI_KERNEL_##KERNEL, ELEMENT, can_stream); \
      _mm_sfence();                                                     \
    } else {                                                            \
      walk(span, SOURCE, CUDROPI_KERNEL_##KERNEL, ELEMENT, false);      \
    }                                                                   \
  }
SPAN_LIST(DEFINE_SPAN)

static const struct {
  source_t source;
  cudropi_kernel_t kernel;
  element_t element;
  cudropi_span_function_t *function;
} spans[] = {
#define SPAN_ROW(SOURCE, KERNEL, ELEMENT) \
  {SOURCE, CUDROPI_KERNEL_##KERNEL, ELEMENT, SOURCE##_##KERNEL##_##ELEMENT},
    SPAN_LIST(SPAN_ROW)
#undef SPAN_ROW
};

static element_t element_of(cudrop_dtype_t dtype) {
  switch (dtype) {
    case CUDROP_F32:
      return F32;
    case CUDROP_F64:
      return F64;
    case CUDROP_BF16:
      return BF16;
    case CUDROP_F16:
      return F16;
    default:
      return MASK;
  }
}

static cudropi_span_function_t *find_span(const cudropi_plan_t *plan) {
  const source_t source = plan->draw.source == CUDROPI_FROM_PHILOX ? PHILOX
                          : plan->operand[CUDROPI_KEEP].bits == 8  ? BYTES
                                                                   : BITS;
  const element_t element = element_of(plan->operand[CUDROPI_Y].dtype);
  if (plan->draw.source != CUDROPI_FROM_PHILOX &&
      plan->draw.source != CUDROPI_FROM_OPERAND)
    return NULL;
  for (size_t k = 0; k < sizeof spans / sizeof spans[0]; ++k)
    if (spans[k].source == source && spans[k].kernel == plan->kernel &&
        spans[k].element == element)
      return spans[k].function;
  return NULL;
}

#endif /* CUDROP_VECTOR_SPAN_H */
