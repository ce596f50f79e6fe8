/* rowwise.c - what follows from the table of an operator's operands. */
#include "rowwise.h"

#include "failure.h"

enum { VOCABULARY = 50257, POSITIONS = 1024 }; /* GPT-2's, at most */

static const bench_rowwise_t *const operators[BENCH_OPERATORS] = {
    [BENCH_FUSED_FORWARD] = &bench_fused_forward,
    [BENCH_FUSED_BACKWARD] = &bench_fused_backward,
    [BENCH_NORM_FORWARD] = &bench_norm_forward,
    [BENCH_NORM_BACKWARD] = &bench_norm_backward,
    [BENCH_ATTENTION_FORWARD] = &bench_attention_forward,
    [BENCH_ATTENTION_REAPPLY] = &bench_attention_reapply,
    [BENCH_ATTENTION_BACKWARD] = &bench_attention_backward,
    [BENCH_EMBEDDING_FORWARD] = &bench_embedding_forward,
    [BENCH_EMBEDDING_BACKWARD] = &bench_embedding_backward,
};

const bench_rowwise_t *bench_find_rowwise(const bench_case_t *what) {
  return operators[what->op];
}

/* ---- Sizes ------------------------------------------------------------------------------- */

static int64_t get_less(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t find_inner(bench_inner_t inner, int64_t rows, int64_t cols) {
  if (inner == BENCH_QUERIES) return get_less(rows, cols);
  return inner == BENCH_POSITIONS ? get_less(rows, POSITIONS) : rows;
}

/* A table is at most four times as large as what is looked up in it. */
bench_sizes_t bench_find_sizes(const bench_case_t *what) {
  const int64_t rows = what->n / what->cols;
  const int64_t inner = find_inner(operators[what->op]->inner, rows, what->cols);
  return (bench_sizes_t){.batch = rows / inner,
                         .inner = inner,
                         .cols = what->cols,
                         .rows = rows / inner * inner,
                         .vocabulary = get_less(4 * rows, VOCABULARY)};
}

int64_t bench_count_visible(const bench_sizes_t *sizes, int64_t query) {
  return sizes->cols - sizes->inner + query + 1;
}

int64_t bench_count(const bench_sizes_t *sizes, bench_extent_t extent) {
  switch (extent) {
    case BENCH_SEEN: /* the mean of the first query and the last, which sees all */
      return sizes->rows * (bench_count_visible(sizes, 0) + sizes->cols) / 2;
    case BENCH_ROW:
      return sizes->cols;
    case BENCH_EACH:
      return sizes->rows;
    case BENCH_TABLE:
      return sizes->vocabulary * sizes->cols;
    case BENCH_PLACES:
      return sizes->inner * sizes->cols;
    default:
      return sizes->rows * sizes->cols;
  }
}

/* Whole samples of whole rows, dense, in a type that all operators on rows take. */
static bool fit(bench_case_t *what) {
  what->cols = get_less(what->cols, what->n);
  const bench_sizes_t sizes = bench_find_sizes(what);
  what->n = bench_count(&sizes, BENCH_FULL);
  return what->layout == BENCH_DENSE &&
         (what->dtype == CUDROP_F32 || what->dtype == CUDROP_F16 ||
          what->dtype == CUDROP_BF16);
}

/* ---- Bytes ------------------------------------------------------------------------------- */

static bench_extent_t find_moved(const bench_member_t *member) {
  return member->moved != BENCH_ALL ? member->moved : member->extent;
}

static cudrop_dtype_t find_dtype(const bench_member_t *member, const bench_case_t *what) {
  return member->dtype != 0 ? member->dtype : what->dtype;
}

static size_t find_bytes(const bench_case_t *what) {
  const bench_sizes_t sizes = bench_find_sizes(what);
  const bench_member_t *member = operators[what->op]->members;
  size_t bytes = 0;
  for (; member->name != NULL; ++member)
    bytes += (size_t)bench_count(&sizes, find_moved(member)) *
             cudrop_dtype_bytes(find_dtype(member, what));
  return bytes;
}

static void state(bench_operator_id_t op, char text[BENCH_TEXT]) {
  static const char *const words[BENCH_EXTENTS] = {
      [BENCH_FULL] = "n * size",
      [BENCH_SEEN] = "seen * size",
      [BENCH_ROW] = "cols * size",
      [BENCH_EACH] = "rows * 4", /* statistics in F32, ids in I32 */
      [BENCH_TABLE] = "vocabulary * cols * size",
      [BENCH_PLACES] = "places * cols * size"};
  int count[BENCH_EXTENTS] = {0};
  const bench_member_t *member = operators[op]->members;
  for (; member->name != NULL; ++member) ++count[find_moved(member)];
  for (bench_extent_t extent = BENCH_FULL; extent < BENCH_EXTENTS; ++extent)
    bench_add_term(text, count[extent], words[extent]);
}

/* ---- Works ------------------------------------------------------------------------------- */

static cudrop_tensor_t make_tensor(const bench_sizes_t *sizes, bench_extent_t extent,
                                   cudrop_dtype_t dtype) {
  const int64_t full[] = {sizes->batch, sizes->inner, sizes->cols};
  if (extent == BENCH_ROW) return cudrop_vector(NULL, dtype, sizes->cols);
  if (extent == BENCH_TABLE)
    return cudrop_matrix(NULL, dtype, sizes->vocabulary, sizes->cols);
  if (extent == BENCH_PLACES)
    return cudrop_matrix(NULL, dtype, sizes->inner, sizes->cols);
  return cudrop_tensor(NULL, dtype, extent == BENCH_EACH ? 2 : 3, full);
}

static bench_operand_t describe(const bench_case_t *what, int k) {
  const bench_member_t *member = &operators[what->op]->members[k];
  const bench_sizes_t sizes = bench_find_sizes(what);
  const cudrop_dtype_t dtype = find_dtype(member, what);
  return (bench_operand_t){.form = dtype == CUDROP_I32 ? BENCH_IDS : BENCH_VALUES,
                           .dtype = dtype,
                           .tensor = make_tensor(&sizes, member->extent, dtype),
                           .positions = bench_count(&sizes, member->extent),
                           .stream = BENCH_STREAMS * k,
                           .below = sizes.vocabulary,
                           .is_output = member->is_output};
}

static bool open(bench_work_t *work) {
  const bench_rowwise_t *op = operators[work->what.op];
  const bench_sizes_t sizes = bench_find_sizes(&work->what);
  for (int k = 0; op->members[k].name != NULL; ++k) {
    work->operand[k] = describe(&work->what, k);
    if (!bench_operand_open(&work->operand[k], work->context)) return false;
  }
  return op->query == NULL ||
         (bench_ok(op->query(sizes.rows, sizes.cols, &work->workspace_bytes)) &&
          bench_ok(cudrop_alloc(work->context, work->workspace_bytes, &work->workspace)));
}

static cudrop_status_t call(const bench_work_t *work) {
  return operators[work->what.op]->call(work);
}

const bench_family_t bench_rowwise = {
    .name = "rows",
    .fit = fit,
    .open = open,
    .call = call,
    .inspect = bench_rowwise_inspect,
    .bytes = find_bytes,
    .state = state,
};
