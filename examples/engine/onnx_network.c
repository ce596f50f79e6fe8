/* onnx_network.c - a model of Dropouts as the lines of a network. */
#include <stdio.h>
#include <string.h>

#include "onnx.h"

enum { OLDEST = 7, RATIO_IS_INPUT = 12, NEWEST = 22 }; /* opsets */

static bool is_by_rows(const onnx_model_t *model, const char *name) {
  for (int k = 0; k < model->nodes; ++k)
    if (strcmp(model->node[k].input[0], name) == 0) return true;
  return false;
}

static bool add_input(const onnx_model_t *model, int k, const onnx_tensor_t *tensor,
                      network_t *network) {
  const bool rows = is_by_rows(model, model->input[k]);
  char line[NETWORK_LINE];
  int length = snprintf(line, sizeof line, "%s %s %s", rows ? "input" : "parameter",
                        model->input[k], network_dtype_name(tensor->dtype));
  if (rows && tensor->rank == 0)
    return network_fail(network, 0, "'%s' is not by rows", model->input[k]);
  for (int d = rows ? 1 : 0; d < tensor->rank; ++d)
    length += snprintf(line + length, sizeof line - (size_t)length, " %lld",
                       (long long)tensor->shape[d]);
  if (!network_add(network, "%s", line)) return false;
  network_value_t *value = &network->value[network->values - 1];
  if (!rows) memcpy(value->data, tensor->data, network_bytes(value));
  return true;
}

/* Where the opset has ratio and seed; NULL if they are there. */
static const char *check_node(const onnx_node_t *node, int64_t opset) {
  if (strcmp(node->operator_name, "Dropout") != 0) return "a node is no Dropout";
  if (opset >= RATIO_IS_INPUT && node->has_ratio) return "the ratio is an input here";
  if (opset < RATIO_IS_INPUT && (node->has_seed || node->inputs > 1))
    return "there is neither a seed nor an input but the data here";
  if (node->seed < 0 || node->seed > (int64_t)1 << 53) return "a seed above 2^53";
  return NULL;
}

static bool add_node(const onnx_node_t *node, network_t *network) {
  char line[NETWORK_LINE] = "Dropout";
  size_t at = strlen(line);
  for (int k = 0; k < node->inputs; ++k)
    at += (size_t)snprintf(line + at, sizeof line - at, " %s",
                           node->input[k][0] == '\0' ? "_" : node->input[k]);
  at += (size_t)snprintf(line + at, sizeof line - at, " ->");
  for (int k = 0; k < node->outputs && node->output[k][0] != '\0'; ++k)
    at += (size_t)snprintf(line + at, sizeof line - at, " %s", node->output[k]);
  if (node->has_ratio)
    at +=
        (size_t)snprintf(line + at, sizeof line - at, " ratio=%.9g", (double)node->ratio);
  if (node->has_seed)
    snprintf(line + at, sizeof line - at, " seed=%lld", (long long)node->seed);
  return network_add(network, "%s", line);
}

bool onnx_make_network(const onnx_model_t *model, const onnx_tensor_t *input,
                       network_t *network) {
  if (model->opset < OLDEST || model->opset > NEWEST)
    return network_fail(network, 0, "opset %lld is not one of %d to %d",
                        (long long)model->opset, OLDEST, NEWEST);
  for (int k = 0; k < model->inputs; ++k)
    if (!add_input(model, k, &input[k], network)) return false;
  for (int k = 0; k < model->nodes; ++k) {
    const char *error = check_node(&model->node[k], model->opset);
    if (error != NULL) return network_fail(network, 0, "%s", error);
    if (!add_node(&model->node[k], network)) return false;
  }
  for (int k = 0; k < model->outputs; ++k)
    if (!network_add(network, "output %s", model->output[k])) return false;
  return true;
}
