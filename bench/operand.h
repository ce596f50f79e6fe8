/*
 * operand.h - the memory of an operand, filled with random data.
 *
 * What lies in a buffer before a call is a pure function of the operand and the position, so
 * that no copy needs to be kept: values between 1/8 and 2 of both signs, never zeros,
 * subnormals or NaNs; for masks, bytes and bits that keep an element with probability 1 - p.
 * The function repeats after BENCH_PERIOD positions.
 */
#ifndef BENCH_OPERAND_H
#define BENCH_OPERAND_H

#include "placement.h"

enum { BENCH_PERIOD = 1048573 }; /* a prime */

/* What an operand is to its call, and with it which random data it holds: the 8 bits of a
 * byte have a stream each. */
typedef enum { BENCH_X = 0, BENCH_KEEP = 8, BENCH_Y = 16, BENCH_ROOF = 24 } bench_role_t;

typedef struct {
  bench_form_t form;
  cudrop_dtype_t dtype;   /* of a position: U8 for all forms but VALUES */
  cudrop_tensor_t tensor; /* of VALUES and BYTES; its data lies in the buffer */
  int64_t start, positions;
  bench_role_t role;
  double p;
  void *buffer;
} bench_operand_t;

/* The element at a position, as it was before any call, in the lower bits of the result. */
uint64_t bench_content(const bench_operand_t *operand, int64_t position);

/*
 * Allocate and fill an operand of a case; one whose form is absent gets no buffer. Give it
 * to bench_operand_close(), also after a failure.
 */
bool bench_operand_open(bench_operand_t *operand, cudrop_context_t *context,
                        const bench_case_t *what, bench_role_t role);
void bench_operand_close(bench_operand_t *operand, cudrop_context_t *context);

/* Fill a buffer of `count` F32 elements with values. */
bool bench_fill(cudrop_context_t *context, void *buffer, int64_t count);

#endif /* BENCH_OPERAND_H */
