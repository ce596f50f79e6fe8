/* rows_cursor.cuh - places in operands that go from chunk to chunk by sums */
#ifndef CUDROP_KERNEL_ROWS_CURSOR_CUH
#define CUDROP_KERNEL_ROWS_CURSOR_CUH

#include "rows.cuh"

/*
 * The walk down a thread's rows. In DRAWN and PREPARED a cursor has the address of the thread's
 * chunk of an operand, and the group of the mask has one too: going to the next row is a sum, where
 * finding the row is several products. GENERAL finds each row from its place.
 */
template <class Type>
struct cudropi_rows_cursor_t {
  int operand;
  cudropi_chunk_t<Type::bytes> *chunk; /* unspecified if the operand is absent */
  int64_t step;                        /* chunks from one row of the thread to the next */
};

/* A cursor at `place` that advances by `rows` rows and `cols` columns. */
template <class Type>
CUDROPI_DEVICE cudropi_rows_cursor_t<Type> cudropi_rows_point(
    const cudropi_rows_args_t &args, int operand, const cudropi_rows_place_t &place,
    int32_t rows, int32_t cols) {
  using chunk = cudropi_chunk_t<Type::bytes>;
  const cudropi_rows_side_t &side = args.side[operand];
  const int64_t stride = side.stride[0] / CUDROPI_CHUNK;
  return {
      operand,
      static_cast<chunk *>(side.data) + (place.row * stride + place.col / CUDROPI_CHUNK),
      rows * stride + cols / CUDROPI_CHUNK};
}

/* The same, for the walk down a thread's rows. The step stays in constant memory, and needs no
 * register. */
template <class Type>
CUDROPI_DEVICE cudropi_rows_cursor_t<Type> cudropi_rows_point(
    const cudropi_rows_args_t &args, int operand, const cudropi_rows_place_t &place) {
  auto cursor = cudropi_rows_point<Type>(args, operand, place, 0, 0);
  cursor.step = args.side[operand].step;
  return cursor;
}

template <class Type>
CUDROPI_DEVICE void cudropi_rows_advance(cudropi_rows_cursor_t<Type> &cursor) {
  cursor.chunk += cursor.step;
}

template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE cudropi_chunk_t<Type::bytes> cudropi_rows_load_at(
    const cudropi_rows_args_t &args, const cudropi_rows_cursor_t<Type> &from,
    const cudropi_rows_place_t &place) {
  if (walk != CUDROPI_ROWS_GENERAL) return *from.chunk;
  return cudropi_rows_load<walk, Type>(args, from.operand, place);
}

template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_put_at(const cudropi_rows_args_t &args,
                                        const cudropi_rows_cursor_t<Type> &to,
                                        const cudropi_rows_place_t &place,
                                        const cudropi_chunk_t<Type::bytes> &stored) {
  if (walk != CUDROPI_ROWS_GENERAL) {
    *to.chunk = stored;
  } else {
    cudropi_rows_put<walk, Type>(args, to.operand, place, stored);
  }
}

template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_store_at(const cudropi_rows_args_t &args,
                                          const cudropi_rows_cursor_t<Type> &to,
                                          const cudropi_rows_place_t &place,
                                          const float (&values)[CUDROPI_CHUNK]) {
  cudropi_rows_put_at<walk>(args, to, place, cudropi_rows_pack<Type>(values));
}

/* Store a gradient of data, or add it to the operand if args.adds_to_data. An absent operand is
 * skipped. */
template <cudropi_rows_walk_t walk, class Type>
CUDROPI_DEVICE void cudropi_rows_store_gradient_at(const cudropi_rows_args_t &args,
                                                   const cudropi_rows_cursor_t<Type> &to,
                                                   const cudropi_rows_place_t &place,
                                                   float (&gradient)[CUDROPI_CHUNK]) {
  if (args.side[to.operand].data == nullptr) return;
  if (args.adds_to_data)
    cudropi_rows_add<Type>(cudropi_rows_load_at<walk>(args, to, place), gradient);
  cudropi_rows_store_at<walk>(args, to, place, gradient);
}

/* The thread's group of the mask, which goes down the rows as a cursor does. */
struct cudropi_rows_drawn_t {
  uint64_t group, step;
};

CUDROPI_DEVICE cudropi_rows_drawn_t cudropi_rows_point_at_group(
    const cudropi_rows_args_t &args, const cudropi_rows_mask_t &mask,
    const cudropi_rows_place_t &place) {
  return {cudropi_rows_group(args, mask, place), (uint64_t)args.group_step};
}

CUDROPI_DEVICE void cudropi_rows_advance(cudropi_rows_drawn_t &drawn) {
  drawn.group += drawn.step;
}

/* keep[j] is true if column place.col + j is kept. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE void cudropi_rows_keep_at(const cudropi_rows_args_t &args,
                                         const cudropi_rows_mask_t &mask,
                                         const cudropi_rows_drawn_t &drawn,
                                         const cudropi_rows_place_t &place,
                                         bool (&keep)[CUDROPI_CHUNK]) {
  if (walk != CUDROPI_ROWS_GENERAL) {
    cudropi_rows_keep_group<walk>(mask, drawn.group, keep);
  } else {
    cudropi_rows_keep<walk>(args, mask, place, keep);
  }
}

#endif /* CUDROP_KERNEL_ROWS_CURSOR_CUH */
