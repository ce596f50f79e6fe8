/* rowwise_embedding.c - tokens, positions and dropout: calls and expectations. */
#include "rowwise_reference.h"

enum { IDS }; /* of both */
enum { TOKENS = IDS + 1, POSITIONS, Y };
enum { DY = IDS + 1, DTOKENS, DPOSITIONS };

/* ---- Forward ----------------------------------------------------------------------------- */

static cudrop_status_t call_forward(const bench_work_t *work) {
  const cudrop_embedding_forward_t args = {.ids = &work->operand[IDS].tensor,
                                           .tokens = &work->operand[TOKENS].tensor,
                                           .positions = &work->operand[POSITIONS].tensor,
                                           .mask = &work->given,
                                           .y = &work->operand[Y].tensor};
  return cudrop_embedding_forward(work->context, &args);
}

static void expect_forward(const bench_reference_t *row, int64_t col,
                           bench_near_t *near) {
  const double z =
      bench_round((double)row->at[TOKENS][col] + (double)row->at[POSITIONS][col]);
  near[Y] = (bench_near_t){bench_reference_drop(row, col, z), 0.0};
}

const bench_rowwise_t bench_embedding_forward = {
    .members = {[IDS] = {"ids", .extent = BENCH_EACH, .dtype = CUDROP_I32},
                [TOKENS] = {"tokens", .extent = BENCH_TABLE, .moved = BENCH_FULL},
                [POSITIONS] = {"positions", .extent = BENCH_PLACES},
                [Y] = {"y", .extent = BENCH_FULL, .is_output = true}},
    .inner = BENCH_POSITIONS,
    .call = call_forward,
    .expect = expect_forward,
};

/* ---- Backward ---------------------------------------------------------------------------- */

static cudrop_status_t call_backward(const bench_work_t *work) {
  const cudrop_embedding_backward_t args = {
      .ids = &work->operand[IDS].tensor,
      .dy = &work->operand[DY].tensor,
      .mask = &work->given,
      .dtokens = &work->operand[DTOKENS].tensor,
      .dpositions = &work->operand[DPOSITIONS].tensor,
      .workspace = work->workspace,
      .workspace_bytes = work->workspace_bytes};
  return cudrop_embedding_backward(work->context, &args);
}

static void expect_backward(const bench_reference_t *row, int64_t col,
                            bench_near_t *near) {
  const double dropped = bench_reference_drop(row, col, (double)row->at[DY][col]);
  near[DTOKENS] = near[DPOSITIONS] = (bench_near_t){dropped, 0.0};
}

const bench_rowwise_t bench_embedding_backward = {
    .members = {[IDS] = {"ids", .extent = BENCH_EACH, .dtype = CUDROP_I32},
                [DY] = {"dy", .extent = BENCH_FULL},
                [DTOKENS] = {"dtokens", .extent = BENCH_TABLE, .is_output = true},
                [DPOSITIONS] = {"dpositions", .extent = BENCH_PLACES, .is_output = true}},
    .inner = BENCH_POSITIONS,
    .query = cudrop_embedding_backward_workspace,
    .call = call_backward,
    .expect = expect_backward,
};
