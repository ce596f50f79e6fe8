/* catalogue.c - the lists, and what follows from them. */
#define _POSIX_C_SOURCE 200809L /* strcasecmp */
#include "catalogue.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "placement.h"

const bench_operator_t bench_operators[BENCH_OPERATORS] = {
    [BENCH_FORWARD] = {"forward", .x = BENCH_VALUES, .y = BENCH_VALUES, .draws = true,
                       .takes_f8 = true},
    [BENCH_FORWARD_PREPARED] = {"forward_prepared", .x = BENCH_VALUES, .y = BENCH_VALUES,
                                .draws = true, .takes_f8 = true},
    [BENCH_BACKWARD] = {"backward", .x = BENCH_VALUES, .y = BENCH_VALUES, .draws = true,
                        .takes_f8 = true},
    [BENCH_ACCUMULATE] = {"accumulate", .x = BENCH_VALUES, .y = BENCH_VALUES,
                          .draws = true, .reads_y = true},
    [BENCH_ALPHA_FORWARD] = {"alpha_forward", .x = BENCH_VALUES, .y = BENCH_VALUES,
                             .draws = true},
    [BENCH_ALPHA_BACKWARD] = {"alpha_backward", .x = BENCH_VALUES, .y = BENCH_VALUES,
                              .draws = true},
    [BENCH_EXPORT_BITS] = {"export_bits", .y = BENCH_BITS, .draws = true},
    [BENCH_EXPORT_BYTES] = {"export_bytes", .y = BENCH_BYTES, .draws = true},
    [BENCH_EXPORT_SCALE] = {"export_scale", .y = BENCH_VALUES, .draws = true,
                            .takes_f8 = true},
    [BENCH_COUNT_KEPT] = {"count_kept", .y = BENCH_TOTAL, .draws = true},
    [BENCH_APPLY_BYTES] = {"apply_bytes", .x = BENCH_VALUES, .keep = BENCH_BYTES,
                           .y = BENCH_VALUES, .takes_f8 = true},
    [BENCH_APPLY_BITS] = {"apply_bits", .x = BENCH_VALUES, .keep = BENCH_BITS,
                          .y = BENCH_VALUES, .takes_f8 = true},
};

/* By cudrop_dtype_t. */
static const char *const dtype_names[BENCH_DTYPES] = {[0] = "-",
#define NAME_DTYPE(name, value, bytes) [value] = #name,
                                                      CUDROP_DTYPE_LIST(NAME_DTYPE)
#undef NAME_DTYPE
};

/* U8 is only for masks and I32 for lengths: they cannot be selected. */
static bool is_measured(int dtype) {
  return dtype != CUDROP_U8 && dtype != CUDROP_I32;
}

bool bench_has_dtype(bench_operator_id_t op) {
  return bench_operators[op].x == BENCH_VALUES || bench_operators[op].y == BENCH_VALUES;
}

bool bench_fits(const bench_case_t *what) {
  const bench_operator_t *op = &bench_operators[what->op];
  const bench_layout_t *layout = &bench_layouts[what->layout];
  const bool is_f8 = cudrop_dtype_bytes(what->dtype) == 1;
  const bool has_tensor = op->y == BENCH_VALUES || op->y == BENCH_BYTES;
  return (what->dtype != 0) == bench_has_dtype(what->op) &&
         is_measured((int)what->dtype) && (!is_f8 || op->takes_f8) &&
         (has_tensor || !layout->needs_tensor) && (op->draws || !layout->needs_draw) &&
         (op->y != BENCH_TOTAL || what->layout == BENCH_DENSE);
}

/* ---- Bytes ------------------------------------------------------------------------------- */

size_t bench_form_bytes(bench_form_t form, cudrop_dtype_t dtype, int64_t n) {
  const size_t bytes[BENCH_FORMS] = {
      [BENCH_ABSENT] = 0,
      [BENCH_VALUES] = (size_t)n * cudrop_dtype_bytes(dtype),
      [BENCH_BYTES] = (size_t)n,
      [BENCH_BITS] = (size_t)(n + 7) / 8,
      [BENCH_TOTAL] = sizeof(uint64_t),
  };
  return bytes[form];
}

/* How often an operator moves an operand of each form. */
static void count_forms(bench_operator_id_t op, int count[BENCH_FORMS]) {
  const bench_operator_t *row = &bench_operators[op];
  ++count[row->x];
  ++count[row->keep];
  count[row->y] += row->reads_y ? 2 : 1;
}

size_t bench_bytes(const bench_case_t *what) {
  int count[BENCH_FORMS] = {0};
  size_t bytes = 0;
  count_forms(what->op, count);
  for (bench_form_t form = BENCH_VALUES; form < BENCH_FORMS; ++form)
    bytes += (size_t)count[form] * bench_form_bytes(form, what->dtype, what->n);
  return bytes;
}

const char *bench_formula(bench_operator_id_t op, char text[BENCH_TEXT]) {
  static const char *const words[BENCH_FORMS] = {"", "n * size", "n", "ceil(n / 8)", "8"};
  int count[BENCH_FORMS] = {0};
  size_t length = 0;
  count_forms(op, count);
  text[0] = '\0';
  for (bench_form_t form = BENCH_VALUES; form < BENCH_FORMS; ++form) {
    const char *plus = length > 0 ? " + " : "";
    if (count[form] == 0) continue;
    length +=
        (size_t)(count[form] > 1 ? snprintf(text + length, BENCH_TEXT - length,
                                            "%s%d * %s", plus, count[form], words[form])
                                 : snprintf(text + length, BENCH_TEXT - length, "%s%s",
                                            plus, words[form]));
  }
  return text;
}

/* ---- Names ------------------------------------------------------------------------------- */

const char *bench_name(bench_names_t names, int k) {
  if (names == BENCH_OPERATOR_NAMES)
    return k < BENCH_OPERATORS ? bench_operators[k].name : NULL;
  if (names == BENCH_LAYOUT_NAMES)
    return k < BENCH_LAYOUTS ? bench_layouts[k].name : NULL;
  return k < BENCH_DTYPES ? dtype_names[k] : NULL;
}

static bool is_selectable(bench_names_t names, int k) {
  return names != BENCH_DTYPE_NAMES || (k != 0 && is_measured(k));
}

static uint32_t find_name(bench_names_t names, const char *word) {
  uint32_t set = 0;
  for (int k = 0; bench_name(names, k) != NULL; ++k)
    if (is_selectable(names, k) &&
        (strcmp(word, "all") == 0 || strcasecmp(word, bench_name(names, k)) == 0))
      set |= 1u << k;
  return set;
}

bool bench_select(bench_names_t names, const char *list, uint32_t *set,
                  char word[BENCH_TEXT]) {
  uint32_t selected = 0;
  for (const char *at = list;; ++at) {
    const size_t length = strcspn(at, ",");
    snprintf(word, BENCH_TEXT, "%.*s", (int)(length < BENCH_TEXT ? length : BENCH_TEXT),
             at);
    const uint32_t found = find_name(names, word);
    if (found == 0) return false;
    selected |= found;
    at += length;
    if (*at == '\0') break;
  }
  *set = selected;
  return true;
}
