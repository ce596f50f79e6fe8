/*
 * onnx.h - as much of ONNX's files as the node tests of Dropout need: a tensor, and a model of
 * Dropouts as a network. Protocol buffers are read from their wire format; what is not named
 * below is passed over.
 *
 * Source: onnx/onnx.proto of github.com/onnx/onnx, and Operators.md there.
 */
#ifndef ONNX_H
#define ONNX_H

#include "network.h"

enum { ONNX_RANK = CUDROP_MAX_RANK, ONNX_PUTS = 3, ONNX_NODES = 8 };

/* A TensorProto with raw data, which lies in the bytes that it was read from. */
typedef struct {
  cudrop_dtype_t dtype; /* BOOL is U8 */
  int rank;
  int64_t shape[ONNX_RANK];
  int64_t elements;
  const uint8_t *data;
} onnx_tensor_t;

typedef struct {
  char operator_name[NETWORK_NAME];
  int inputs, outputs;
  char input[ONNX_PUTS][NETWORK_NAME]; /* empty: left out */
  char output[ONNX_PUTS][NETWORK_NAME];
  bool has_ratio, has_seed;
  float ratio;
  int64_t seed;
} onnx_node_t;

/* A ModelProto: its nodes, and the names of what its graph takes and gives. */
typedef struct {
  int64_t opset; /* of the domain of ONNX itself */
  int nodes, inputs, outputs;
  onnx_node_t node[ONNX_NODES];
  char input[ONNX_PUTS][NETWORK_NAME];
  char output[ONNX_PUTS][NETWORK_NAME];
} onnx_model_t;

/* Read; false for bytes that are cut short, or hold what is not read here; *error says what. */
bool onnx_read_tensor(onnx_tensor_t *tensor, const void *bytes, size_t size,
                      const char **error);
bool onnx_read_model(onnx_model_t *model, const void *bytes, size_t size,
                     const char **error);

/*
 * Make a network of a model and its inputs' values, input[k] that of model->input[k]: what a
 * node takes first is by rows, along the first size, and all else a parameter. The network is
 * empty before. Opsets 7 to 22 are read: until 11 the ratio is an attribute, and nothing trains;
 * from 12 on it is an input, like training_mode, and there is a seed; 22 differs from 13 in its
 * four float8 types, of which E4M3FN and E5M2 are read. (Before 7 a Dropout trains unless an attribute says otherwise.) False
 * after an error, which is in network->error.
 */
bool onnx_make_network(const onnx_model_t *model, const onnx_tensor_t *input,
                       network_t *network);

#endif /* ONNX_H */
