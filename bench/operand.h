/*
 * operand.h - the memory of an operand, filled with random data.
 *
 * What lies in a buffer before a call is a pure function of the operand and the position, so
 * that no copy needs to be kept: values between 1/8 and 2 of both signs, never zeros,
 * subnormals or NaNs; for masks, bytes and bits that keep an element with probability 1 - p;
 * ids below a number. The function repeats after BENCH_PERIOD positions.
 */
#ifndef BENCH_OPERAND_H
#define BENCH_OPERAND_H

#include "placement.h"

enum { BENCH_PERIOD = 1048573 }; /* a prime */

/* In which form an operand holds n elements; BENCH_ABSENT: there is none. */
typedef enum {
  BENCH_ABSENT,
  BENCH_VALUES, /* elements of a type */
  BENCH_BYTES,  /* a byte an element */
  BENCH_BITS,   /* a bit an element */
  BENCH_TOTAL,  /* one number of 8 bytes for all */
  BENCH_IDS,    /* an I32 an element */
  BENCH_FORMS
} bench_form_t;

typedef struct {
  bench_form_t form;
  cudrop_dtype_t dtype;   /* of a position: U8 for BYTES, BITS and TOTAL */
  cudrop_tensor_t tensor; /* of VALUES, BYTES and IDS; its data lies in the buffer */
  int64_t start, positions;
  int stream;    /* which random data; the 8 bits of a byte have a stream each */
  double p;      /* of BYTES and BITS: they drop so much */
  int64_t below; /* of IDS */
  bool is_output;
  void *buffer;
} bench_operand_t;

enum { BENCH_STREAMS = 8 }; /* between operands of a case */

/* The element at a position, as it was before any call, in the lower bits of the result. */
uint64_t bench_content(const bench_operand_t *operand, int64_t position);

/*
 * Allocate and fill an operand that is described but for its buffer and its tensor's data; one
 * that is absent gets neither. Give it to bench_operand_close(), also after a failure.
 */
bool bench_operand_open(bench_operand_t *operand, cudrop_context_t *context);
void bench_operand_close(bench_operand_t *operand, cudrop_context_t *context);

/* Fill a buffer of `count` F32 elements with values. */
bool bench_fill(cudrop_context_t *context, void *buffer, int64_t count);

#endif /* BENCH_OPERAND_H */
