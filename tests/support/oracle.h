/*
 * oracle.h - what the library must compute, worked out slowly and in another way.
 *
 * Nothing here includes or calls the library's code: Philox multiplies in 16-bit halves,
 * the mask compares one 80-bit integer, values are rounded by counting quanta in double.
 */
#ifndef CUDROP_ORACLE_H
#define CUDROP_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cudrop/cudrop.h" /* types only */

/* Philox4x32 of `rounds` rounds; 10 is the library's, fewer are for negative controls. */
void oracle_philox(const uint32_t counter[4], const uint32_t key[2], int rounds,
                   uint32_t block[4]);

/* The 16-bit digit and the 64-bit refinement of element `index`. */
uint32_t oracle_digit(uint64_t seed, uint64_t offset, uint64_t index);
uint64_t oracle_refinement(uint64_t seed, uint64_t offset, uint64_t index);

/* Whether the element is kept: not (digit * 2^64 + refinement < floor(p * 2^80)). */
bool oracle_keep(uint64_t seed, uint64_t offset, uint64_t index, double p);

/* The value of an element in memory, and the element nearest to a value, ties to even. */
double oracle_read(cudrop_dtype_t dtype, const void *element);
void oracle_write(cudrop_dtype_t dtype, double value, void *element);

/* One element: *y from *x by the operators' formulas; `kept` says its fate. */
void oracle_drop(cudrop_dtype_t dtype, const void *x, bool kept, double p, void *y);
void oracle_accumulate(cudrop_dtype_t dtype, const void *x, bool kept, double p, void *y);
void oracle_alpha(cudrop_dtype_t dtype, const void *x, bool kept, double p, void *y);
void oracle_alpha_gradient(cudrop_dtype_t dtype, const void *x, bool kept, double p,
                           void *y);
void oracle_scale(cudrop_dtype_t dtype, bool kept, double p, void *y);

#endif /* CUDROP_ORACLE_H */
