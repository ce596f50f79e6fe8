/*
 * protobuf.h - the wire format of protocol buffers, to be read: a message is fields one after the
 * other, each with its number in the .proto file.
 *
 * Source: protobuf.dev/programming-guides/encoding.
 */
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
  PROTOBUF_VARINT = 0,
  PROTOBUF_FIXED64 = 1,
  PROTOBUF_BYTES = 2,
  PROTOBUF_FIXED32 = 5
} protobuf_wire_t;

typedef struct {
  const uint8_t *at, *end;
} protobuf_t;

/* A field of a message: its number in the .proto file, and its value. */
typedef struct {
  uint64_t number;
  protobuf_wire_t wire;
  uint64_t value;   /* of VARINT and FIXED32 */
  protobuf_t bytes; /* of BYTES */
} protobuf_field_t;

/*
 * Give each field of a message to `take`, which returns NULL or what is wrong with it. Returns the
 * first of these, or one of its own for a message that is cut short.
 */
const char *protobuf_walk(protobuf_t message,
                          const char *(*take)(void *to, const protobuf_field_t *field),
                          void *to);

/* Read a number of packed ones; false where the bytes end before it does. */
bool protobuf_varint(protobuf_t *bytes, uint64_t *value);

#endif /* PROTOBUF_H */
