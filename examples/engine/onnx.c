/* onnx.c - the wire format of protocol buffers, and ONNX's messages in it. */
#include "onnx.h"

#include <stdio.h>
#include <string.h>

/* ---- The wire format --------------------------------------------------------------- */

typedef enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 } wire_t;

typedef struct {
  const uint8_t *at, *end;
} message_t;

/* A field of a message: its number in the .proto file, and its value. */
typedef struct {
  uint64_t number;
  wire_t wire;
  uint64_t value;  /* of VARINT and FIXED32 */
  message_t bytes; /* of BYTES */
} field_t;

static bool read_varint(message_t *message, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64 && message->at < message->end; shift += 7) {
    const uint8_t byte = *message->at++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

static bool read_fixed(message_t *message, unsigned bytes, uint64_t *value) {
  *value = 0;
  if ((size_t)(message->end - message->at) < bytes) return false;
  for (unsigned k = 0; k < bytes; ++k) *value |= (uint64_t)*message->at++ << (8 * k);
  return true;
}

static bool read_bytes(message_t *message, message_t *bytes) {
  uint64_t length = 0;
  if (!read_varint(message, &length) || length > (uint64_t)(message->end - message->at))
    return false;
  *bytes = (message_t){message->at, message->at + length};
  message->at += length;
  return true;
}

/* False at a field that is not whole. */
static bool next_field(message_t *message, field_t *field) {
  uint64_t key = 0;
  if (!read_varint(message, &key)) return false;
  *field = (field_t){.number = key >> 3, .wire = (wire_t)(key & 7)};
  switch (field->wire) {
    case VARINT:
      return read_varint(message, &field->value);
    case FIXED64:
      return read_fixed(message, 8, &field->value);
    case BYTES:
      return read_bytes(message, &field->bytes);
    case FIXED32:
      return read_fixed(message, 4, &field->value);
    default:
      return false;
  }
}

/* Give each field of a message to `take`, which returns NULL or what is wrong with it. */
static const char *walk(message_t message, const char *(*take)(void *to, const field_t *),
                        void *to) {
  field_t field;
  while (message.at < message.end) {
    if (!next_field(&message, &field)) return "the file is cut short or no ONNX";
    const char *error = take(to, &field);
    if (error != NULL) return error;
  }
  return NULL;
}

static const char *take_name(char name[NETWORK_NAME], const field_t *field) {
  const size_t length = (size_t)(field->bytes.end - field->bytes.at);
  if (field->wire != BYTES || length >= NETWORK_NAME) return "a name is too long";
  for (size_t k = 0; k < length; ++k)
    if (field->bytes.at[k] <= ' ') return "a name with blanks";
  memcpy(name, field->bytes.at, length);
  name[length] = '\0';
  return NULL;
}

/* ---- TensorProto ------------------------------------------------------------------- */

/* TensorProto.DataType */
static cudrop_dtype_t find_dtype(uint64_t number) {
  static const cudrop_dtype_t dtypes[] = {
      [1] = CUDROP_F32,    [9] = CUDROP_U8, /* BOOL */
      [10] = CUDROP_F16,   [11] = CUDROP_F64,
      [16] = CUDROP_BF16,  [17] = CUDROP_F8E4M3, /* FLOAT8E4M3FN */
      [19] = CUDROP_F8E5M2};
  return number < sizeof dtypes / sizeof dtypes[0] ? dtypes[number] : (cudrop_dtype_t)0;
}

typedef struct {
  onnx_tensor_t *tensor;
  message_t raw;
} tensor_reader_t;

static const char *take_size(onnx_tensor_t *tensor, uint64_t size) {
  if (tensor->rank == ONNX_RANK) return "a tensor has too many sizes";
  if (size < 1 || size > (uint64_t)(NETWORK_MOST_BYTES / tensor->elements))
    return "a tensor has too many elements, or none";
  tensor->shape[tensor->rank++] = (int64_t)size;
  tensor->elements *= (int64_t)size;
  return NULL;
}

/* Sizes come one by one, or all in one field. */
static const char *take_sizes(onnx_tensor_t *tensor, const field_t *field) {
  if (field->wire == VARINT) return take_size(tensor, field->value);
  message_t bytes = field->bytes;
  while (bytes.at < bytes.end) {
    uint64_t size = 0;
    if (!read_varint(&bytes, &size)) return "the sizes of a tensor are cut short";
    const char *error = take_size(tensor, size);
    if (error != NULL) return error;
  }
  return NULL;
}

static const char *take_tensor_field(void *to, const field_t *field) {
  enum { DIMS = 1, DATA_TYPE = 2, RAW_DATA = 9 };
  tensor_reader_t *reader = to;
  if (field->number == DIMS) return take_sizes(reader->tensor, field);
  if (field->number == DATA_TYPE) reader->tensor->dtype = find_dtype(field->value);
  if (field->number == RAW_DATA && field->wire == BYTES) reader->raw = field->bytes;
  return NULL;
}

bool onnx_read_tensor(onnx_tensor_t *tensor, const void *bytes, size_t size,
                      const char **error) {
  tensor_reader_t reader = {.tensor = tensor};
  const uint8_t *begin = bytes;
  *tensor = (onnx_tensor_t){.elements = 1};
  *error = walk((message_t){begin, begin + size}, take_tensor_field, &reader);
  if (*error != NULL) return false;
  const size_t raw = (size_t)(reader.raw.end - reader.raw.at);
  const size_t needed = (size_t)tensor->elements * cudrop_dtype_bytes(tensor->dtype);
  if (tensor->dtype == 0) *error = "a tensor is of a type that is not read here";
  if (tensor->dtype != 0 && raw != needed)
    *error = "a tensor has no raw data, or not as much as its shape says";
  tensor->data = reader.raw.at;
  return *error == NULL;
}

/* ---- ModelProto -------------------------------------------------------------------- */

typedef struct {
  char name[NETWORK_NAME];
  uint64_t real, integer;
} attribute_t;

static const char *take_attribute_field(void *to, const field_t *field) {
  enum { NAME = 1, F = 2, I = 3 };
  attribute_t *attribute = to;
  if (field->number == NAME) return take_name(attribute->name, field);
  if (field->number == F && field->wire == FIXED32) attribute->real = field->value;
  if (field->number == I && field->wire == VARINT) attribute->integer = field->value;
  return NULL;
}

static const char *take_attribute(onnx_node_t *node, const field_t *field) {
  attribute_t attribute = {.real = 0};
  const char *error = walk(field->bytes, take_attribute_field, &attribute);
  if (error != NULL) return error;
  if (strcmp(attribute.name, "ratio") == 0) {
    const uint32_t bits = (uint32_t)attribute.real;
    node->has_ratio = true;
    memcpy(&node->ratio, &bits, sizeof bits);
  } else if (strcmp(attribute.name, "seed") == 0) {
    node->has_seed = true;
    node->seed = (int64_t)attribute.integer;
  } else {
    return "a node has an attribute that is neither ratio nor seed";
  }
  return NULL;
}

/* Another name in a list of at most ONNX_PUTS. */
static const char *take_put(char list[][NETWORK_NAME], int *count, const field_t *field) {
  if (*count == ONNX_PUTS) return "more inputs or outputs than a Dropout has";
  return take_name(list[(*count)++], field);
}

static const char *take_node_field(void *to, const field_t *field) {
  enum { INPUT = 1, OUTPUT = 2, OP_TYPE = 4, ATTRIBUTE = 5 };
  onnx_node_t *node = to;
  if (field->number == INPUT) return take_put(node->input, &node->inputs, field);
  if (field->number == OUTPUT) return take_put(node->output, &node->outputs, field);
  if (field->number == OP_TYPE) return take_name(node->operator_name, field);
  if (field->number == ATTRIBUTE) return take_attribute(node, field);
  return NULL;
}

/* Of a ValueInfoProto the name. */
static const char *take_value_field(void *to, const field_t *field) {
  return field->number == 1 ? take_name(to, field) : NULL;
}

static const char *take_value(char list[][NETWORK_NAME], int *count,
                              const field_t *field) {
  if (*count == ONNX_PUTS) return "more inputs or outputs than a Dropout has";
  return walk(field->bytes, take_value_field, list[(*count)++]);
}

static const char *take_graph_field(void *to, const field_t *field) {
  enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12 };
  onnx_model_t *model = to;
  if (field->number == INPUT) return take_value(model->input, &model->inputs, field);
  if (field->number == OUTPUT) return take_value(model->output, &model->outputs, field);
  if (field->number == INITIALIZER) return "a model with weights";
  if (field->number != NODE) return NULL;
  if (model->nodes == ONNX_NODES) return "too many nodes";
  return walk(field->bytes, take_node_field, &model->node[model->nodes++]);
}

typedef struct {
  char domain[NETWORK_NAME];
  uint64_t version;
} opset_t;

static const char *take_opset_field(void *to, const field_t *field) {
  opset_t *opset = to;
  if (field->number == 1) return take_name(opset->domain, field);
  if (field->number == 2) opset->version = field->value;
  return NULL;
}

static const char *take_model_field(void *to, const field_t *field) {
  enum { GRAPH = 7, OPSET_IMPORT = 8 };
  onnx_model_t *model = to;
  opset_t opset = {.version = 0};
  if (field->number == GRAPH) return walk(field->bytes, take_graph_field, model);
  if (field->number != OPSET_IMPORT) return NULL;
  const char *error = walk(field->bytes, take_opset_field, &opset);
  if (error == NULL && opset.domain[0] == '\0') model->opset = (int64_t)opset.version;
  return error;
}

bool onnx_read_model(onnx_model_t *model, const void *bytes, size_t size,
                     const char **error) {
  const uint8_t *begin = bytes;
  *model = (onnx_model_t){.opset = 0};
  *error = walk((message_t){begin, begin + size}, take_model_field, model);
  if (*error == NULL && model->nodes == 0) *error = "a model without nodes";
  return *error == NULL;
}

/* ---- As a network ------------------------------------------------------------------ */

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
