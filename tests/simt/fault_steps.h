/* fault_steps.h - a program of which each call of the CUDA runtime is made to fail. */
#ifndef FAULT_STEPS_H
#define FAULT_STEPS_H

#include "cudrop/cudrop.h"

typedef struct {
  cudrop_context_t *context;
  void *x, *y, *bits, *kept, *workspace;
  cudrop_prepared_t *block;
} fault_state_t;

/* A program's calls in their order; each needs those before it. */
typedef cudrop_status_t fault_step_t(fault_state_t *state);

enum { FAULT_N = 100 }; /* elements of x and y */

/* A vector of so many elements. */
cudrop_tensor_t fault_vector(void *data);

typedef struct {
  fault_step_t *run;
  const char *function; /* whose name a failure must give */
} fault_row_t;

enum { FAULT_STEPS = 33 };
extern const fault_row_t fault_steps[FAULT_STEPS];

/* Steps that tests take by themselves. */
fault_step_t fault_create, fault_alloc_x, fault_alloc_y, fault_drop, fault_synchronize,
    fault_free_x;

#endif /* FAULT_STEPS_H */
