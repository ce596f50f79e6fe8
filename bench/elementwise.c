/* elementwise.c - the operators, their operands, and the calls. */
#include "elementwise.h"

#include <string.h>

#include "failure.h"

typedef struct {
  bench_form_t x, keep, y;
  bool draws;   /* it draws its mask */
  bool reads_y; /* it adds to what y holds */
  bool takes_f8;
  cudrop_status_t (*call)(const bench_work_t *work);
} operator_t;

/* ---- The calls --------------------------------------------------------------------------- */

static cudrop_status_t call_forward(const bench_work_t *work) {
  return cudrop_forward(work->context, &work->operand[BENCH_X].tensor, &work->given,
                        &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_backward(const bench_work_t *work) {
  return cudrop_backward(work->context, &work->operand[BENCH_X].tensor, &work->given,
                         &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_accumulate(const bench_work_t *work) {
  return cudrop_backward_accumulate(work->context, &work->operand[BENCH_X].tensor,
                                    &work->given, &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_alpha_forward(const bench_work_t *work) {
  return cudrop_alpha_forward(work->context, &work->operand[BENCH_X].tensor, &work->given,
                              &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_alpha_backward(const bench_work_t *work) {
  return cudrop_alpha_backward(work->context, &work->operand[BENCH_X].tensor,
                               &work->given, &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_export_bits(const bench_work_t *work) {
  const bench_placement_t placement =
      bench_layouts[work->what.layout].place(work->what.n);
  return cudrop_export_bits(work->context, &work->given, placement.rank, placement.shape,
                            work->operand[BENCH_Y].buffer);
}

static cudrop_status_t call_export_bytes(const bench_work_t *work) {
  return cudrop_export_bytes(work->context, &work->given, &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_export_scale(const bench_work_t *work) {
  return cudrop_export_scale(work->context, &work->given, &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_count_kept(const bench_work_t *work) {
  return cudrop_count_kept(work->context, &work->given, 1, &work->what.n,
                           work->operand[BENCH_Y].buffer);
}

static cudrop_status_t call_apply_bytes(const bench_work_t *work) {
  return cudrop_apply_bytes(work->context, &work->operand[BENCH_X].tensor,
                            &work->operand[BENCH_KEEP].tensor, work->what.p,
                            &work->operand[BENCH_Y].tensor);
}

static cudrop_status_t call_apply_bits(const bench_work_t *work) {
  return cudrop_apply_bits(work->context, &work->operand[BENCH_X].tensor,
                           work->operand[BENCH_KEEP].buffer, work->what.p,
                           &work->operand[BENCH_Y].tensor);
}

/* ---- The operators ----------------------------------------------------------------------- */

/* What most of them are. */
#define VALUES_TO_VALUES .x = BENCH_VALUES, .y = BENCH_VALUES

static const operator_t operators[BENCH_OPERATORS] = {
    [BENCH_FORWARD] = {VALUES_TO_VALUES, .draws = true, .takes_f8 = true,
                       .call = call_forward},
    [BENCH_FORWARD_PREPARED] = {VALUES_TO_VALUES, .draws = true, .takes_f8 = true,
                                .call = call_forward},
    [BENCH_BACKWARD] = {VALUES_TO_VALUES, .draws = true, .takes_f8 = true,
                        .call = call_backward},
    [BENCH_ACCUMULATE] = {VALUES_TO_VALUES, .draws = true, .reads_y = true,
                          .call = call_accumulate},
    [BENCH_ALPHA_FORWARD] = {VALUES_TO_VALUES, .draws = true, .call = call_alpha_forward},
    [BENCH_ALPHA_BACKWARD] = {VALUES_TO_VALUES, .draws = true,
                              .call = call_alpha_backward},
    [BENCH_EXPORT_BITS] = {.y = BENCH_BITS, .draws = true, .call = call_export_bits},
    [BENCH_EXPORT_BYTES] = {.y = BENCH_BYTES, .draws = true, .call = call_export_bytes},
    [BENCH_EXPORT_SCALE] = {.y = BENCH_VALUES,
                            .draws = true,
                            .takes_f8 = true,
                            .call = call_export_scale},
    [BENCH_COUNT_KEPT] = {.y = BENCH_TOTAL, .draws = true, .call = call_count_kept},
    [BENCH_APPLY_BYTES] = {VALUES_TO_VALUES, .keep = BENCH_BYTES, .takes_f8 = true,
                           .call = call_apply_bytes},
    [BENCH_APPLY_BITS] = {VALUES_TO_VALUES, .keep = BENCH_BITS, .takes_f8 = true,
                          .call = call_apply_bits},
};

static bool fit(bench_case_t *what) {
  const operator_t *op = &operators[what->op];
  const bench_layout_t *layout = &bench_layouts[what->layout];
  const bench_placement_t placement = layout->place(what->n);
  const bool is_f8 = cudrop_dtype_bytes(what->dtype) == 1;
  const bool has_dtype = op->x == BENCH_VALUES || op->y == BENCH_VALUES;
  const bool has_tensor = op->y == BENCH_VALUES || op->y == BENCH_BYTES;
  what->n = bench_placement_count(&placement);
  what->cols = 0;
  return (what->dtype != 0) == has_dtype && (!is_f8 || op->takes_f8) &&
         (has_tensor || !layout->needs_tensor) && (op->draws || !layout->needs_draw) &&
         (op->y != BENCH_TOTAL || what->layout == BENCH_DENSE);
}

/* ---- Bytes ------------------------------------------------------------------------------- */

/* Bytes of `n` elements in a form. */
static size_t count_bytes(bench_form_t form, cudrop_dtype_t dtype, int64_t n) {
  const size_t bytes[BENCH_FORMS] = {
      [BENCH_VALUES] = (size_t)n * cudrop_dtype_bytes(dtype),
      [BENCH_BYTES] = (size_t)n,
      [BENCH_BITS] = (size_t)(n + 7) / 8,
      [BENCH_TOTAL] = sizeof(uint64_t),
  };
  return bytes[form];
}

/* How often an operator moves an operand of each form. */
static void count_forms(bench_operator_id_t op, int count[BENCH_FORMS]) {
  const operator_t *row = &operators[op];
  ++count[row->x];
  ++count[row->keep];
  count[row->y] += row->reads_y ? 2 : 1;
}

static size_t find_bytes(const bench_case_t *what) {
  int count[BENCH_FORMS] = {0};
  size_t bytes = 0;
  count_forms(what->op, count);
  for (bench_form_t form = BENCH_VALUES; form < BENCH_FORMS; ++form)
    bytes += (size_t)count[form] * count_bytes(form, what->dtype, what->n);
  return bytes;
}

static void state(bench_operator_id_t op, char text[BENCH_TEXT]) {
  static const char *const words[BENCH_FORMS] = {[BENCH_VALUES] = "n * size",
                                                 [BENCH_BYTES] = "n",
                                                 [BENCH_BITS] = "ceil(n / 8)",
                                                 [BENCH_TOTAL] = "8"};
  int count[BENCH_FORMS] = {0};
  count_forms(op, count);
  for (bench_form_t form = BENCH_VALUES; form < BENCH_FORMS; ++form)
    bench_add_term(text, count[form], words[form]);
}

/* ---- Works ------------------------------------------------------------------------------- */

static bench_operand_t describe(const bench_case_t *what, int role, bench_form_t form) {
  const bench_placement_t placement = bench_layouts[what->layout].place(what->n);
  const bool has_tensor = form == BENCH_VALUES || form == BENCH_BYTES;
  bench_operand_t operand = {.form = form,
                             .dtype = form == BENCH_VALUES ? what->dtype : CUDROP_U8,
                             .stream = BENCH_STREAMS * role,
                             .p = what->p,
                             .is_output = role == BENCH_Y};
  operand.positions = (int64_t)count_bytes(form, what->dtype, what->n);
  if (!has_tensor) return operand;
  operand.start = placement.start;
  operand.positions = placement.positions;
  operand.tensor = cudrop_tensor(NULL, operand.dtype, placement.rank, placement.shape);
  memcpy(operand.tensor.stride, role == BENCH_Y ? placement.y_stride : placement.x_stride,
         sizeof placement.y_stride);
  return operand;
}

static bool open(bench_work_t *work) {
  const operator_t *op = &operators[work->what.op];
  const bench_form_t forms[] = {
      [BENCH_X] = op->x, [BENCH_KEEP] = op->keep, [BENCH_Y] = op->y};
  for (int k = BENCH_X; k <= BENCH_Y; ++k) {
    work->operand[k] = describe(&work->what, k, forms[k]);
    if (!bench_operand_open(&work->operand[k], work->context)) return false;
  }
  return true;
}

static cudrop_status_t call(const bench_work_t *work) {
  return operators[work->what.op].call(work);
}

const bench_family_t bench_elementwise = {
    .name = "elementwise",
    .fit = fit,
    .open = open,
    .call = call,
    .inspect = bench_elementwise_inspect,
    .bytes = find_bytes,
    .state = state,
};
