/* tensor.h - element types and layouts, as the library sees them. */
#ifndef CUDROP_TENSOR_H
#define CUDROP_TENSOR_H

#include <stdbool.h>

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/* "F32" and the like, "no type" for a value that is none. */
const char *cudropi_dtype_name(cudrop_dtype_t dtype);

/*
 * Write the row-major strides of a shape. A product that overflows wraps around; validation refuses
 * such shapes.
 */
void cudropi_row_major(int rank, const int64_t *shape, int64_t *stride);

/* Write the number of elements of a shape of sizes >= 0 to *n; false past 63 bits. */
bool cudropi_count(int rank, const int64_t *shape, int64_t *n);

/* A tensor of packed bits or of a total in the caller's memory. The slot says which. */
cudrop_tensor_t cudropi_pack(const void *memory, int rank, const int64_t *shape);

#endif /* CUDROP_TENSOR_H */
