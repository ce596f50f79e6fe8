/* fused_host.c - bias, activation, dropout and residual, on the host. */
#include "rows_host.h"

/* The first row of a slab, and the one behind its last. */
static void find_slab(const cudropi_rows_t *rows, int64_t slab, int64_t *first,
                      int64_t *end) {
  *first = slab * rows->tiling.slab_rows;
  const int64_t left = rows->rows - *first;
  *end = *first + (left < rows->tiling.slab_rows ? left : rows->tiling.slab_rows);
}

/* The strip of at most `width` columns from `first` on. */
static cudropi_strip_t cut_strip(const cudropi_rows_t *rows, int64_t row, int64_t first,
                                 int width) {
  const int64_t left = rows->cols - first;
  return (cudropi_strip_t){rows, row, first, left < width ? (int)left : width};
}

/* values[j] += others[j] */
static void add(int n, float *values, const float *others) {
  for (int j = 0; j < n; ++j) values[j] = values[j] + others[j];
}

/* x + bias */
static void load_biased(const cudropi_strip_t *strip, float *z) {
  float bias[CUDROPI_STRIP];
  cudropi_strip_load(strip, CUDROPI_ROWS_X, 0.0f, z);
  if (!cudropi_rows_has(strip->rows, CUDROPI_ROWS_BIAS)) return;
  cudropi_strip_load(strip, CUDROPI_ROWS_BIAS, 0.0f, bias);
  add(strip->n, z, bias);
}

/* keep ? value * scale : 0 */
static void drop(const cudropi_strip_t *strip, float *values) {
  const float scale = strip->rows->scale;
  uint8_t kept[CUDROPI_STRIP];
  cudropi_strip_keep(strip, kept);
  for (int j = 0; j < strip->n; ++j) values[j] = kept[j] ? values[j] * scale : 0.0f;
}

void cudropi_host_fused(const cudropi_rows_job_t *job, int64_t slab) {
  const cudropi_rows_t *rows = job->rows;
  cudropi_map_t *const activate = job->activations->value[rows->activation];
  int64_t first = 0, end = 0;
  find_slab(rows, slab, &first, &end);
  for (int64_t row = first; row < end; ++row) {
    for (int64_t col = 0; col < rows->cols; col += CUDROPI_STRIP) {
      const cudropi_strip_t strip = cut_strip(rows, row, col, CUDROPI_STRIP);
      float z[CUDROPI_STRIP], residual[CUDROPI_STRIP];
      load_biased(&strip, z);
      if (activate != NULL) activate(strip.n, z, z);
      drop(&strip, z);
      if (cudropi_rows_has(rows, CUDROPI_ROWS_RESIDUAL)) {
        cudropi_strip_load(&strip, CUDROPI_ROWS_RESIDUAL, 0.0f, residual);
        add(strip.n, z, residual);
      }
      cudropi_strip_store(&strip, CUDROPI_ROWS_Y, z);
    }
  }
}

/* ---- The gradient ----------------------------------------------------------------- */

/* act'(x + bias) * drop(dy), and dx from it. */
static void find_gradient(const cudropi_strip_t *strip, cudropi_map_t *find_slopes,
                          float *gradient) {
  const cudropi_rows_t *rows = strip->rows;
  float z[CUDROPI_STRIP], slope[CUDROPI_STRIP];
  uint8_t kept[CUDROPI_STRIP];
  cudropi_strip_load(strip, CUDROPI_ROWS_DY, 0.0f, gradient);
  cudropi_strip_keep(strip, kept);
  for (int j = 0; j < strip->n; ++j) gradient[j] = gradient[j] * rows->scale;
  if (find_slopes != NULL) {
    load_biased(strip, z);
    find_slopes(strip->n, z, slope);
    for (int j = 0; j < strip->n; ++j) gradient[j] = gradient[j] * slope[j];
  }
  for (int j = 0; j < strip->n; ++j) gradient[j] = kept[j] ? gradient[j] : 0.0f;
}

static void store_gradient(const cudropi_strip_t *strip, const float *gradient) {
  float dx[CUDROPI_STRIP];
  if (!cudropi_rows_has(strip->rows, CUDROPI_ROWS_DX)) return;
  if (!strip->rows->adds_to_data) {
    cudropi_strip_store(strip, CUDROPI_ROWS_DX, gradient);
    return;
  }
  cudropi_strip_load(strip, CUDROPI_ROWS_DX, 0.0f, dx);
  add(strip->n, dx, gradient);
  cudropi_strip_store(strip, CUDROPI_ROWS_DX, dx);
}

void cudropi_host_fused_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  const cudropi_rows_t *rows = job->rows;
  cudropi_map_t *const find_slopes = job->activations->slope[rows->activation];
  const int ways = rows->tiling.ways, lanes = rows->tiling.lanes;
  const int width = lanes * 8 < CUDROPI_STRIP ? lanes * 8 : CUDROPI_STRIP;
  float *partial = rows->partial;
  int64_t first = 0, end = 0;
  find_slab(rows, slab, &first, &end);
  for (int64_t col = 0; col < rows->cols; col += width) {
    float sums[CUDROPI_TILE_THREADS * 8] = {0.0f}; /* of each way */
    float gradient[CUDROPI_STRIP], total[CUDROPI_STRIP] = {0.0f};
    for (int64_t row = first; row < end; ++row) {
      const cudropi_strip_t strip = cut_strip(rows, row, col, width);
      find_gradient(&strip, find_slopes, gradient);
      store_gradient(&strip, gradient);
      add(strip.n, sums + (row - first) % ways * width, gradient);
    }
    const int n = cut_strip(rows, first, col, width).n;
    for (int way = 0; way < ways; ++way) add(n, total, sums + way * width);
    for (int j = 0; partial != NULL && j < n; ++j)
      partial[slab * rows->cols + col + j] = total[j];
  }
}
