/*
 * view.h - tensors for tests: poisoned, fenced, and compared to the byte.
 *
 *   block   | fence | ... memory that the strides span ... | fence |
 *
 * Every byte begins as 0xCA, so that an element that was never written shows, and so does
 * a byte that should not have been.
 */
#ifndef CUDROP_VIEW_H
#define CUDROP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

enum { VIEW_POISON = 0xCA };

typedef struct {
  cudrop_tensor_t tensor;
  uint8_t *block;
  size_t bytes;
} view_t;

/*
 * A tensor of the given shape and strides (NULL: row-major). Its data lies `shift` elements
 * behind a 64-byte boundary, so that every alignment can be had.
 */
view_t view_make(cudrop_dtype_t dtype, int rank, const int64_t *shape,
                 const int64_t *stride, int shift);

/* The same tensor in memory of its own, with a copy of all its bytes. */
view_t view_copy(const view_t *view);

/* Make *to such a copy; frees what it was. */
void view_replace(view_t *to, const view_t *from);

/*
 * The same tensor in the memory of a context, to be given to an operator. An input goes there
 * without its fences, so that what looks after that memory sees the first byte too far.
 */
typedef struct {
  cudrop_tensor_t tensor;
  void *buffer;
} placed_t;

placed_t view_place(cudrop_context_t *context, const view_t *view, bool with_fences);

/* Read the bytes of a view that was placed with its fences; free the buffer of any. */
void view_fetch(cudrop_context_t *context, const placed_t *placed, view_t *view);
void view_displace(cudrop_context_t *context, placed_t *placed);

/*
 * A workspace in the memory of a context, aligned to 16 bytes and no more, which is all that the
 * library asks of one. Give *buffer to cudrop_free().
 */
void *view_make_workspace(cudrop_context_t *context, size_t bytes, void **buffer);

void view_free(view_t *view);

/* End the program with the last error's text unless a call that a test needs has succeeded. */
void view_insist(cudrop_status_t status);

/* A zero or a subnormal of a type, of either sign, by the three lowest bits of `random`. Random
 * bits of a wide type are never one of these. */
double view_tiny(cudrop_dtype_t dtype, uint64_t random);

/* The next of a sequence of numbers from -2 to 2. */
double view_draw(uint64_t *state);

/* Fill the whole block, gaps too, with values that the type's operators must cope with:
 * mostly ordinary ones; in 10 some zero or subnormal of either sign, in 100 an infinity or NaN. */
void view_randomise(view_t *view, uint64_t seed);

/* The same with values from -4 to 4, which sums and differences of formulas are at home with; one
 * in 16 is a zero or a subnormal, of either sign. */
void view_fill_tamely(view_t *view, uint64_t seed);

/* How many elements there are, and where element e, counted row-major, lies. */
int64_t view_count(const view_t *view);
void *view_element(const view_t *view, int64_t e);
double view_get(const view_t *view, int64_t e); /* its value */

/* The coordinate of element e along dimension d. */
int64_t view_coordinate(const view_t *view, int64_t e, int d);

/*
 * The first byte of the block in which two copies of a tensor differ, -1 if none does. Two
 * NaN elements are equal whatever their payload.
 */
ptrdiff_t view_difference(const view_t *a, const view_t *b);

/* Have two tensors of one shape equal elements, wherever these lie? Any NaN equals any NaN. */
bool view_is_equal(const view_t *a, const view_t *b);

/* Is what lies in memory the rounding of something within `bound` of `value`? A bound of 0 asks
 * for the very bits, the sign of a zero too, but any NaN for a NaN. */
bool view_is_near(const view_t *view, int64_t e, double value, double bound);

/* Has element e the bits that it had before, be they a NaN's? */
bool view_is_untouched(const view_t *view, const view_t *before, int64_t e);

/* Is everything as it was before, but for the elements if they are written? */
bool view_is_fenced(const view_t *view, const view_t *before, bool is_written);

#endif /* CUDROP_VIEW_H */
