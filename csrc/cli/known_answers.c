/* known_answers.c - one check for each kind of row. */
#include "known_answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "number.h"

enum { MAX_WORDS = 10, DROPS = 64 };

/* The words of a row behind its kind; number[k] is set if word k is a number. */
typedef struct {
  char *word[MAX_WORDS];
  uint64_t number[MAX_WORDS];
  double p; /* the row's p, if it has one */
} row_t;

static bool check_philox(const row_t *row, cudrop_context_t *context) {
  (void)context;
  const uint64_t *v = row->number;
  const cudrop_philox_block_t counter = {
      {(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], (uint32_t)v[3]}};
  const cudrop_philox_key_t key = {{(uint32_t)v[4], (uint32_t)v[5]}};
  const cudrop_philox_block_t block = cudrop_philox(counter, key);
  return block.word[0] == v[6] && block.word[1] == v[7] && block.word[2] == v[8] &&
         block.word[3] == v[9];
}

static bool check_curand(const row_t *row, cudrop_context_t *context) {
  (void)context;
  const uint64_t *v = row->number;
  cudrop_philox_block_t counter = cudrop_mask_counter(v[2] / 4, v[1], 0);
  const cudrop_philox_block_t block = cudrop_philox(counter, cudrop_philox_key(v[0]));
  return v[2] % 4 == 0 && block.word[0] == v[3] && block.word[1] == v[4] &&
         block.word[2] == v[5] && block.word[3] == v[6];
}

static bool check_threshold(const row_t *row, cudrop_context_t *context) {
  (void)context;
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(row->p);
  return threshold.t0 == row->number[1] && threshold.t1 == row->number[2];
}

/* Read the keep bits of n elements, drawn by the context's backend, into host memory. */
static bool draw(cudrop_context_t *context, const cudrop_mask_t *mask, int64_t n,
                 uint8_t *bits) {
  const size_t bytes = (size_t)(n + 7) / 8;
  void *buffer = NULL;
  const bool drawn = cudrop_alloc(context, bytes, &buffer) == CUDROP_OK &&
                     cudrop_export_bits(context, mask, 1, &n, buffer) == CUDROP_OK &&
                     cudrop_download(context, bits, buffer, bytes) == CUDROP_OK;
  return cudrop_free(context, &buffer) == CUDROP_OK && drawn;
}

/* 64 ones, dropped in a type: do exactly the elements in `dropped` become zero? */
static bool check_forward(cudrop_context_t *context, const cudrop_mask_t *mask,
                          cudrop_dtype_t dtype, const void *one, const uint8_t *dropped) {
  const size_t size = cudrop_dtype_bytes(dtype);
  uint8_t values[DROPS * sizeof(double)];
  const uint8_t zero[sizeof(double)] = {0};
  void *buffer = NULL;
  bool right = cudrop_alloc(context, DROPS * size, &buffer) == CUDROP_OK;
  const cudrop_tensor_t x = cudrop_vector(buffer, dtype, DROPS);
  for (int e = 0; e < DROPS; ++e) memcpy(values + (size_t)e * size, one, size);
  right = right && cudrop_upload(context, buffer, values, DROPS * size) == CUDROP_OK &&
          cudrop_forward(context, &x, mask, &x) == CUDROP_OK &&
          cudrop_download(context, values, buffer, DROPS * size) == CUDROP_OK;
  for (int e = 0; e < DROPS && right; ++e) {
    const bool is_zero = memcmp(values + (size_t)e * size, zero, size) == 0;
    right = is_zero == ((dropped[e >> 3] >> (e & 7) & 1) != 0);
  }
  return cudrop_free(context, &buffer) == CUDROP_OK && right;
}

static bool check_drops(const row_t *row, cudrop_context_t *context) {
  cudrop_mask_t mask = cudrop_mask(row->number[0], row->number[1], row->p);
  mask.index_base = row->number[2];
  uint8_t dropped[DROPS / 8], kept[DROPS / 8];
  if (strlen(row->word[4]) != 2 * sizeof dropped || !draw(context, &mask, DROPS, kept))
    return false;
  for (size_t byte = 0; byte < sizeof dropped; ++byte) {
    const char digits[] = {row->word[4][2 * byte], row->word[4][2 * byte + 1], '\0'};
    dropped[byte] = (uint8_t)strtoul(digits, NULL, 16);
    const uint8_t defined = (uint8_t)cudrop_mask_keep_group(
        mask.seed, mask.offset, mask.index_base / 8 + byte,
        cudrop_mask_threshold(mask.p));
    if ((kept[byte] ^ dropped[byte]) != 0xff || kept[byte] != defined) return false;
  }
  const float one_f32 = 1.0f;
  const double one_f64 = 1.0;
  const uint16_t one_f16 = 0x3c00, one_bf16 = 0x3f80;
  return check_forward(context, &mask, CUDROP_F32, &one_f32, dropped) &&
         check_forward(context, &mask, CUDROP_F64, &one_f64, dropped) &&
         check_forward(context, &mask, CUDROP_F16, &one_f16, dropped) &&
         check_forward(context, &mask, CUDROP_BF16, &one_bf16, dropped);
}

static bool check_tie(const row_t *row, cudrop_context_t *context) {
  const uint64_t *v = row->number;
  const bool is_kept = strcmp(row->word[5], "keep") == 0;
  cudrop_mask_t mask = cudrop_mask(v[0], v[1], row->p);
  mask.index_base = v[3];
  uint8_t bit = 0;
  return (is_kept || strcmp(row->word[5], "drop") == 0) &&
         cudrop_mask_refinement(v[0], v[1], v[3]) == v[4] &&
         cudrop_mask_keep(v[0], v[1], v[3], cudrop_mask_threshold(row->p)) == is_kept &&
         draw(context, &mask, 1, &bit) && bit == is_kept;
}

static bool check_first(const row_t *row, cudrop_context_t *context) {
  const cudrop_mask_t mask = cudrop_mask(row->number[0], row->number[1], row->p);
  const int64_t n = (int64_t)row->number[6] + 1;
  uint8_t *bits = malloc((size_t)(n + 7) / 8);
  bool right = bits != NULL && draw(context, &mask, n, bits);
  int found = 0;
  for (int64_t e = 0; e < n && right; ++e) {
    if ((bits[e >> 3] >> (e & 7) & 1) != 0) continue;
    right = found < 4 && row->number[3 + found] == (uint64_t)e;
    ++found;
  }
  free(bits);
  return right && found == 4;
}

static bool check_child(const row_t *row, cudrop_context_t *context) {
  (void)context;
  return cudrop_child_seed(row->number[0], row->number[1]) == row->number[2] &&
         cudrop_mask_child(row->number[0], row->number[1]) == row->number[2];
}

/* The kinds of rows. A letter of `columns`: n a number, p a probability, s a word. */
static const struct {
  const char *name;
  const char *columns;
  bool (*check)(const row_t *row, cudrop_context_t *context);
} kinds[] = {
    {"philox", "nnnnnnnnnn", check_philox}, {"curand", "nnnnnnn", check_curand},
    {"threshold", "pnn", check_threshold},  {"drops", "nnnps", check_drops},
    {"tie", "nnpnns", check_tie},           {"first", "nnpnnnn", check_first},
    {"child", "nnn", check_child},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *known_answer_kind(int k) {
  return k < KINDS ? kinds[k].name : NULL;
}

/* Read the words of a line into a row; false unless they are what the columns say. */
static bool read_row(const char *columns, row_t *row) {
  const size_t count = strlen(columns);
  for (size_t k = 0; k < count; ++k) {
    row->word[k] = strtok(NULL, " ");
    if (row->word[k] == NULL) return false;
    if (columns[k] == 'n' && !read_u64(row->word[k], &row->number[k])) return false;
    if (columns[k] == 'p' && !read_double(row->word[k], &row->p)) return false;
  }
  return strtok(NULL, " ") == NULL;
}

/* Check a line of kind `k`; skip a line of another kind. */
static void check_line(const char *line, size_t length, int k, cudrop_context_t *context,
                       known_answers_result_t *result) {
  char text[KNOWN_ANSWER_TEXT] = "";
  row_t row = {.p = 0.0};
  memcpy(text, line, length < sizeof text ? length : sizeof text - 1);
  char copy[KNOWN_ANSWER_TEXT];
  memcpy(copy, text, sizeof copy);
  const char *name = strtok(copy, " ");
  if (name == NULL || strcmp(name, kinds[k].name) != 0) return;
  ++result->rows;
  if (read_row(kinds[k].columns, &row) && kinds[k].check(&row, context)) return;
  if (result->wrong++ == 0) memcpy(result->first_wrong, text, sizeof text);
}

known_answers_result_t check_known_answers(const char *table, const char *kind,
                                           cudrop_context_t *context) {
  known_answers_result_t result = {.rows = 0};
  for (int k = 0; k < KINDS; ++k) {
    if (strcmp(kind, kinds[k].name) != 0) continue;
    for (const char *line = table; *line != '\0';) {
      const size_t length = strcspn(line, "\n");
      check_line(line, length, k, context, &result);
      line += length + (line[length] == '\n');
    }
  }
  return result;
}
