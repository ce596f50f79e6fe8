/*
 * attend_slope.cuh - what the gradients by tensor cores have in common: dS of a pair
 *
 *   P = e^(scale Q K^T - lse)      dS = P (keep ? dO V^T / (1 - p) : 0  - delta)
 *
 * A kernel has queries and goes through keys, for dQ (attend_queries_tensor.cuh); another has keys
 * and goes through queries, for dK and dV (attend_keys_tensor.cuh). Each makes P and dS again, and
 * draws the mask: no sum is shared, and nothing is atomic. P is made lifted (attend_row.cuh), and
 * dS with numbers that take the lift back.
 */
#ifndef CUDROP_KERNEL_ATTEND_SLOPE_CUH
#define CUDROP_KERNEL_ATTEND_SLOPE_CUH

#include "attend/attend_tile.cuh"

/* What is the same for all pairs of a query and a key. */
struct cudropi_slopes_t {
  float scale_log2; /* scale / ln 2 */
  float factor;     /* 1 / (1 - p), lift taken back */
  uint32_t least;   /* of the mask's schedule */
  bool draws;
};

template <class Type>
CUDROPI_DEVICE cudropi_slopes_t cudropi_find_slopes(const cudropi_attend_args_t &args,
                                                    const cudropi_rows_mask_t &mask) {
  const bool draws = mask.schedule.fate == CUDROP_MASK_DRAWN;
  return {args.options.attention.scores_scale * CUDROPI_LOG2_E,
          mask.schedule.scale * cudropi_lift<Type>::back, mask.schedule.least, draws};
}

/* Of a query, made by attend_delta.cuh: what is added to a score times scale / ln 2, and delta with
 * the lift taken back. */
struct cudropi_slope_row_t {
  float lifted, delta;
};

/* A score whose weight is 0. */
CUDROPI_DEVICE float cudropi_hidden_score(float scale_log2) {
  return scale_log2 < 0.0f ? INFINITY : -INFINITY;
}

/* dS / scale, of the lifted weight and of dP. Without a draw every word is kept: with p = 1 the
 * factor is 0. */
CUDROPI_DEVICE float cudropi_slope(const cudropi_slopes_t &slopes,
                                   const cudropi_slope_row_t &row, float weight, float dp,
                                   bool is_kept) {
  return weight * __fmaf_rn(is_kept ? dp : 0.0f, slopes.factor, -row.delta);
}

#endif /* CUDROP_KERNEL_ATTEND_SLOPE_CUH */
