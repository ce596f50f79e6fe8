/* protobuf.c - fields, and what they are made of. */
#include "protobuf.h"

#include <stddef.h>

bool protobuf_varint(protobuf_t *message, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64 && message->at < message->end; shift += 7) {
    const uint8_t byte = *message->at++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

static bool read_fixed(protobuf_t *message, unsigned bytes, uint64_t *value) {
  *value = 0;
  if ((size_t)(message->end - message->at) < bytes) return false;
  for (unsigned k = 0; k < bytes; ++k) *value |= (uint64_t)*message->at++ << (8 * k);
  return true;
}

static bool read_bytes(protobuf_t *message, protobuf_t *bytes) {
  uint64_t length = 0;
  if (!protobuf_varint(message, &length) ||
      length > (uint64_t)(message->end - message->at))
    return false;
  *bytes = (protobuf_t){message->at, message->at + length};
  message->at += length;
  return true;
}

/* False at a field that is not whole. */
static bool next_field(protobuf_t *message, protobuf_field_t *field) {
  uint64_t key = 0;
  if (!protobuf_varint(message, &key)) return false;
  *field = (protobuf_field_t){.number = key >> 3, .wire = (protobuf_wire_t)(key & 7)};
  switch (field->wire) {
    case PROTOBUF_VARINT:
      return protobuf_varint(message, &field->value);
    case PROTOBUF_FIXED64:
      return read_fixed(message, 8, &field->value);
    case PROTOBUF_BYTES:
      return read_bytes(message, &field->bytes);
    case PROTOBUF_FIXED32:
      return read_fixed(message, 4, &field->value);
    default:
      return false;
  }
}

const char *protobuf_walk(protobuf_t message,
                          const char *(*take)(void *to, const protobuf_field_t *field),
                          void *to) {
  protobuf_field_t field;
  while (message.at < message.end) {
    if (!next_field(&message, &field)) return "the file is cut short or no ONNX";
    const char *error = take(to, &field);
    if (error != NULL) return error;
  }
  return NULL;
}
