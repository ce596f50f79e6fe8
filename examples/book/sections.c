/* sections.c - the numbers of chapter 3, and the calls that give them. */
#include "sections.h"

#include <stdio.h>

#include "attention.h"
#include "torch_rng.h"

static const uint64_t seed = 123; /* the book's, of another generator; it could be any */

static void write_ones(const matrices_t *m) {
  float x[ELEMENTS];
  for (int e = 0; e < ELEMENTS; ++e) x[e] = 1.0f;
  matrices_write_x(m, x);
}

static void write_attention(const matrices_t *m, float x[ELEMENTS]) {
  attention_weights(x);
  matrices_write_x(m, x);
}

/* y = drop(x), on the backend, and then here. */
static void drop(const matrices_t *m, const cudrop_mask_t *mask, float y[ELEMENTS]) {
  check(cudrop_forward(m->ctx, &m->x, mask, &m->y));
  matrices_read_y(m, y);
}

static int count_equal(const float a[ELEMENTS], const float b[ELEMENTS]) {
  int equal = 0;
  for (int e = 0; e < ELEMENTS; ++e) equal += a[e] == b[e];
  return equal;
}

void show_scale(const matrices_t *m) {
  static const double rates[] = {0.1, 0.5, 0.3, 0.7};
  puts(
      "1. The scale\n"
      "\n"
      "Dropout sets an element to 0 with probability p. It multiplies the survivors by\n"
      "1 / (1 - p), the inverse of the probability to be kept, so that the mean over\n"
      "all masks is what it was. That is not 1 / p: the two are equal at p = 0.5 alone.\n"
      "\n"
      "  mask = cudrop_mask(123, 0, p)\n"
      "  cudrop_forward(ctx, &ones, &mask, &y)\n"
      "\n"
      "    p    a 1 that is kept    1 / p, which it is not");
  write_ones(m);
  for (size_t k = 0; k < sizeof rates / sizeof rates[0]; ++k) {
    const cudrop_mask_t mask = cudrop_mask(seed, 0, rates[k]);
    float y[ELEMENTS], kept = 0.0f;
    drop(m, &mask, y);
    for (int e = 0; e < ELEMENTS; ++e) kept = y[e] != 0.0f ? y[e] : kept;
    printf("    %.1f  %-18.4f  %.4f\n", rates[k], (double)kept, 1.0 / rates[k]);
  }
}

void show_ones(const matrices_t *m) {
  const cudrop_mask_t mask = cudrop_mask(seed, 0, 0.5);
  float y[ELEMENTS], sum = 0.0f;
  int kept = 0;
  puts(
      "\n2. A matrix of ones\n"
      "\n"
      "About half of the elements are dropped, and the others become 2. Which ones\n"
      "follows from seed, offset and p: every machine prints this matrix.\n"
      "\n"
      "  mask = cudrop_mask(123, 0, 0.5)\n"
      "  cudrop_forward(ctx, &ones, &mask, &y)\n");
  write_ones(m);
  drop(m, &mask, y);
  matrices_print(y, 0);
  for (int e = 0; e < ELEMENTS; ++e) {
    kept += y[e] != 0.0f;
    sum += y[e];
  }
  printf("\n%d of %d are kept, and the mean is %.4f; over all masks it is 1.\n", kept,
         ELEMENTS, (double)sum / ELEMENTS);
}

void show_attention(const matrices_t *m) {
  const cudrop_mask_t mask = cudrop_mask(seed, 1, 0.5);
  float x[ELEMENTS], y[ELEMENTS];
  puts(
      "\n3. Causal attention weights\n"
      "\n"
      "The weights of \"Your journey starts with one step\", as section 3.5.1 of the\n"
      "book has them: softmax of the scores, those above the diagonal at -infinity. A\n"
      "row sums to 1.\n");
  write_attention(m, x);
  matrices_print(x, 4);
  puts(
      "\nDropped with p = 0.5, a row sums to 1 on the average alone; a zero above the\n"
      "diagonal is 0 whether it is kept or not. The offset is 1, because every dropout\n"
      "of a program has one of its own.\n"
      "\n"
      "  mask = cudrop_mask(123, 1, 0.5)\n"
      "  cudrop_forward(ctx, &weights, &mask, &y)\n");
  drop(m, &mask, y);
  matrices_print(y, 4);
}

void show_inference(const matrices_t *m) {
  const cudrop_mask_t training = cudrop_mask(seed, 1, 0.5);
  const cudrop_mask_t inference = cudrop_mask(seed, 1, 0.0);
  float x[ELEMENTS], y[ELEMENTS];
  puts(
      "\n4. Training and inference\n"
      "\n"
      "Training drops. Inference makes no call, or the same call with p = 0, which\n"
      "copies every bit; nothing is left to be scaled. The last row of the weights:\n"
      "\n"
      "  mask = cudrop_mask(123, 1, p)\n"
      "  cudrop_forward(ctx, &weights, &mask, &y)\n");
  write_attention(m, x);
  matrices_print_row("weights             ", x + ELEMENTS - COLS, 4);
  drop(m, &training, y);
  matrices_print_row("training, p = 0.5   ", y + ELEMENTS - COLS, 4);
  drop(m, &inference, y);
  matrices_print_row("inference, p = 0    ", y + ELEMENTS - COLS, 4);
  printf("\nAfter inference %d of %d elements are those of the weights.\n",
         count_equal(x, y), ELEMENTS);
}

/* One line of show_seed(): the first row, and how many elements are those of `first`. */
static void print_comparison(const char *label, const float y[ELEMENTS],
                             const float first[ELEMENTS]) {
  printf("  %-25s", label);
  for (int c = 0; c < COLS; ++c) printf("%.0f ", (double)y[c]);
  printf("   %d of %d\n", count_equal(y, first), ELEMENTS);
}

void show_seed(const matrices_t *m) {
  const cudrop_mask_t mask = cudrop_mask(seed, 0, 0.5);
  const cudrop_mask_t other = cudrop_mask(seed, 1, 0.5);
  float first[ELEMENTS], y[ELEMENTS];
  puts(
      "\n5. The same seed twice\n"
      "\n"
      "torch.manual_seed() has to be called again before every call that is to drop the\n"
      "same elements. Here the mask is a value: what is given an equal one drops equal\n"
      "elements, backward included. The first row of each matrix, and how many elements\n"
      "of all are as in the first matrix:\n"
      "\n"
      "  mask = cudrop_mask(123, 0, 0.5)\n"
      "  cudrop_forward(ctx, &ones, &mask, &y)\n"
      "  cudrop_backward(ctx, &ones, &mask, &y)\n");
  write_ones(m);
  drop(m, &mask, first);
  print_comparison("forward, seed 123", first, first);
  drop(m, &mask, y);
  print_comparison("forward once more", y, first);
  drop(m, &other, y);
  print_comparison("forward, at offset 1", y, first);
  check(cudrop_backward(m->ctx, &m->x, &mask, &m->y));
  matrices_read_y(m, y);
  print_comparison("backward", y, first);
}

/* x under a mask of PyTorch's, as it is after torch.manual_seed(123). */
static void replay(const matrices_t *m,
                   void (*draw)(mersenne_t *rng, double p, uint8_t *keep, int n),
                   int digits) {
  mersenne_t rng;
  uint8_t keep[ELEMENTS];
  float y[ELEMENTS];
  mersenne_seed(&rng, 123);
  draw(&rng, 0.5, keep, ELEMENTS);
  matrices_write_keep(m, keep);
  check(cudrop_apply_bytes(m->ctx, &m->x, &m->keep, 0.5, &m->y));
  matrices_read_y(m, y);
  matrices_print(y, digits);
}

void show_torch(const matrices_t *m) {
  float x[ELEMENTS];
  puts(
      "\n6. The book's own matrices\n"
      "\n"
      "The book drops after torch.manual_seed(123). Some readers see its matrix and\n"
      "others a second one, because on a CPU PyTorch draws masks from another generator\n"
      "where it is built with Intel's MKL, as it usually is for Linux on x86. Neither\n"
      "is a mask of cudrop's, but a mask may come from elsewhere, as a byte an element:\n"
      "\n"
      "  cudrop_apply_bytes(ctx, &x, &keep, 0.5, &y)\n");
  write_ones(m);
  puts("Ones, PyTorch without MKL, which the book prints (draws of MT19937):\n");
  replay(m, torch_rng_keep, 0);
  puts("\nOnes, PyTorch with MKL, which other readers see (draws of MCG31m1):\n");
  replay(m, torch_rng_keep_mkl, 0);
  write_attention(m, x);
  puts("\nThe attention weights, PyTorch without MKL, which the book prints:\n");
  replay(m, torch_rng_keep, 4);
  puts("\nThe attention weights, PyTorch with MKL:\n");
  replay(m, torch_rng_keep_mkl, 4);
}
