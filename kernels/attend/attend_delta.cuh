/*
 * attend_delta.cuh - what the gradient needs to know of each row, to the workspace:
 *
 *   [rows]   delta = the sum of dO * O along the row, in the order of row_sum.h
 *   [rows]   what is added to a score times scale / ln 2, to make the exponent of a lifted weight
 *   [rows]   delta, lift taken back
 */
#ifndef CUDROP_KERNEL_ATTEND_DELTA_CUH
#define CUDROP_KERNEL_ATTEND_DELTA_CUH

#include "attend/attend_row.cuh"

/* A warp takes a row at a time; a lane has one chunk of it at most. */
template <class Type>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS)
    cudropi_attend_delta(const __grid_constant__ cudropi_attend_args_t args) {
  const int64_t col = (int64_t)cudropi_lane() * CUDROPI_CHUNK;
#pragma unroll 1
  for (int64_t row =
           (int64_t)blockIdx.x * CUDROPI_ATTEND_WARPS + threadIdx.x / CUDROPI_WARP;
       row < args.rows; row += (int64_t)gridDim.x * CUDROPI_ATTEND_WARPS) {
    float o[CUDROPI_CHUNK] = {};
    if (col < args.cols) {
      const int64_t at_o = cudropi_attend_place(args, CUDROPI_ATTEND_O, row) + col,
                    at_dout = cudropi_attend_place(args, CUDROPI_ATTEND_DOUT, row) + col;
      cudropi_rows_get<Type>(
          cudropi_load<Type::bytes>(args.side[CUDROPI_ATTEND_O].data, at_o, 1, 0xff), o);
      cudropi_rows_multiply<Type>(
          cudropi_load<Type::bytes>(args.side[CUDROPI_ATTEND_DOUT].data, at_dout, 1,
                                    0xff),
          o);
    }
    const float sum = cudropi_row_sum(CUDROPI_WARP, 0.0f + cudropi_row_chunk(o), nullptr);
    if (cudropi_lane() != 0) continue;
    args.of_rows[row] = sum;
    args.of_rows[args.rows + row] =
        __fmaf_rn(cudropi_attend_lse(args, row), -CUDROPI_LOG2_E, cudropi_lift<Type>::at);
    args.of_rows[2 * args.rows + row] = sum * cudropi_lift<Type>::back;
  }
}

#endif /* CUDROP_KERNEL_ATTEND_DELTA_CUH */
