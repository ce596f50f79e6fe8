/*
 * operator.h - the table of operators, and what each is given.
 *
 *   Dropout x [ratio] [training_mode] -> y [mask] [ratio=] [seed=]   dropout.c says more
 *   Entropy x -> y             -sum of p log p along the last size, which goes; of a Mean it is
 *                              the predictive entropy
 *   Gemm x w [b] -> y          x w + b for rows of one size; w is [in][out], b [out]
 *   Mean x -> y                over the samples
 *   MutualInformation x -> y   Entropy of Mean - Mean of Entropy, over the samples
 *   Relu x -> y
 *   Softmax x -> y             along the last size
 *   Variance x -> y            over the samples: the mean squared distance from their mean
 *
 * All take f32; Dropout every type but u8, Relu also f16 and bf16.
 */
#ifndef OPERATOR_H
#define OPERATOR_H

#include "engine.h"

/* A node of the network on its way through the table. */
typedef struct {
  engine_t *engine;
  const network_node_t *source;
  engine_node_t *node;
} operator_call_t;

/* What an operator does to the samples of its input. */
typedef enum { OPERATOR_KEEPS, OPERATOR_BEGINS, OPERATOR_ENDS } operator_samples_t;

typedef struct operator_table {
  const char *name;
  int least_inputs, most_inputs, most_outputs;
  operator_samples_t samples;
  const char *attribute[NETWORK_ATTRIBUTES]; /* the names it knows */
  device_kernel_t kernel;                    /* of walks.c */
  bool reduces;                              /* likewise: the last size goes */

  /* Check inputs and attributes, write type and shape of the outputs, make a state if any. */
  cudrop_status_t (*infer_shape)(const operator_call_t *call);

  /* The bytes it needs for the engine's setup; NULL: none */
  size_t (*find_workspace)(const operator_call_t *call);

  /* Write what a recorded run reads of the engine's setup, or clear the engine's is_recorded if the
   * run must be recorded anew. Called outside of a CUDA graph. NULL: nothing to do */
  cudrop_status_t (*prepare)(const operator_call_t *call);

  /* Compute the outputs on the context's stream, without allocating or waiting. */
  cudrop_status_t (*run)(const operator_call_t *call);

  /* Free the state; NULL: there is none */
  cudrop_status_t (*destroy)(const operator_call_t *call);
} operator_table_t;

extern const operator_table_t operator_dropout, operator_entropy, operator_gemm,
    operator_mean, operator_mutual_information, operator_relu, operator_softmax,
    operator_variance;

/* The operator of a name, NULL if there is none; write the names of all, for an error. */
const operator_table_t *operator_find(const char *name);
void operator_names(char *text, size_t size);

/* The call of node k. */
operator_call_t operator_call(engine_t *engine, int k);

/* Input k of a call, NULL if it is left out; output k, likewise. */
const engine_value_t *operator_in(const operator_call_t *call, int k);
engine_value_t *operator_out(const operator_call_t *call, int k);

/* The network's own value of input k, which must be there: parameters have their data here. */
const network_value_t *operator_source(const operator_call_t *call, int k);

/* The attribute of a name, or what stands in for it. */
double operator_attribute(const operator_call_t *call, const char *name,
                          double otherwise);

/* A value in the engine's setup as [samples][rows][elements]. */
cudrop_tensor_t operator_tensor(const operator_call_t *call, const engine_value_t *value);

/* Write that output k has the type and the first `rank` sizes of a value. */
void operator_shape_like(const operator_call_t *call, int k, const engine_value_t *value,
                         int rank);

/* ERROR_SHAPE with words unless the first input is by rows, and of at least `rank` sizes. */
cudrop_status_t operator_want_rows(const operator_call_t *call, int rank);

/* ERROR_DTYPE with words unless the first input is of one of these types. */
cudrop_status_t operator_want_dtype(const operator_call_t *call,
                                    const cudrop_dtype_t *dtypes, int count);

#endif /* OPERATOR_H */
