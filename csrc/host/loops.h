/* loops.h - activations and F16 of many values at once, by the instructions of a path. */
#ifndef CUDROP_LOOPS_H
#define CUDROP_LOOPS_H

#include "cudrop/cudrop.h"

/* results[j] = f(values[j]) for n values; both may be the same memory. */
typedef void cudropi_map_t(int n, const float *values, float *results);

enum { CUDROPI_ACTIVATIONS = 5 };

/* For every cudrop_activation_t but the identity, which has NULL. */
typedef struct {
  cudropi_map_t *value[CUDROPI_ACTIVATIONS], *slope[CUDROPI_ACTIVATIONS];
  cudropi_map_t *exp_to_zero; /* not one of them, and what a softmax is made of */
  void (*load_f16)(int n, const void *memory, float *values);
  void (*store_f16)(int n, const float *values,
                    void *memory); /* to nearest, ties to even */
} cudropi_loops_t;

/* All have the same bits. */
extern const cudropi_loops_t cudropi_loops_scalar, cudropi_loops_avx2,
    cudropi_loops_avx512;

#endif /* CUDROP_LOOPS_H */
