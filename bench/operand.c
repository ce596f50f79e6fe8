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
    const uint64_t random = draw((int)operand->role + lane, position);
    keep |= (uint64_t)((random & 0xffff) >= threshold.t0) << lane;
  }
  return keep;
}

uint64_t bench_content(const bench_operand_t *operand, int64_t position) {
  if (operand->form == BENCH_VALUES)
    return make_value(operand->dtype, draw((int)operand->role, position));
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

static bench_form_t find_form(const bench_case_t *what, bench_role_t role) {
  const bench_operator_t *op = &bench_operators[what->op];
  return role == BENCH_X ? op->x : role == BENCH_KEEP ? op->keep : op->y;
}

static void place(bench_operand_t *operand, const bench_placement_t *placement) {
  const int64_t *stride =
      operand->role == BENCH_Y ? placement->y_stride : placement->x_stride;
  const int64_t size = (int64_t)cudrop_dtype_bytes(operand->dtype);
  operand->tensor = cudrop_tensor((char *)operand->buffer + placement->start * size,
                                  operand->dtype, placement->rank, placement->shape);
  for (int d = 0; d < placement->rank; ++d) operand->tensor.stride[d] = stride[d];
}

bool bench_operand_open(bench_operand_t *operand, cudrop_context_t *context,
                        const bench_case_t *what, bench_role_t role) {
  const bench_placement_t placement = bench_layouts[what->layout].place(what->n);
  const bench_form_t form = find_form(what, role);
  const bool has_tensor = form == BENCH_VALUES || form == BENCH_BYTES;
  *operand = (bench_operand_t){.form = form,
                               .dtype = form == BENCH_VALUES ? what->dtype : CUDROP_U8,
                               .start = has_tensor ? placement.start : 0,
                               .role = role,
                               .p = what->p};
  if (form == BENCH_ABSENT) return true;
  operand->positions = has_tensor ? placement.positions
                                  : (int64_t)bench_form_bytes(form, what->dtype, what->n);
  const size_t bytes = (size_t)operand->positions * cudrop_dtype_bytes(operand->dtype);
  if (!bench_ok(cudrop_alloc(context, bytes, &operand->buffer)) ||
      !fill(context, operand))
    return false;
  if (has_tensor) place(operand, &placement);
  return true;
}

void bench_operand_close(bench_operand_t *operand, cudrop_context_t *context) {
  (void)cudrop_free(context, &operand->buffer);
}

bool bench_fill(cudrop_context_t *context, void *buffer, int64_t count) {
  const bench_operand_t operand = {.form = BENCH_VALUES,
                                   .dtype = CUDROP_F32,
                                   .positions = count,
                                   .role = BENCH_ROOF,
                                   .buffer = buffer};
  return fill(context, &operand);
}
