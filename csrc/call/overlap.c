/*
 * overlap.c - views that share memory.
 *
 * Two elements share a byte when their distance, a sum of coordinate differences times
 * strides, is smaller than an element. Both questions become: can
 *
 *   sum of coefficient_k * value_k,   0 <= value_k <= limit_k,
 *
 * lie in [low, high]? The search takes the coefficients in falling order. For each it tries only
 * the values that the terms behind it can still correct.
 */
#include "call/overlap.h"

#include <stdlib.h>

enum { MAX_TERMS = 2 * CUDROP_MAX_RANK, MAX_STEPS = 20000 };

typedef struct {
  int64_t coefficient; /* positive */
  int64_t limit;
} term_t;

typedef struct {
  int count;
  term_t term[MAX_TERMS];
  int64_t low, high;
  int64_t reach[MAX_TERMS + 1];   /* the largest sum of the terms from k on */
  int64_t divisor[MAX_TERMS + 1]; /* the greatest common divisor of those terms */
  int steps;
} problem_t;

/* Add a term. The value of a negative coefficient is counted down from the limit. */
static void add_term(problem_t *problem, int64_t coefficient, int64_t limit) {
  if (coefficient == 0 || limit == 0) return;
  if (coefficient < 0) {
    problem->low -= coefficient * limit;
    problem->high -= coefficient * limit;
    coefficient = -coefficient;
  }
  for (int k = 0; k < problem->count; ++k) {
    if (problem->term[k].coefficient == coefficient) {
      problem->term[k].limit += limit;
      return;
    }
  }
  problem->term[problem->count++] = (term_t){coefficient, limit};
}

static int compare_falling(const void *a, const void *b) {
  const int64_t x = ((const term_t *)a)->coefficient;
  const int64_t y = ((const term_t *)b)->coefficient;
  return (x < y) - (x > y);
}

static int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* Can the terms from k on sum to a value in [low, high]? True when the steps run out. */
static bool search(problem_t *problem, int k, int64_t low, int64_t high) {
  if (low < 0) low = 0;
  if (high > problem->reach[k]) high = problem->reach[k];
  if (low > high) return false;
  if (low == 0) return true;
  const int64_t divisor = problem->divisor[k]; /* some term is left: reach >= low > 0 */
  if (high / divisor * divisor < low) return false;
  if (++problem->steps > MAX_STEPS) return true;

  const term_t term = problem->term[k];
  const int64_t missing = low - problem->reach[k + 1]; /* what this term must give */
  int64_t value =
      missing <= 0 ? 0 : missing / term.coefficient + (missing % term.coefficient != 0);
  for (; value <= term.limit && term.coefficient * value <= high; ++value) {
    const int64_t sum = term.coefficient * value;
    if (search(problem, k + 1, low - sum, high - sum)) return true;
  }
  return false;
}

static bool solvable(problem_t *problem) {
  qsort(problem->term, (size_t)problem->count, sizeof problem->term[0], compare_falling);
  problem->reach[problem->count] = 0;
  problem->divisor[problem->count] = 0;
  for (int k = problem->count - 1; k >= 0; --k) {
    const term_t term = problem->term[k];
    problem->reach[k] = problem->reach[k + 1] + term.coefficient * term.limit;
    problem->divisor[k] =
        greatest_common_divisor(problem->divisor[k + 1], term.coefficient);
  }
  return search(problem, 0, problem->low, problem->high);
}

/*
 * True if every stride steps over all that the smaller strides span. Dense tensors, their slices
 * and their transpositions are such views, and nearly every output is one.
 */
static bool is_nested(const cudropi_footprint_t *view) {
  problem_t strides = {.count = 0};
  for (int d = 0; d < view->rank; ++d) {
    if (view->shape[d] > 1)
      strides.term[strides.count++] = (term_t){
          view->stride[d] < 0 ? -view->stride[d] : view->stride[d], view->shape[d] - 1};
  }
  qsort(strides.term, (size_t)strides.count, sizeof strides.term[0], compare_falling);
  int64_t span = view->width;
  for (int k = strides.count - 1; k >= 0; --k) {
    if (strides.term[k].coefficient < span) return false;
    span += strides.term[k].coefficient * strides.term[k].limit;
  }
  return true;
}

bool cudropi_may_repeat(const cudropi_footprint_t *view) {
  if (is_nested(view)) return false;
  /* Two elements first differ in dimension `first`, where the second has the higher coordinate. */
  for (int first = 0; first < view->rank; ++first) {
    if (view->shape[first] < 2) continue;
    problem_t problem = {.low = 1 - view->width, .high = view->width - 1};
    problem.low -= view->stride[first]; /* they differ by at least 1 */
    problem.high -= view->stride[first];
    add_term(&problem, view->stride[first], view->shape[first] - 2);
    for (int d = first + 1; d < view->rank; ++d) {
      add_term(&problem, view->stride[d], view->shape[d] - 1);
      add_term(&problem, -view->stride[d], view->shape[d] - 1);
    }
    if (solvable(&problem)) return true;
  }
  return false;
}

/* The lowest byte and the one past the highest, relative to the address. */
static void find_span(const cudropi_footprint_t *view, int64_t *low, int64_t *high) {
  *low = 0;
  *high = view->width;
  for (int d = 0; d < view->rank; ++d) {
    const int64_t extent = (view->shape[d] - 1) * view->stride[d];
    if (extent < 0) {
      *low += extent;
    } else {
      *high += extent;
    }
  }
}

bool cudropi_may_meet(const cudropi_footprint_t *a, const cudropi_footprint_t *b) {
  int64_t a_low, a_high, b_low, b_high;
  find_span(a, &a_low, &a_high);
  find_span(b, &b_low, &b_high);
  if (a->address + (uint64_t)a_high <= b->address + (uint64_t)b_low ||
      b->address + (uint64_t)b_high <= a->address + (uint64_t)a_low)
    return false;

  const int64_t distance = (int64_t)(b->address - a->address);
  problem_t problem = {.low = distance - (a->width - 1), .high = distance + b->width - 1};
  for (int d = 0; d < a->rank; ++d) add_term(&problem, a->stride[d], a->shape[d] - 1);
  for (int d = 0; d < b->rank; ++d) add_term(&problem, -b->stride[d], b->shape[d] - 1);
  return solvable(&problem);
}
