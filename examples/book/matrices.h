/* matrices.h - the matrices of the book, 6 by 6, in the memory of a backend. */
#ifndef MATRICES_H
#define MATRICES_H

#include "cudrop/cudrop.h"

enum { ROWS = 6, COLS = 6, ELEMENTS = ROWS * COLS };

typedef struct {
  cudrop_context_t *ctx;
  cudrop_tensor_t x, y; /* F32: what goes into a call, and what comes out */
  cudrop_tensor_t keep; /* U8: a mask from elsewhere */
} matrices_t;

/* Leave the program with status 1, and say why on stderr, unless a call has succeeded. */
void check(cudrop_status_t status);

/* A context of the backend and its matrices; matrices_close() gives both back. */
matrices_t matrices_open(cudrop_backend_t backend);
void matrices_close(matrices_t *m);

/* Copy x or the byte mask to the backend, and y from it. */
void matrices_write_x(const matrices_t *m, const float x[ELEMENTS]);
void matrices_write_keep(const matrices_t *m, const uint8_t keep[ELEMENTS]);
void matrices_read_y(const matrices_t *m, float y[ELEMENTS]);

/* Print ROWS rows, or one behind a label, with so many digits after the point. */
void matrices_print(const float values[ELEMENTS], int digits);
void matrices_print_row(const char *label, const float row[COLS], int digits);

#endif /* MATRICES_H */
