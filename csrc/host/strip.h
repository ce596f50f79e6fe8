/*
 * strip.h - a strip: some neighbours of a row, as floats. Operators on rows work on strips.
 *
 * rows_scalar.c and its siblings include this file. Each compiles it for its own instructions,
 * which are a path.
 */
#ifndef CUDROP_STRIP_H
#define CUDROP_STRIP_H

#include <string.h>
#if defined(__F16C__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#include "host/convert.h"
#include "host/draw_host.h"
#include "host/rows_path.h"

/* CUDROPI_OF_PATH(name) is the symbol `name` of this path. */
#define CUDROPI_JOIN(name, path) name##_##path
#define CUDROPI_JOIN_EXPANDED(name, path) CUDROPI_JOIN(name, path)
#define CUDROPI_OF_PATH(name) CUDROPI_JOIN_EXPANDED(name, CUDROPI_PATH)

#define CUDROPI_DEFINE_HOST(name, ...) \
  const cudropi_host_rows_t CUDROPI_OF_PATH(name) = {__VA_ARGS__}

enum { CUDROPI_STRIP = 256 }; /* the most columns of a strip, a multiple of 8 */

/* Columns [first, first + n) of a row, n <= CUDROPI_STRIP. */
typedef struct {
  const cudropi_rows_job_t *job;
  const cudropi_plan_t *plan;
  int64_t row, first;
  int n;
  int64_t next_row, next_first; /* of the next strip; past the rows: there is none */
  int64_t row_after;            /* the row that the walk takes after this one */
  int64_t run;     /* columns until the walk jumps, from `first` on; 0: unknown */
  bool is_fetched; /* prefetch the next strip: all of it will be needed */
} cudropi_strip_t;

/* ---- Memory ----------------------------------------------------------------------- */

/* Not inlined: copies of these loops for 16-bit types would be half of the machine code of the
 * operators on rows. */
#define CUDROPI_ONCE static __attribute__((noinline))

CUDROPI_ONCE void cudropi_load_bf16(int n, const void *memory, float *values) {
  for (int j = 0; j < n; ++j) {
    uint16_t half;
    memcpy(&half, (const char *)memory + j * 2, sizeof half);
    values[j] = float_from_bf16(half);
  }
}

#if defined(__AVX2__)
/* bf16_from_float() of 8 numbers, none of which is NaN, in the lower half of each lane. */
static inline __m256i cudropi_bf16_of_eight(__m256 numbers) {
  const __m256i bits = _mm256_castps_si256(numbers);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
  return _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
}
#endif

/* Sixteen values at a time if the path has AVX2; the rest, and NaN, one by one. */
CUDROPI_ONCE void cudropi_store_bf16(int n, const float *values, void *memory) {
  enum { STEP = 16 };
  uint16_t *halves = memory;
  for (int j = 0; j < n;) {
#if defined(__AVX2__)
    if (j + STEP <= n) {
      const __m256 a = _mm256_loadu_ps(values + j), b = _mm256_loadu_ps(values + j + 8);
      if (_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_UNORD_Q)) == 0) {
        const __m256i packed =
            _mm256_packus_epi32(cudropi_bf16_of_eight(a), cudropi_bf16_of_eight(b));
        _mm256_storeu_si256((__m256i *)(void *)(halves + j),
                            _mm256_permute4x64_epi64(packed, 0xd8));
        j += STEP;
        continue;
      }
    }
#endif
    for (const int end = j + STEP < n ? j + STEP : n; j < end; ++j) {
      const uint16_t half = bf16_from_float(values[j]);
      memcpy(halves + j, &half, sizeof half);
    }
  }
}

/* Eight values at a time if the path has F16C; the rest one by one. */
CUDROPI_ONCE void cudropi_load_f16(int n, const void *memory, float *values) {
  const uint16_t *halves = memory;
  int j = 0;
#if defined(__F16C__)
  for (; j + 8 <= n; j += 8)
    _mm256_storeu_ps(values + j,
                     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + j))));
#endif
  for (; j < n; ++j) {
    uint16_t half;
    memcpy(&half, halves + j, sizeof half);
    values[j] = float_from_f16(half);
  }
}

CUDROPI_ONCE void cudropi_store_f16(int n, const float *values, void *memory) {
  uint16_t *halves = memory;
  int j = 0;
#if defined(__F16C__)
  for (; j + 8 <= n; j += 8)
    _mm_storeu_si128((__m128i *)(halves + j), _mm256_cvtps_ph(_mm256_loadu_ps(values + j),
                                                              _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; j < n; ++j) {
    const uint16_t half = f16_from_float(values[j]);
    memcpy(halves + j, &half, sizeof half);
  }
}

/* Read n neighbours of type F32, F16 or BF16. */
static inline void cudropi_read(cudrop_dtype_t dtype, int n, const void *memory,
                                float *values) {
  if (dtype == CUDROP_F16) {
    cudropi_load_f16(n, memory, values);
  } else if (dtype == CUDROP_BF16) {
    cudropi_load_bf16(n, memory, values);
  } else {
    memcpy(values, memory, (size_t)n * sizeof *values);
  }
}

static inline void cudropi_write(cudrop_dtype_t dtype, int n, void *memory,
                                 const float *values) {
  if (dtype == CUDROP_F16) {
    cudropi_store_f16(n, values, memory);
  } else if (dtype == CUDROP_BF16) {
    cudropi_store_bf16(n, values, memory);
  } else {
    memcpy(memory, values, (size_t)n * sizeof *values);
  }
}

/* ---- Strips ----------------------------------------------------------------------- */

/* Write the first row of a slab to *first, and the row behind the slab's last to *end. */
static inline void cudropi_find_slab(const cudropi_plan_t *plan, int64_t slab,
                                     int64_t *first, int64_t *end) {
  *first = slab * plan->tiling.slab_rows;
  const int64_t left = plan->rows - *first;
  *end = *first + (left < plan->tiling.slab_rows ? left : plan->tiling.slab_rows);
}

/* How many ways of a slab have rows. The sums of the others are +0, which changes no sum. */
static inline int cudropi_count_ways(const cudropi_plan_t *plan, int64_t slab) {
  int64_t first = 0, end = 0;
  cudropi_find_slab(plan, slab, &first, &end);
  return end - first < plan->tiling.ways ? (int)(end - first) : plan->tiling.ways;
}

/* A strip of at most `width` columns from `first` on. The walk goes along rows. */
static inline cudropi_strip_t cudropi_cut_strip(const cudropi_rows_job_t *job,
                                                int64_t row, int64_t first, int width) {
  const int64_t left = job->plan->cols - first;
  const bool is_last = left <= width;
  return (cudropi_strip_t){.job = job,
                           .plan = job->plan,
                           .row = row,
                           .first = first,
                           .n = is_last ? (int)left : width,
                           .next_row = is_last ? row + 1 : row,
                           .next_first = is_last ? 0 : first + width,
                           .row_after = row + 1,
                           .is_fetched = true};
}

/* values[j] = kept[j] ? from[j] * scale : +0, on bits, because compilers make vectors of that. */
static inline void cudropi_drop(int n, const float *from, float scale,
                                const uint8_t *restrict kept, float *values) {
  for (int j = 0; j < n; ++j) {
    const float scaled = from[j] * scale;
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    bits &= 0u - kept[j];
    memcpy(&values[j], &bits, sizeof bits);
  }
}

/* values[j] += others[j] */
static inline void cudropi_add(int n, float *values, const float *others) {
  for (int j = 0; j < n; ++j) values[j] = values[j] + others[j];
}

static inline char *cudropi_locate(const cudropi_plan_t *plan, int operand, int64_t row,
                                   int64_t col) {
  const cudropi_operand_t *from = &plan->operand[operand];
  const int64_t place = cudropi_row_place(plan->rank, plan->shape, from->stride, row);
  return (char *)from->data + (place + col) * (from->bits / 8);
}

static inline char *cudropi_strip_locate(const cudropi_strip_t *strip, int operand) {
  return cudropi_locate(strip->plan, operand, strip->row, strip->first);
}

/* Prefetch the next strip of an operand. A processor itself prefetches only within a page of
 * memory, and a row is often as long as a page. */
static inline void cudropi_strip_fetch(const cudropi_strip_t *strip, int operand) {
  enum {
    LINE = 64,
    LINES = 4
  }; /* lines at a time, the last ones perhaps past the strip */
  const cudropi_plan_t *plan = strip->plan;
  if (!strip->is_fetched || strip->next_row >= plan->rows) return;
  const char *next = cudropi_locate(plan, operand, strip->next_row, strip->next_first);
  const int bytes = strip->n * (plan->operand[operand].bits / 8);
  for (int k = 0; k < bytes; k += LINES * LINE)
    for (int line = 0; line < LINES; ++line) __builtin_prefetch(next + k + line * LINE);
}

/* Load without prefetch: the data is in a cache. Fill with `absent` if there is no operand. */
static inline void cudropi_strip_load_near(const cudropi_strip_t *strip, int operand,
                                           float absent, float *values) {
  if (cudropi_has(strip->plan, operand)) {
    cudropi_read(strip->plan->operand[operand].dtype, strip->n,
                 cudropi_strip_locate(strip, operand), values);
  } else {
    for (int j = 0; j < strip->n; ++j) values[j] = absent;
  }
}

/* The strip of an operand as floats, like cudropi_strip_load_near(): where it lies if it is F32,
 * else in `buffer`. An operand that lies in the same memory must not be stored before the last
 * look. */
static inline const float *cudropi_strip_look_near(const cudropi_strip_t *strip,
                                                   int operand, float absent,
                                                   float *buffer) {
  if (cudropi_has(strip->plan, operand) &&
      strip->plan->operand[operand].dtype == CUDROP_F32)
    return (const float *)(const void *)cudropi_strip_locate(strip, operand);
  cudropi_strip_load_near(strip, operand, absent, buffer);
  return buffer;
}

/* Load a full operand that the plan has, and prefetch its next strip. */
static inline void cudropi_strip_load(const cudropi_strip_t *strip, int operand,
                                      float *values) {
  cudropi_strip_fetch(strip, operand);
  cudropi_strip_load_near(strip, operand, 0.0f, values);
}

/* Look at a full operand that the plan has, and prefetch its next strip. */
static inline const float *cudropi_strip_look(const cudropi_strip_t *strip, int operand,
                                              float *buffer) {
  cudropi_strip_fetch(strip, operand);
  return cudropi_strip_look_near(strip, operand, 0.0f, buffer);
}

static inline void cudropi_strip_store(const cudropi_strip_t *strip, int operand,
                                       const float *values) {
  cudropi_strip_fetch(strip, operand);
  cudropi_write(strip->plan->operand[operand].dtype, strip->n,
                cudropi_strip_locate(strip, operand), values);
}

/* Store a gradient of data, or add it to the old one. Do nothing if the plan has no operand. */
static inline void cudropi_strip_store_gradient(const cudropi_strip_t *strip, int operand,
                                                const float *gradient) {
  float sum[CUDROPI_STRIP];
  if (!cudropi_has(strip->plan, operand)) return;
  if (!strip->plan->adds_to_data) {
    cudropi_strip_store(strip, operand, gradient);
    return;
  }
  cudropi_strip_load_near(strip, operand, 0.0f, sum);
  cudropi_add(strip->n, sum, gradient);
  cudropi_strip_store(strip, operand, sum);
}

/* Return x + bias, in z or where x lies; x if the plan has no bias. */
static inline const float *cudropi_strip_look_biased(const cudropi_strip_t *strip, int x,
                                                     int bias, float *z) {
  float added[CUDROPI_STRIP];
  const float *from = cudropi_strip_look(strip, x, z);
  if (!cudropi_has(strip->plan, bias)) return from;
  const float *vector = cudropi_strip_look_near(strip, bias, 0.0f, added);
  for (int j = 0; j < strip->n; ++j) z[j] = from[j] + vector[j];
  return z;
}

static inline uint64_t cudropi_strip_index(const cudropi_strip_t *strip, int64_t row,
                                           int64_t first) {
  const cudropi_plan_t *plan = strip->plan;
  const int64_t place =
      cudropi_row_place(plan->rank, plan->shape, plan->draw.index_stride, row);
  return plan->draw.index_base + (uint64_t)(place + first * plan->index_step);
}

/* Draw keep bytes in whole vectors, from the group of `index` on. Draw more than this strip needs
 * if the index of the next strip is near. */
static void draw_ahead(const cudropi_strip_t *strip, uint64_t index) {
  const cudropi_rows_job_t *job = strip->job;
  cudropi_kept_t *drawn = job->kept;
  const int near = strip->n > CUDROPI_SPAN_STEP ? strip->n : CUDROPI_SPAN_STEP;
  int n = strip->n;
  if (strip->next_row < strip->plan->rows &&
      cudropi_strip_index(strip, strip->next_row, strip->next_first) - index <=
          (uint64_t)near)
    n = strip->run == 0 || strip->run > CUDROPI_DRAWN ? CUDROPI_DRAWN : (int)strip->run;
  const int lead = (int)(index % CUDROP_MASK_LANES);
  const int steps = (lead + n + CUDROPI_SPAN_STEP - 1) / CUDROPI_SPAN_STEP;
  const cudropi_lines_t line = {index / CUDROP_MASK_LANES, 0, 1,
                                (int64_t)steps * CUDROPI_SPAN_STEP};
  job->draw(&strip->plan->draw.schedule, &line, drawn->bytes);
  drawn->first = index - (uint64_t)lead;
  drawn->n = steps * CUDROPI_SPAN_STEP;
}

static void keep_neighbours(const cudropi_strip_t *strip, uint64_t index, uint8_t *kept) {
  const cudropi_kept_t *drawn = strip->job->kept;
  if (index - drawn->first > (uint64_t)drawn->n ||
      (int)(index - drawn->first) + strip->n > drawn->n)
    draw_ahead(strip, index);
  memcpy(kept, drawn->bytes + (index - drawn->first), (size_t)strip->n);
}

/* kept[j] = 1 for a kept column, else 0. */
static inline void cudropi_strip_keep(const cudropi_strip_t *strip, uint8_t *kept) {
  const cudropi_plan_t *plan = strip->plan;
  if (plan->draw.source == CUDROPI_FROM_OPERAND) {
    const uint8_t *bits = plan->operand[plan->op->keep].data;
    const int64_t first = strip->row * plan->mask_cols + strip->first;
    for (int j = 0; j < strip->n; ++j) {
      const int64_t e = first + j;
      kept[j] = bits[e >> 3] >> (e & 7) & 1;
    }
    return;
  }
  if (plan->draw.source != CUDROPI_FROM_PHILOX) {
    memset(kept, plan->draw.source == CUDROPI_ALL_KEPT, (size_t)strip->n);
    return;
  }
  const uint64_t index = cudropi_strip_index(strip, strip->row, strip->first);
  if (strip->job->draw != NULL) {
    keep_neighbours(strip, index, kept);
  } else {
    cudropi_draw_indices(&plan->draw.schedule, index, (uint64_t)plan->index_step,
                         strip->n, kept);
  }
}

/* values = keep ? from * scale : +0 */
static inline void cudropi_strip_drop(const cudropi_strip_t *strip, const float *from,
                                      float *values) {
  uint8_t kept[CUDROPI_STRIP];
  cudropi_strip_keep(strip, kept);
  cudropi_drop(strip->n, from, strip->plan->draw.schedule.scale, kept, values);
}

#endif /* CUDROP_STRIP_H */
