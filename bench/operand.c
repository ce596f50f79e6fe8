/* operand.c - random data and where it goes. */
#include "operand.h"

#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "failure.h"
#include "format.h"

/* 64 random bits of a position. */
static uint64_t draw(int stream, int64_t position) {
  const uint64_t at = (uint64_t)(position % BENCH_PERIOD);
  return cudrop_mask_mix(cudrop_mask_mix((uint64_t)stream + 1) +
                         at * 0x9E3779B97F4A7C15u);
}

/* A value of either sign whose exponent is one of four. */
static uint64_t make_value(cudrop_dtype_t dtype, uint64_t random) {
  const bench_format_t *format = &bench_formats[dtype];
  const uint64_t exponent = (uint64_t)(format->bias - 3) + (random >> 62);
  const uint64_t fraction = random >> 1 & (((uint64_t)1 << format->fraction) - 1);
  return (random & 1) << (format->bits - 1) | exponent << format->fraction | fraction;
}

/* So many bits, of which each is 1 with probability 1 - p. */
static uint64_t make_keep(const bench_operand_t *operand, int64_t position, int lanes) {
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(operand->p);
  uint64_t keep = 0;
  for (int lane = 0; lane < lanes; ++lane) {
    const uint64_t random = draw(operand->stream + lane, position);
    keep |= (uint64_t)((random & 0xffff) >= threshold.t0) << lane;
  }
  return keep;
}

uint64_t bench_content(const bench_operand_t *operand, int64_t position) {
  if (operand->form == BENCH_VALUES)
    return make_value(operand->dtype, draw(operand->stream, position));
  if (operand->form == BENCH_IDS)
    return draw(operand->stream, position) % (uint64_t)operand->below;
  return make_keep(operand, position, operand->form == BENCH_BYTES ? 1 : 8);
}

/* Upload all positions from a chunk that holds the first period of them. */
static bool upload(cudrop_context_t *context, const bench_operand_t *operand,
                   const uint8_t *chunk) {
  const int64_t size = (int64_t)cudrop_dtype_bytes(operand->dtype);
  for (int64_t done = 0; done < operand->positions; done += BENCH_PERIOD) {
    const int64_t left = operand->positions - done;
    const int64_t count = left < BENCH_PERIOD ? left : BENCH_PERIOD;
    if (!bench_ok(cudrop_upload(context, (char *)operand->buffer + done * size, chunk,
                                (size_t)(count * size))))
      return false;
  }
  return true;
}

static bool fill(cudrop_context_t *context, const bench_operand_t *operand) {
  const size_t size = cudrop_dtype_bytes(operand->dtype);
  const int64_t count =
      operand->positions < BENCH_PERIOD ? operand->positions : BENCH_PERIOD;
  uint8_t *chunk = malloc((size_t)count * size);
  if (chunk == NULL) return bench_fail("no memory for %lld elements", (long long)count);
  for (int64_t k = 0; k < count; ++k) {
    const uint64_t element = bench_content(operand, k);
    memcpy(chunk + (size_t)k * size, &element, size); /* the lower bytes come first */
  }
  const bool filled = upload(context, operand, chunk);
  free(chunk);
  return filled;
}

bool bench_operand_open(bench_operand_t *operand, cudrop_context_t *context) {
  const int64_t size = (int64_t)cudrop_dtype_bytes(operand->dtype);
  if (operand->form == BENCH_ABSENT) return true;
  if (!bench_ok(
          cudrop_alloc(context, (size_t)(operand->positions * size), &operand->buffer)) ||
      !fill(context, operand))
    return false;
  operand->tensor.data = (char *)operand->buffer + operand->start * size;
  return true;
}

void bench_operand_close(bench_operand_t *operand, cudrop_context_t *context) {
  (void)cudrop_free(context, &operand->buffer);
}

bool bench_fill(cudrop_context_t *context, void *buffer, int64_t count) {
  const bench_operand_t operand = {
      .form = BENCH_VALUES, .dtype = CUDROP_F32, .positions = count, .buffer = buffer};
  return fill(context, &operand);
}
