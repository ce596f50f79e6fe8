/* matrices.c - memory, copies and printing; the same for every backend. */
#include "matrices.h"

#include <stdio.h>
#include <stdlib.h>

void check(cudrop_status_t status) {
  if (status == CUDROP_OK) return;
  fprintf(stderr, "book: %s\n", cudrop_last_error());
  exit(1);
}

static cudrop_tensor_t take(cudrop_context_t *ctx, cudrop_dtype_t dtype) {
  void *buffer = NULL;
  check(cudrop_alloc(ctx, ELEMENTS * cudrop_dtype_bytes(dtype), &buffer));
  return cudrop_matrix(buffer, dtype, ROWS, COLS);
}

matrices_t matrices_open(cudrop_backend_t backend) {
  matrices_t m = {.ctx = NULL};
  check(cudrop_create(&m.ctx, backend, 0));
  m.x = take(m.ctx, CUDROP_F32);
  m.y = take(m.ctx, CUDROP_F32);
  m.keep = take(m.ctx, CUDROP_U8);
  return m;
}

void matrices_close(matrices_t *m) {
  check(cudrop_free(m->ctx, &m->x.data));
  check(cudrop_free(m->ctx, &m->y.data));
  check(cudrop_free(m->ctx, &m->keep.data));
  check(cudrop_destroy(&m->ctx));
}

void matrices_write_x(const matrices_t *m, const float x[ELEMENTS]) {
  check(cudrop_upload(m->ctx, m->x.data, x, ELEMENTS * sizeof *x));
}

void matrices_write_keep(const matrices_t *m, const uint8_t keep[ELEMENTS]) {
  check(cudrop_upload(m->ctx, m->keep.data, keep, ELEMENTS * sizeof *keep));
}

void matrices_read_y(const matrices_t *m, float y[ELEMENTS]) {
  check(cudrop_download(m->ctx, y, m->y.data, ELEMENTS * sizeof *y));
}

void matrices_print_row(const char *label, const float row[COLS], int digits) {
  printf("  %s", label);
  for (int c = 0; c < COLS; ++c)
    printf("%s%.*f", c == 0 ? "" : " ", digits, (double)row[c]);
  putchar('\n');
}

void matrices_print(const float values[ELEMENTS], int digits) {
  for (int r = 0; r < ROWS; ++r) matrices_print_row("  ", values + r * COLS, digits);
}
