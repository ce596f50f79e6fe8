/*
 * plain_loop.c - dropout as programs in C write it by hand: a loop, a generator with a state, and
 * a byte an element that says what backward must drop.
 *
 *   plain_loop N P REPEATS   prints the median nanoseconds of forward and of backward, in F32
 */
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 1000 }; /* repeats */

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* G. Marsaglia, "Xorshift RNGs". */
static uint32_t draw(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static void forward(size_t n, const float *x, float p, uint32_t *state, uint8_t *mask,
                    float *y) {
  const float scale = 1.0f / (1.0f - p);
  for (size_t e = 0; e < n; ++e) {
    mask[e] = (float)(draw(state) >> 8) * 0x1p-24f >= p;
    y[e] = mask[e] ? x[e] * scale : 0.0f;
  }
}

static void backward(size_t n, const float *dy, float p, const uint8_t *mask, float *dx) {
  const float scale = 1.0f / (1.0f - p);
  for (size_t e = 0; e < n; ++e) dx[e] = mask[e] ? dy[e] * scale : 0.0f;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median nanoseconds of forward and backward, and the share of what is kept. */
static void measure(size_t n, float p, int repeats, float *x, float *y, uint8_t *mask) {
  static double times[2][MOST];
  uint32_t state = 2463534242u;
  double kept = 0.0;
  for (size_t e = 0; e < n; ++e) x[e] = (float)(draw(&state) >> 8) * 0x1p-23f - 1.0f;
  for (int k = -1; k < repeats; ++k) { /* the first one is not counted */
    const double start = now();
    forward(n, x, p, &state, mask, y);
    const double middle = now();
    backward(n, y, p, mask, y);
    if (k < 0) continue;
    times[0][k] = middle - start;
    times[1][k] = now() - middle;
  }
  for (size_t e = 0; e < n; ++e) kept += y[e] != 0.0f;
  for (int k = 0; k < 2; ++k) qsort(times[k], (size_t)repeats, sizeof(double), compare);
  printf("%.0f %.0f %.6f\n", times[0][repeats / 2], times[1][repeats / 2],
         kept / (double)n);
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: plain_loop N P REPEATS\n");
    return 2;
  }
  const size_t n = strtoul(arguments[1], NULL, 10);
  const float p = strtof(arguments[2], NULL);
  const int repeats = (int)strtol(arguments[3], NULL, 10);
  float *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
  uint8_t *mask = calloc(n, 1);
  const int can =
      x != NULL && y != NULL && mask != NULL && repeats > 0 && repeats <= MOST;
  if (can) measure(n, p, repeats, x, y, mask);
  free(x);
  free(y);
  free(mask);
  return can ? 0 : 1;
}
