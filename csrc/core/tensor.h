/* tensor.h - element types and layouts, as the library sees them. */
#ifndef CUDROP_TENSOR_H
#define CUDROP_TENSOR_H

#include <stdbool.h>

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/*
 * Two element types that only the library makes tensors of. A packed mask is a tensor of
 * bits with the strides of a dense one; a total is one 64-bit count that all elements
 * share, with strides 0. So every operand of every operator is a tensor.
 */
#define CUDROPI_BIT ((cudrop_dtype_t)100)
#define CUDROPI_TOTAL ((cudrop_dtype_t)101)

/* Bits of one element. */
int64_t cudropi_dtype_bits(cudrop_dtype_t dtype);

/* "F32" and the like, "no type" for a value that is none. */
const char *cudropi_dtype_name(cudrop_dtype_t dtype);

/*
 * Write the row-major strides of a shape. Sizes whose product does not fit wrap around:
 * counting them is validation's work.
 */
void cudropi_row_major(int rank, const int64_t *shape, int64_t *stride);

/* Write the number of elements of a shape of sizes >= 0; false if 64 bits cannot. */
bool cudropi_count(int rank, const int64_t *shape, int64_t *n);

#endif /* CUDROP_TENSOR_H */
