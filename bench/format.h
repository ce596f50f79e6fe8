/* format.h - the element types as binary formats, slowly and without the library. */
#ifndef BENCH_FORMAT_H
#define BENCH_FORMAT_H

#include "catalogue.h"

typedef struct {
  int fraction;  /* bits of it */
  int bias;      /* of the exponent */
  int bits;      /* of an element */
  uint64_t most; /* what a value past the greatest becomes, in bits */
} bench_format_t;

/* By cudrop_dtype_t; U8 has none. */
extern const bench_format_t bench_formats[BENCH_DTYPES];

/* The value of an element that is neither infinite nor NaN. */
double bench_decode(cudrop_dtype_t dtype, uint64_t element);

/* The element nearest to a value that is no NaN, ties to even. */
uint64_t bench_encode(cudrop_dtype_t dtype, double value);

#endif /* BENCH_FORMAT_H */
