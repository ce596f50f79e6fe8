/* gpt_reference.c - one row of the batch after the other. */
#include "gpt_reference.h"

#include <math.h>
#include <stdlib.h>

/* What is read off the front of the parameters, as far as the row has come. */
typedef struct {
  const gpt_reference_t *gpt;
  const double *next; /* the parameter that is read next */
  int row, site;
} reader_t;

static const double *take(reader_t *reader, int n) {
  const double *taken = reader->next;
  reader->next += n;
  return taken;
}

static double *make(int n) {
  return calloc((size_t)n, sizeof(double));
}

/* x is dropped; `first` is the place of its first element in the whole tensor. */
static void drop(const reader_t *reader, int first, int n, double p, double *x) {
  if (reader->gpt->keep == NULL) return;
  for (int i = 0; i < n; ++i)
    x[i] = reader->gpt->keep[reader->site][first + i] ? x[i] / (1.0 - p) : 0.0;
}

/* y [rows][out] = x [rows][in] w [in][out] + bias */
static void apply(int rows, int in, int out, const double *x, const double *w,
                  const double *bias, double *y) {
  for (int r = 0; r < rows; ++r) {
    for (int o = 0; o < out; ++o) {
      double sum = bias == NULL ? 0.0 : bias[o];
      for (int i = 0; i < in; ++i) sum += x[r * in + i] * w[i * out + o];
      y[r * out + o] = sum;
    }
  }
}

static void normalise(int rows, int cols, const double *h, const double *gamma,
                      const double *beta, double *y) {
  for (int r = 0; r < rows; ++r) {
    const double *from = h + r * cols;
    double mean = 0.0, variance = 0.0;
    for (int c = 0; c < cols; ++c) mean += from[c] / cols;
    for (int c = 0; c < cols; ++c) variance += (from[c] - mean) * (from[c] - mean) / cols;
    for (int c = 0; c < cols; ++c)
      y[r * cols + c] = (from[c] - mean) / sqrt(variance + 1e-5) * gamma[c] + beta[c];
  }
}

static double gelu(double x) {
  return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

static void attend_head(const reader_t *reader, int head, const double *qkv,
                        double *attended) {
  const gpt_reference_t *gpt = reader->gpt;
  const int T = gpt->length, C = gpt->width, D = C / gpt->heads;
  double *weight = make(T);
  for (int q = 0; q < T; ++q) {
    double sum = 0.0;
    for (int k = 0; k <= q; ++k) {
      double score = 0.0;
      for (int d = 0; d < D; ++d)
        score +=
            qkv[q * 3 * C + head * D + d] * qkv[k * 3 * C + C + head * D + d] / sqrt(D);
      weight[k] = exp(score);
      sum += weight[k];
    }
    for (int k = 0; k <= q; ++k) weight[k] /= sum;
    drop(reader, ((reader->row * gpt->heads + head) * T + q) * T, q + 1, gpt->p[1],
         weight);
    for (int d = 0; d < D; ++d) {
      attended[q * C + head * D + d] = 0.0;
      for (int k = 0; k <= q; ++k)
        attended[q * C + head * D + d] +=
            weight[k] * qkv[k * 3 * C + 2 * C + head * D + d];
    }
  }
  free(weight);
}

/* h += drop(x w + bias) */
static void add_shortcut(reader_t *reader, int in, const double *x, double *h) {
  const gpt_reference_t *gpt = reader->gpt;
  const int T = gpt->length, C = gpt->width;
  const double *w = take(reader, in * C);
  const double *bias = take(reader, C);
  double *y = make(T * C);
  apply(T, in, C, x, w, bias, y);
  drop(reader, reader->row * T * C, T * C, gpt->p[2], y);
  for (int i = 0; i < T * C; ++i) h[i] += y[i];
  free(y);
  ++reader->site;
}

static void run_attention(reader_t *reader, double *h) {
  const gpt_reference_t *gpt = reader->gpt;
  const int T = gpt->length, C = gpt->width;
  double *y = make(T * C), *qkv = make(T * 3 * C), *attended = make(T * C);
  const double *gamma = take(reader, C), *beta = take(reader, C);
  const double *w = take(reader, 3 * C * C);
  const double *bias = gpt->has_qkv_bias ? take(reader, 3 * C) : NULL;
  normalise(T, C, h, gamma, beta, y);
  apply(T, C, 3 * C, y, w, bias, qkv);
  for (int head = 0; head < gpt->heads; ++head) attend_head(reader, head, qkv, attended);
  ++reader->site;
  add_shortcut(reader, C, attended, h);
  free(y);
  free(qkv);
  free(attended);
}

static void run_feed_forward(reader_t *reader, double *h) {
  const gpt_reference_t *gpt = reader->gpt;
  const int T = gpt->length, C = gpt->width;
  double *y = make(T * C), *hidden = make(T * 4 * C);
  const double *gamma = take(reader, C), *beta = take(reader, C);
  const double *w = take(reader, 4 * C * C), *bias = take(reader, 4 * C);
  normalise(T, C, h, gamma, beta, y);
  apply(T, C, 4 * C, y, w, bias, hidden);
  for (int i = 0; i < T * 4 * C; ++i) hidden[i] = gelu(hidden[i]);
  add_shortcut(reader, 4 * C, hidden, h);
  free(y);
  free(hidden);
}

/* The sum of the row's losses. */
static double judge(reader_t *reader, const double *h) {
  const gpt_reference_t *gpt = reader->gpt;
  const int T = gpt->length, C = gpt->width, V = gpt->vocabulary;
  double *y = make(T * C), *logit = make(T * V);
  const double *gamma = take(reader, C), *beta = take(reader, C);
  double loss = 0.0;
  normalise(T, C, h, gamma, beta, y);
  apply(T, C, V, y, take(reader, C * V), NULL, logit);
  for (int t = 0; t < T; ++t) {
    double sum = 0.0;
    for (int v = 0; v < V; ++v) sum += exp(logit[t * V + v]);
    loss += log(sum) - logit[t * V + gpt->targets[reader->row * T + t]];
  }
  free(y);
  free(logit);
  return loss;
}

static double run_row(const gpt_reference_t *gpt, int row, const double *parameter) {
  const int T = gpt->length, C = gpt->width;
  reader_t reader = {.gpt = gpt, .next = parameter, .row = row};
  const double *tokens = take(&reader, gpt->vocabulary * C);
  const double *positions = take(&reader, T * C);
  double *h = make(T * C);
  for (int i = 0; i < T * C; ++i)
    h[i] = tokens[gpt->ids[row * T + i / C] * C + i % C] + positions[i];
  drop(&reader, row * T * C, T * C, gpt->p[0], h);
  reader.site = 1;
  for (int layer = 0; layer < gpt->layers; ++layer) {
    run_attention(&reader, h);
    run_feed_forward(&reader, h);
  }
  const double loss = judge(&reader, h);
  free(h);
  return loss;
}

double gpt_reference_loss(const gpt_reference_t *gpt, const double *parameter) {
  double loss = 0.0;
  for (int row = 0; row < gpt->batch; ++row) loss += run_row(gpt, row, parameter);
  return loss / (gpt->batch * gpt->length);
}
