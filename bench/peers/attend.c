/*
 * attend.c - the step that compare.py sets beside PyTorch's scaled_dot_product_attention.
 *
 *   attend host|cuda F32|BF16 HEADS TOKENS P CAUSAL THREADS REPEATS      CAUSAL is 0 or 1
 *
 * prints, as one JSON object, what a call of cudrop_attend_forward() and of _backward() took, warm,
 * by the clock of `cudrop bench`, and by how much a step made the host's memory larger, after some
 * elements of o and dq, and of up to 1,024 tokens of dk and dv, have been compared with the
 * formulas in double.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "failure.h"
#include "format.h"
#include "measure.h"
#include "rowwise_reference.h"
#include "window.h"

enum { Q, K, V, O, DOUT, DQ, DK, DV, TENSORS };
enum { D = 64, CHECKED = 8 }; /* a head's size; queries that are compared */

static const float scale = 0.125f;

typedef struct {
  bench_machine_t machine;
  bench_operand_t tensor[TENSORS];
  bench_window_t window[TENSORS];
  bench_operand_t lse;
  cudrop_dtype_t dtype;
  int64_t heads, tokens;
  double p;
  bool is_causal;
  int threads, repeats;
  cudrop_mask_t mask;
  cudrop_attention_t attention;
  cudrop_attend_forward_t forward;
  cudrop_attend_backward_t backward;
  double *weight; /* [tokens], of a query */
} step_t;

/* ---- Memory ------------------------------------------------------------------------------ */

static bool open_tensors(step_t *step) {
  const int64_t shape[] = {step->heads, step->tokens, D};
  for (int k = 0; k < TENSORS; ++k) {
    bench_operand_t *operand = &step->tensor[k];
    *operand = (bench_operand_t){.form = BENCH_VALUES,
                                 .dtype = step->dtype,
                                 .tensor = cudrop_tensor(NULL, step->dtype, 3, shape),
                                 .positions = step->heads * step->tokens * D,
                                 .stream = k * BENCH_STREAMS};
    if (!bench_operand_open(operand, step->machine.context)) return false;
  }
  step->lse = (bench_operand_t){.form = BENCH_VALUES,
                                .dtype = CUDROP_F32,
                                .tensor = cudrop_tensor(NULL, CUDROP_F32, 2, shape),
                                .positions = step->heads * step->tokens,
                                .stream = TENSORS * BENCH_STREAMS};
  return bench_operand_open(&step->lse, step->machine.context);
}

static void describe_calls(step_t *step) {
  const bench_operand_t *of = step->tensor;
  step->mask = cudrop_mask(42, 5, step->p);
  step->attention =
      (cudrop_attention_t){.scale = scale,
                           .causal = step->is_causal ? CUDROP_CAUSAL : CUDROP_NOT_CAUSAL,
                           .mask = step->p > 0.0 ? &step->mask : NULL};
  step->forward = (cudrop_attend_forward_t){.attention = &step->attention,
                                            .q = &of[Q].tensor,
                                            .k = &of[K].tensor,
                                            .v = &of[V].tensor,
                                            .o = &of[O].tensor,
                                            .lse = &step->lse.tensor};
  step->backward = (cudrop_attend_backward_t){.attention = &step->attention,
                                              .q = &of[Q].tensor,
                                              .k = &of[K].tensor,
                                              .v = &of[V].tensor,
                                              .o = &of[O].tensor,
                                              .lse = &step->lse.tensor,
                                              .dout = &of[DOUT].tensor,
                                              .dq = &of[DQ].tensor,
                                              .dk = &of[DK].tensor,
                                              .dv = &of[DV].tensor};
}

static bool open_step(step_t *step, cudrop_backend_t backend) {
  if (!bench_machine_open(&step->machine, backend, 0, step->threads) ||
      !open_tensors(step))
    return false;
  describe_calls(step);
  step->weight = calloc((size_t)step->tokens, sizeof *step->weight);
  return (step->weight != NULL || bench_fail("there is no memory")) &&
         bench_ok(cudrop_attend_backward_workspace(step->heads * step->tokens, D,
                                                   &step->backward.workspace_bytes)) &&
         bench_ok(cudrop_alloc(step->machine.context, step->backward.workspace_bytes,
                               &step->backward.workspace));
}

static void close_step(step_t *step) {
  cudrop_context_t *context = step->machine.context;
  if (context == NULL) return;
  for (int k = 0; k < TENSORS; ++k) {
    bench_window_close(&step->window[k]);
    bench_operand_close(&step->tensor[k], context);
  }
  bench_operand_close(&step->lse, context);
  (void)cudrop_free(context, &step->backward.workspace);
  free(step->weight);
  bench_machine_close(&step->machine);
}

/* ---- The formulas, a row at a time ------------------------------------------------------- */

/* Element [head, row, col] of an input, or of an output. */
static double get(const step_t *step, int k, int64_t head, int64_t row, int col) {
  return bench_decode(step->dtype, bench_content(&step->tensor[k],
                                                 (head * step->tokens + row) * D + col));
}

static bool read(step_t *step, int k, int64_t head, int64_t row, int col, double *value) {
  uint64_t bits = 0;
  if (!bench_window_read(&step->window[k], (head * step->tokens + row) * D + col, &bits))
    return false;
  *value = bench_decode(step->dtype, bits);
  return true;
}

static double multiply(const step_t *step, int a, int b, int64_t head, int64_t i,
                       int64_t j) {
  double sum = 0.0;
  for (int c = 0; c < D; ++c) sum += get(step, a, head, i, c) * get(step, b, head, j, c);
  return sum;
}

static int64_t count_seen(const step_t *step, int64_t query) {
  return step->is_causal ? query + 1 : step->tokens;
}

/* 1 / (1 - p), or 0 for a weight that is dropped. */
static double find_factor(const step_t *step, int64_t head, int64_t query, int64_t key) {
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(step->p);
  const uint64_t index = (uint64_t)((head * step->tokens + query) * step->tokens + key);
  return cudrop_mask_keep(step->mask.seed, step->mask.offset, index, threshold)
             ? cudrop_mask_scale_f64(step->p)
             : 0.0;
}

/* Write the weights of a query, before the mask, to step->weight. */
static void weigh(step_t *step, int64_t head, int64_t query) {
  const int64_t seen = count_seen(step, query);
  double most = -INFINITY, sum = 0.0;
  for (int64_t j = 0; j < seen; ++j) {
    step->weight[j] = (double)scale * multiply(step, Q, K, head, query, j);
    most = fmax(most, step->weight[j]);
  }
  for (int64_t j = 0; j < seen; ++j) sum += step->weight[j] = exp(step->weight[j] - most);
  for (int64_t j = 0; j < seen; ++j) step->weight[j] /= sum;
}

/* Is a value as near to a sum as the type and the sum's error allow? NaN is not. */
static bool is_near(const step_t *step, const char *name, double got,
                    const bench_sum_t *wanted) {
  const double unit = step->dtype == CUDROP_BF16 ? 0x1p-8 : 0x1p-22;
  return fabs(got - wanted->value) <= unit * (fabs(wanted->value) + wanted->error) ||
         bench_fail("%s is %g, and must be %g", name, got, wanted->value);
}

/* Write o of a query, whose weights are in step->weight. */
static void find_output(const step_t *step, int64_t head, int64_t query, double o[D]) {
  for (int c = 0; c < D; ++c) o[c] = 0.0;
  for (int64_t j = 0; j < count_seen(step, query); ++j) {
    const double weight = step->weight[j] * find_factor(step, head, query, j);
    for (int c = 0; c < D; ++c) o[c] += weight * get(step, V, head, j, c);
  }
}

static void add_term(bench_sum_t *sum, double term) {
  bench_sum_add(sum, term, fabs(term));
}

/* The sum of dO * O of a query. Its error is that of an o that is rounded to the type. */
static bench_sum_t find_delta(const step_t *step, int64_t head, int64_t query,
                              const double o[D]) {
  bench_sum_t delta = {0};
  for (int c = 0; c < D; ++c) add_term(&delta, o[c] * get(step, DOUT, head, query, c));
  return delta;
}

/* Add the gradient of a score times `with` to *sum. step->weight has the query's weights. */
static void differentiate(const step_t *step, int64_t head, int64_t query, int64_t key,
                          const bench_sum_t *delta, double with, bench_sum_t *sum) {
  const double dp =
      find_factor(step, head, query, key) * multiply(step, DOUT, V, head, query, key);
  const double factor = (double)scale * step->weight[key] * with;
  bench_sum_add(sum, factor * (dp - delta->value),
                fabs(factor) * (fabs(dp) + delta->error));
}

/* Compare column `col` of o and dq of a query. */
static bool check_query(step_t *step, int64_t head, int64_t query, int col) {
  double o[D], got[2];
  bench_sum_t sum = {0}, dq = {0};
  weigh(step, head, query);
  find_output(step, head, query, o);
  const bench_sum_t delta = find_delta(step, head, query, o);
  for (int64_t j = 0; j < count_seen(step, query); ++j) {
    add_term(&sum, step->weight[j] * find_factor(step, head, query, j) *
                       get(step, V, head, j, col));
    differentiate(step, head, query, j, &delta, get(step, K, head, j, col), &dq);
  }
  return read(step, O, head, query, col, &got[0]) &&
         read(step, DQ, head, query, col, &got[1]) &&
         is_near(step, "an o", got[0], &sum) && is_near(step, "a dq", got[1], &dq);
}

/* Compare column `col` of dk and dv of the first key, which all queries see. */
static bool check_key(step_t *step, int64_t head, int col) {
  bench_sum_t dk = {0}, dv = {0};
  double o[D], got[2];
  for (int64_t query = 0; query < step->tokens; ++query) {
    weigh(step, head, query);
    find_output(step, head, query, o);
    const bench_sum_t delta = find_delta(step, head, query, o);
    differentiate(step, head, query, 0, &delta, get(step, Q, head, query, col), &dk);
    add_term(&dv, step->weight[0] * find_factor(step, head, query, 0) *
                      get(step, DOUT, head, query, col));
  }
  return read(step, DK, head, 0, col, &got[0]) && read(step, DV, head, 0, col, &got[1]) &&
         is_near(step, "a dk", got[0], &dk) && is_near(step, "a dv", got[1], &dv);
}

static bool check(step_t *step) {
  for (int k = O; k < TENSORS; ++k)
    if (!bench_window_open(&step->window[k], step->machine.context, &step->tensor[k]))
      return false;
  for (int64_t k = 0; k < CHECKED; ++k)
    if (!check_query(step, k % step->heads, (step->tokens - 1) * k / (CHECKED - 1),
                     (int)k * 7))
      return false;
  /* All weights of a head: too many of long sequences to do slowly. */
  return step->tokens > 1024 || check_key(step, step->heads - 1, 5);
}

/* ---- The program ------------------------------------------------------------------------- */

static bool call_forward(void *argument) {
  const step_t *step = argument;
  return bench_ok(cudrop_attend_forward(step->machine.context, &step->forward));
}

static bool call_backward(void *argument) {
  const step_t *step = argument;
  return bench_ok(cudrop_attend_backward(step->machine.context, &step->backward));
}

/* A number of kB in /proc/self/status, in bytes; 0 if it is not there. */
static long long read_memory(const char *name) {
  char line[256];
  long long kilobytes = 0;
  FILE *file = fopen("/proc/self/status", "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, name, strlen(name)) == 0)
      kilobytes = strtoll(line + strlen(name), NULL, 10);
  (void)fclose(file);
  return kilobytes * 1024;
}

static bool run(step_t *step) {
  const bench_task_t forward = {call_forward, step}, backward = {call_backward, step};
  bench_times_t times[2];
  const long long before = read_memory("VmRSS:");
  if (!call_forward(step) || !call_backward(step) ||
      !bench_ok(cudrop_synchronize(step->machine.context)))
    return false;
  const long long most = read_memory("VmHWM:");
  if (!check(step) ||
      !bench_measure(&step->machine, &forward, 0, false, step->repeats, &times[0]) ||
      !bench_measure(&step->machine, &backward, 0, false, step->repeats, &times[1]))
    return false;
  const size_t tensor =
      (size_t)(step->heads * step->tokens * D) * cudrop_dtype_bytes(step->dtype);
  const size_t lse = (size_t)(step->heads * step->tokens) * sizeof(float);
  printf(
      "{\"forward_ns\": %.1f, \"backward_ns\": %.1f, \"state_bytes\": %zu, "
      "\"peak_bytes\": %lld}\n",
      times[0].ns.median, times[1].ns.median, 16 + 4 * tensor + lse,
      most > before ? most - before : 0);
  return true;
}

/* Is a word one of two? *is_second says which. */
static bool read_choice(const char *word, const char *first, const char *second,
                        bool *is_second) {
  *is_second = strcmp(word, second) == 0;
  return *is_second || strcmp(word, first) == 0;
}

static bool read_arguments(char **words, step_t *step, cudrop_backend_t *backend) {
  bool is_cuda = false, is_bf16 = false;
  if (!read_choice(words[1], "host", "cuda", &is_cuda) ||
      !read_choice(words[2], "F32", "BF16", &is_bf16) ||
      !read_choice(words[6], "0", "1", &step->is_causal))
    return false;
  *backend = is_cuda ? CUDROP_CUDA : CUDROP_HOST;
  step->dtype = is_bf16 ? CUDROP_BF16 : CUDROP_F32;
  step->heads = strtoll(words[3], NULL, 10);
  step->tokens = strtoll(words[4], NULL, 10);
  step->p = strtod(words[5], NULL);
  step->threads = (int)strtol(words[7], NULL, 10);
  step->repeats = (int)strtol(words[8], NULL, 10);
  return step->heads > 0 && step->tokens >= 2 * CHECKED && step->p >= 0.0 &&
         step->p < 1.0 && step->threads > 0 && step->repeats > 0 &&
         step->repeats <= BENCH_MOST_REPEATS;
}

int main(int count, char **words) {
  step_t step = {.heads = 0};
  cudrop_backend_t backend = CUDROP_HOST;
  if (count != 9 || !read_arguments(words, &step, &backend)) {
    fprintf(stderr,
            "usage: attend host|cuda F32|BF16 HEADS TOKENS P 0|1 THREADS REPEATS\n");
    return 2;
  }
  const bool ran = open_step(&step, backend) && run(&step);
  if (!ran) fprintf(stderr, "%s\n", bench_failure());
  close_step(&step);
  return ran ? 0 : 1;
}
