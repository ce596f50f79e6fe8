/* norm_means.cuh - the means of g and of g * hhat in each row (norm.h), for gradients of rows of
 * more than 2,048 columns */
#ifndef CUDROP_KERNEL_NORM_MEANS_CUH
#define CUDROP_KERNEL_NORM_MEANS_CUH

#include "ops/norm/norm.h"
#include "row_walk.cuh"

/* Tuning: the least number of blocks that fit on a multiprocessor. */
enum { CUDROPI_NORM_MEANS_BLOCKS = 4 };

/* Type is the type of the branch, Stream the type of h. */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, CUDROPI_NORM_MEANS_BLOCKS)
    cudropi_norm_means(
        const __grid_constant__ cudropi_rows_args_of<cudropi_norm_t> args) {
  SHARED_ARRAY(float, shared_sums, 2 * CUDROPI_ROW_SHARED);
  const int32_t threads = cudropi_row_threads(args.cols);
  const cudropi_row_walk_t row = cudropi_row_begin(args, threads);
  const int64_t at = row.first.row;
  float mean = 0.0f, rstd = 0.0f, sum_g = 0.0f, sum_gh = 0.0f;
  if (row.end > 0) {
    mean = cudropi_row_read<walk>(args, CUDROPI_NORM_GRADIENT_MEAN, at);
    rstd = cudropi_row_read<walk>(args, CUDROPI_NORM_GRADIENT_RSTD, at);
  }
  for (auto place = row.first; place.col < row.end; cudropi_row_next(args, row, place)) {
    const auto dy = cudropi_rows_load<walk, Type>(args, CUDROPI_NORM_GRADIENT_DY, place);
    const auto h = cudropi_rows_load<walk, Stream>(args, CUDROPI_NORM_GRADIENT_H, place);
    float g[CUDROPI_CHUNK], gh[CUDROPI_CHUNK];
    cudropi_rows_get<Type>(dy, g);
    cudropi_rows_multiply_vector<walk, Type>(args, CUDROPI_NORM_GRADIENT_GAMMA, place, g);
    cudropi_rows_get<Stream>(h, gh);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      gh[j] = g[j] * cudropi_normalise(gh[j], mean, rstd);
    cudropi_row_add<walk>(place, g, sum_g);
    cudropi_row_add<walk>(place, gh, sum_gh);
  }
  cudropi_row_sums(threads, sum_g, sum_gh, shared_sums);
  if (row.first.col == 0 && row.end > 0) {
    args.of_rows[at] = cudropi_mean_g(&args.options, sum_g);
    args.of_rows[args.rows + at] = cudropi_mean_gh(&args.options, sum_gh);
  }
}

#endif /* CUDROP_KERNEL_NORM_MEANS_CUH */
