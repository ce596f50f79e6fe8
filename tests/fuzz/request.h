/*
 * request.h - a call of an operator as the fuzzer makes it up, and what must come of it.
 *
 * All memory of a call lies in one arena. Its bytes are compared, so that a byte that should
 * not have been written shows wherever it is.
 */
#ifndef CUDROP_REQUEST_H
#define CUDROP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

enum { ARENA = 1 << 16, MOST_ELEMENTS = 40000 };

typedef enum {
  REQUEST_FORWARD,
  REQUEST_BACKWARD,
  REQUEST_ACCUMULATE,
  REQUEST_ALPHA_FORWARD,
  REQUEST_ALPHA_BACKWARD,
  REQUEST_EXPORT_BYTES,
  REQUEST_EXPORT_SCALE,
  REQUEST_EXPORT_BITS,
  REQUEST_COUNT_KEPT,
  REQUEST_APPLY_BYTES,
  REQUEST_APPLY_BITS,
  REQUEST_OPERATORS
} request_operator_t;

/* An argument that is given as NULL; the others are what the request holds. */
enum { NULL_CONTEXT = 1, NULL_X = 2, NULL_KEEP = 4, NULL_MASK = 8, NULL_Y = 16 };

/* Bits and counts are written to y.data, for y's rank and shape; bits are read from keep.data. */
typedef struct {
  request_operator_t op;
  unsigned nulls;
  cudrop_tensor_t x, keep, y;
  cudrop_mask_t mask;
  cudrop_mask_t drawn; /* the same; of a prepared mask, with what lies in its block */
  uint64_t
      block_base; /* the index base in the block of a prepared mask, which is added */
} request_t;

/* The bytes of an input; behind its end there are zeros. */
typedef struct {
  const uint8_t *at;
  size_t left;
} bytes_t;

unsigned take_byte(bytes_t *bytes);
uint64_t take_word(bytes_t *bytes);
double take_rate(bytes_t *bytes);
int64_t take_size(bytes_t *bytes);

/*
 * 8 bytes of what random ones seldom are: elements of a type, alike but for their signs, that are
 * zero or subnormal or, if `is_finite` is false, infinite, a NaN or the largest.
 */
uint64_t make_special(uint64_t random, bool is_finite);

/*
 * A request on the arena. Where a tensor would reach beyond it, or has more elements than are
 * worth waiting for, the rate is not a number, so that no such call is legal.
 */
request_t take_request(bytes_t *bytes, uint8_t *arena);

/* The number of elements of a tensor of sizes >= 0, at most INT64_MAX; -1 if there are more. */
int64_t count_elements(const cudrop_tensor_t *tensor);

/* Whether the header allows the call: by counting bytes, not by looking at strides. */
bool is_legal(const request_t *request, const uint8_t *arena);

/*
 * What a legal call makes of the arena, whose bytes were `before`: written to `expected`, a
 * copy of them. Where a NaN is due and `actual`, the bytes after the call, has one, it is that.
 */
void expect_result(const request_t *request, const uint8_t *arena, const uint8_t *before,
                   uint8_t *expected, const uint8_t *actual);

#endif /* CUDROP_REQUEST_H */
