/*
 * fuzz_onnx.c - a target for libFuzzer: an input is a tensor of ONNX's, and a model of Dropouts.
 *
 * The model is made a network, with the tensor as the value of every input. What is refused says
 * why; a tensor that is read lies in the bytes that it was read from. What does not hold aborts.
 */
#include "onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

static bool read_tensor(onnx_tensor_t *tensor, const uint8_t *data, size_t size) {
  const char *error = NULL;
  const bool is_read = onnx_read_tensor(tensor, data, size, &error);
  insist(is_read == (error == NULL), "a tensor without a word");
  if (!is_read) return false;
  const size_t bytes = (size_t)tensor->elements * cudrop_dtype_bytes(tensor->dtype);
  insist(tensor->data >= data && bytes <= (size_t)(data + size - tensor->data),
         "a tensor outside of its bytes");
  return true;
}

/* Every input of the model has the tensor's value. */
static void make_network(const onnx_model_t *model, const onnx_tensor_t *tensor) {
  static network_t network;
  onnx_tensor_t input[ONNX_PUTS];
  for (int k = 0; k < ONNX_PUTS; ++k) input[k] = *tensor;
  if (!onnx_make_network(model, input, &network))
    insist(network.error[0] != '\0', "no network, and no word why");
  network_free(&network);
}

/* The first byte is the length of the tensor, whose bytes come next. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static onnx_model_t model;
  onnx_tensor_t tensor;
  const char *error = NULL;
  if (size == 0 || data[0] >= size) return 0;
  const size_t bytes = data[0];
  const bool has_tensor = read_tensor(&tensor, data + 1, bytes);
  const bool has_model =
      onnx_read_model(&model, data + 1 + bytes, size - 1 - bytes, &error);
  insist(has_model == (error == NULL), "a model without a word");
  if (has_tensor && has_model) make_network(&model, &tensor);
  return 0;
}
