/*
 * attend_tensors.h - the tensors of section 17, and both calls on them.
 *
 * Inputs are placed without fences, outputs with them. The workspace is as large as the query
 * says, aligned to 16 bytes and no more, and filled with poison.
 */
#ifndef CUDROP_ATTEND_TENSORS_H
#define CUDROP_ATTEND_TENSORS_H

#include "view.h"

typedef enum { ATTEND_O, ATTEND_LSE, ATTEND_DQ, ATTEND_DK, ATTEND_DV } attend_output_t;
enum { ATTEND_OUTPUTS = ATTEND_DV + 1 };

typedef enum { ATTEND_Q, ATTEND_K, ATTEND_V, ATTEND_DOUT } attend_input_t;
enum { ATTEND_INPUTS = ATTEND_DOUT + 1 };

typedef struct {
  view_t input[ATTEND_INPUTS];
  view_t output[ATTEND_OUTPUTS];
} attend_tensors_t;

/* Which input dq is, or o. */
typedef enum {
  ATTEND_OVER_NOTHING,
  ATTEND_OVER_Q,
  ATTEND_OVER_O,
  ATTEND_OVER_DOUT
} attend_over_t;

typedef struct {
  bool o_is_q;
  attend_over_t dq_is;
  bool accumulates;
  bool without[ATTEND_OUTPUTS]; /* which outputs are NULL; not o */
} attend_ways_t;

/* Dense tensors for q [..., heads, queries, D] and k [..., shared, keys, D] of the given shapes. */
attend_tensors_t attend_make(cudrop_dtype_t dtype, int rank, const int64_t *q_shape,
                             const int64_t *k_shape);
void attend_free(attend_tensors_t *t);

/*
 * Forward, and then backward if lse and one of dq, dk and dv are there. The outputs are left as
 * they come from the calls, whether these succeed or not. An output in the place of an input
 * begins with the input's bytes; the inputs of backward are those of forward, also where forward
 * was in place.
 */
cudrop_status_t attend_call(cudrop_context_t *context,
                            const cudrop_attention_t *attention, attend_tensors_t *t,
                            const attend_ways_t *ways);

/* Such tensors as attend_make() gives, after both calls, which succeed. */
attend_tensors_t attend_make_whole(cudrop_context_t *context,
                                   const cudrop_attention_t *attention,
                                   cudrop_dtype_t dtype, int rank, const int64_t *q_shape,
                                   const int64_t *k_shape);

/* Were all tensors of the last call but lse in chunks: from a multiple of 16 bytes on, with strides
 * that are multiples of 8? */
bool attend_was_in_chunks(void);

extern const char *const attend_output_names[ATTEND_OUTPUTS];

/* A copy of elements [start, start + size) along dimension d. */
view_t attend_cut(const view_t *view, int d, int64_t start, int64_t size);

/* Values from -2 to 2 times `size`. */
void attend_fill(view_t *view, uint64_t seed, double size);

#endif /* CUDROP_ATTEND_TENSORS_H */
