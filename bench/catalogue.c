/* catalogue.c - the lists, and what follows from them. */
#define _POSIX_C_SOURCE 200809L /* strcasecmp */
#include "catalogue.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "family.h"
#include "placement.h"

const bench_operator_t bench_operators[BENCH_OPERATORS] = {
    [BENCH_FORWARD] = {"forward", &bench_elementwise},
    [BENCH_FORWARD_PREPARED] = {"forward_prepared", &bench_elementwise},
    [BENCH_BACKWARD] = {"backward", &bench_elementwise},
    [BENCH_ACCUMULATE] = {"accumulate", &bench_elementwise},
    [BENCH_ALPHA_FORWARD] = {"alpha_forward", &bench_elementwise},
    [BENCH_ALPHA_BACKWARD] = {"alpha_backward", &bench_elementwise},
    [BENCH_EXPORT_BITS] = {"export_bits", &bench_elementwise},
    [BENCH_EXPORT_BYTES] = {"export_bytes", &bench_elementwise},
    [BENCH_EXPORT_SCALE] = {"export_scale", &bench_elementwise},
    [BENCH_COUNT_KEPT] = {"count_kept", &bench_elementwise},
    [BENCH_APPLY_BYTES] = {"apply_bytes", &bench_elementwise},
    [BENCH_APPLY_BITS] = {"apply_bits", &bench_elementwise},
    [BENCH_FUSED_FORWARD] = {"fused_forward", &bench_rowwise},
    [BENCH_FUSED_BACKWARD] = {"fused_backward", &bench_rowwise},
    [BENCH_NORM_FORWARD] = {"norm_forward", &bench_rowwise},
    [BENCH_NORM_BACKWARD] = {"norm_backward", &bench_rowwise},
    [BENCH_ATTENTION_FORWARD] = {"attention_forward", &bench_rowwise},
    [BENCH_ATTENTION_REAPPLY] = {"attention_reapply", &bench_rowwise},
    [BENCH_ATTENTION_BACKWARD] = {"attention_backward", &bench_rowwise},
    [BENCH_EMBEDDING_FORWARD] = {"embedding_forward", &bench_rowwise},
    [BENCH_EMBEDDING_BACKWARD] = {"embedding_backward", &bench_rowwise},
};

/* By cudrop_dtype_t. */
static const char *const dtype_names[BENCH_DTYPES] = {[0] = "-",
#define NAME_DTYPE(name, value, bytes) [value] = #name,
                                                      CUDROP_DTYPE_LIST(NAME_DTYPE)
#undef NAME_DTYPE
};

/* U8 is only for masks, I32 and I64 for lengths and ids: they cannot be selected. */
static bool is_measured(int dtype) {
  return dtype != CUDROP_U8 && dtype != CUDROP_I32 && dtype != CUDROP_I64;
}

/* ---- Cases ------------------------------------------------------------------------------- */

bool bench_fit(bench_case_t *what) {
  return is_measured((int)what->dtype) && bench_operators[what->op].family->fit(what);
}

size_t bench_bytes(const bench_case_t *what) {
  return bench_operators[what->op].family->bytes(what);
}

const char *bench_formula(bench_operator_id_t op, char text[BENCH_TEXT]) {
  text[0] = '\0';
  bench_operators[op].family->state(op, text);
  return text;
}

void bench_add_term(char text[BENCH_TEXT], int count, const char *words) {
  const size_t length = strlen(text);
  const char *plus = length > 0 ? " + " : "";
  if (count == 1)
    snprintf(text + length, BENCH_TEXT - length, "%s%s", plus, words);
  else if (count > 1)
    snprintf(text + length, BENCH_TEXT - length, "%s%d * %s", plus, count, words);
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

/* Is the entry one of a word that stands for several? */
static bool is_in_group(bench_names_t names, int k, const char *word) {
  return strcmp(word, "all") == 0 || (names == BENCH_OPERATOR_NAMES &&
                                      strcmp(word, bench_operators[k].family->name) == 0);
}

static uint32_t find_name(bench_names_t names, const char *word) {
  uint32_t set = 0;
  for (int k = 0; bench_name(names, k) != NULL; ++k)
    if (is_selectable(names, k) &&
        (is_in_group(names, k, word) || strcasecmp(word, bench_name(names, k)) == 0))
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
