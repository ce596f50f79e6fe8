/* onnx.c - ONNX's messages, as far as onnx.h has them. */
#include "onnx.h"

#include <string.h>

#include "protobuf.h"

static const char *take_name(char name[NETWORK_NAME], const protobuf_field_t *field) {
  const size_t length = (size_t)(field->bytes.end - field->bytes.at);
  if (field->wire != PROTOBUF_BYTES || length >= NETWORK_NAME)
    return "a name is too long";
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
  protobuf_t raw;
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
static const char *take_sizes(onnx_tensor_t *tensor, const protobuf_field_t *field) {
  if (field->wire == PROTOBUF_VARINT) return take_size(tensor, field->value);
  protobuf_t bytes = field->bytes;
  while (bytes.at < bytes.end) {
    uint64_t size = 0;
    if (!protobuf_varint(&bytes, &size)) return "the sizes of a tensor are cut short";
    const char *error = take_size(tensor, size);
    if (error != NULL) return error;
  }
  return NULL;
}

static const char *take_tensor_field(void *to, const protobuf_field_t *field) {
  enum { DIMS = 1, DATA_TYPE = 2, RAW_DATA = 9 };
  tensor_reader_t *reader = to;
  if (field->number == DIMS) return take_sizes(reader->tensor, field);
  if (field->number == DATA_TYPE) reader->tensor->dtype = find_dtype(field->value);
  if (field->number == RAW_DATA && field->wire == PROTOBUF_BYTES)
    reader->raw = field->bytes;
  return NULL;
}

bool onnx_read_tensor(onnx_tensor_t *tensor, const void *bytes, size_t size,
                      const char **error) {
  tensor_reader_t reader = {.tensor = tensor};
  const uint8_t *begin = bytes;
  *tensor = (onnx_tensor_t){.elements = 1};
  *error = protobuf_walk((protobuf_t){begin, begin + size}, take_tensor_field, &reader);
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

static const char *take_attribute_field(void *to, const protobuf_field_t *field) {
  enum { NAME = 1, F = 2, I = 3 };
  attribute_t *attribute = to;
  if (field->number == NAME) return take_name(attribute->name, field);
  if (field->number == F && field->wire == PROTOBUF_FIXED32)
    attribute->real = field->value;
  if (field->number == I && field->wire == PROTOBUF_VARINT)
    attribute->integer = field->value;
  return NULL;
}

static const char *take_attribute(onnx_node_t *node, const protobuf_field_t *field) {
  attribute_t attribute = {.real = 0};
  const char *error = protobuf_walk(field->bytes, take_attribute_field, &attribute);
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
static const char *take_put(char list[][NETWORK_NAME], int *count,
                            const protobuf_field_t *field) {
  if (*count == ONNX_PUTS) return "more inputs or outputs than a Dropout has";
  return take_name(list[(*count)++], field);
}

static const char *take_node_field(void *to, const protobuf_field_t *field) {
  enum { INPUT = 1, OUTPUT = 2, OP_TYPE = 4, ATTRIBUTE = 5 };
  onnx_node_t *node = to;
  if (field->number == INPUT) return take_put(node->input, &node->inputs, field);
  if (field->number == OUTPUT) return take_put(node->output, &node->outputs, field);
  if (field->number == OP_TYPE) return take_name(node->operator_name, field);
  if (field->number == ATTRIBUTE) return take_attribute(node, field);
  return NULL;
}

/* Of a ValueInfoProto the name. */
static const char *take_value_field(void *to, const protobuf_field_t *field) {
  return field->number == 1 ? take_name(to, field) : NULL;
}

static const char *take_value(char list[][NETWORK_NAME], int *count,
                              const protobuf_field_t *field) {
  if (*count == ONNX_PUTS) return "more inputs or outputs than a Dropout has";
  return protobuf_walk(field->bytes, take_value_field, list[(*count)++]);
}

static const char *take_graph_field(void *to, const protobuf_field_t *field) {
  enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12 };
  onnx_model_t *model = to;
  if (field->number == INPUT) return take_value(model->input, &model->inputs, field);
  if (field->number == OUTPUT) return take_value(model->output, &model->outputs, field);
  if (field->number == INITIALIZER) return "a model with weights";
  if (field->number != NODE) return NULL;
  if (model->nodes == ONNX_NODES) return "too many nodes";
  return protobuf_walk(field->bytes, take_node_field, &model->node[model->nodes++]);
}

typedef struct {
  char domain[NETWORK_NAME];
  uint64_t version;
} opset_t;

static const char *take_opset_field(void *to, const protobuf_field_t *field) {
  opset_t *opset = to;
  if (field->number == 1) return take_name(opset->domain, field);
  if (field->number == 2) opset->version = field->value;
  return NULL;
}

static const char *take_model_field(void *to, const protobuf_field_t *field) {
  enum { GRAPH = 7, OPSET_IMPORT = 8 };
  onnx_model_t *model = to;
  opset_t opset = {.version = 0};
  if (field->number == GRAPH) return protobuf_walk(field->bytes, take_graph_field, model);
  if (field->number != OPSET_IMPORT) return NULL;
  const char *error = protobuf_walk(field->bytes, take_opset_field, &opset);
  if (error == NULL && opset.domain[0] == '\0') model->opset = (int64_t)opset.version;
  return error;
}

bool onnx_read_model(onnx_model_t *model, const void *bytes, size_t size,
                     const char **error) {
  const uint8_t *begin = bytes;
  *model = (onnx_model_t){.opset = 0};
  *error = protobuf_walk((protobuf_t){begin, begin + size}, take_model_field, model);
  if (*error == NULL && model->nodes == 0) *error = "a model without nodes";
  return *error == NULL;
}
