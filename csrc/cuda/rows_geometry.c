/* rows_geometry.c - choosing the walk of operators on rows. */
#include "cuda/rows_geometry.h"

#include "cuda/geometry.h"

/* Does every row of operand k begin with a chunk, if it has rows? */
static bool is_in_chunks(const cudropi_rows_t *rows, int k) {
  const cudropi_operand_t *operand = &rows->operand[k];
  return operand->dtype == 0 || rows->extent[k] == CUDROPI_EXTENT_EACH ||
         rows->extent[k] == CUDROPI_EXTENT_TABLE ||
         rows->extent[k] == CUDROPI_EXTENT_PLACES || /* looked at where they are used */
         ((uintptr_t)operand->data % cudropi_chunk_alignment(operand->dtype) == 0 &&
          operand->stride[0] % CUDROPI_CHUNK == 0);
}

/* Does every row begin with a group of the mask, whose elements follow each other? */
static bool is_in_groups(const cudropi_rows_t *rows) {
  if (rows->draw.source != CUDROPI_FROM_PHILOX &&
      rows->draw.source != CUDROPI_FROM_PREPARED)
    return true;
  return rows->index_step == 1 && rows->draw.index_base % CUDROP_MASK_LANES == 0 &&
         rows->draw.index_stride[0] % CUDROP_MASK_LANES == 0;
}

cudropi_rows_walk_t cudropi_rows_choose_walk(const cudropi_rows_t *rows) {
  bool dense = rows->rank == 1 && rows->cols % CUDROPI_CHUNK == 0 && is_in_groups(rows);
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k) dense = dense && is_in_chunks(rows, k);
  return !dense                                       ? CUDROPI_ROWS_GENERAL
         : rows->draw.source == CUDROPI_FROM_PREPARED ? CUDROPI_ROWS_PREPARED
                                                      : CUDROPI_ROWS_DRAWN;
}
