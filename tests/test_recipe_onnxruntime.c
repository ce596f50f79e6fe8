/*
 * test_recipe_onnxruntime.c - the operator of examples/recipes/onnxruntime.c, as ONNX Runtime calls
 * it, which the stand-in for its header plays here. The real one: check_onnxruntime.py.
 */
#include <math.h>
#include <onnxruntime_c_api.h>
#include <string.h>

#include "cudrop/mask.h"
#include "suite.h"

OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

/* ---- A runtime -------------------------------------------------------------------- */

struct OrtStatus {
  char words[200];
};
struct OrtTensorTypeAndShapeInfo {
  size_t rank;
  int64_t shape[10];
};
struct OrtValue {
  OrtTensorTypeAndShapeInfo info;
  void *data;
};
struct OrtKernelInfo {
  float ratio;
  int64_t seed, site, sites;
};
struct OrtKernelContext {
  OrtValue in[2], out;
};
struct OrtCustomOpDomain {
  char name[16];
  const OrtCustomOp *op;
};
struct OrtSessionOptions {
  OrtCustomOpDomain *domain;
};

static OrtStatus failure;
static int infos; /* taken and not released */

static OrtStatus *create_status(OrtErrorCode code, const char *msg) {
  (void)code;
  snprintf(failure.words, sizeof failure.words, "%s", msg);
  return &failure;
}

static OrtStatusPtr create_domain(const char *name, OrtCustomOpDomain **out) {
  static OrtCustomOpDomain domain;
  snprintf(domain.name, sizeof domain.name, "%s", name);
  *out = &domain;
  return NULL;
}

static OrtStatusPtr add_op(OrtCustomOpDomain *domain, const OrtCustomOp *op) {
  domain->op = op;
  return NULL;
}

static OrtStatusPtr add_domain(OrtSessionOptions *options, OrtCustomOpDomain *domain) {
  options->domain = domain;
  return NULL;
}

static OrtStatusPtr get_float(const OrtKernelInfo *info, const char *name, float *out) {
  if (strcmp(name, "ratio") != 0) return create_status(ORT_FAIL, "no such attribute");
  *out = info->ratio;
  return NULL;
}

static OrtStatusPtr get_int64(const OrtKernelInfo *info, const char *name, int64_t *out) {
  *out = strcmp(name, "seed") == 0   ? info->seed
         : strcmp(name, "site") == 0 ? info->site
                                     : info->sites;
  return NULL;
}

static OrtStatusPtr get_input(const OrtKernelContext *context, size_t index,
                              const OrtValue **out) {
  *out = &context->in[index];
  return NULL;
}

static OrtStatusPtr get_output(OrtKernelContext *context, size_t index,
                               const int64_t *dim_values, size_t dim_count,
                               OrtValue **out) {
  ck_assert_uint_eq(index, 0);
  ck_assert_uint_eq(dim_count, context->in[0].info.rank);
  ck_assert_mem_eq(dim_values, context->in[0].info.shape, dim_count * sizeof *dim_values);
  *out = &context->out;
  return NULL;
}

static OrtStatusPtr get_data(OrtValue *value, void **out) {
  *out = value->data;
  return NULL;
}

static OrtStatusPtr get_info(const OrtValue *value, OrtTensorTypeAndShapeInfo **out) {
  *out = (OrtTensorTypeAndShapeInfo *)&value->info;
  ++infos;
  return NULL;
}

static OrtStatusPtr get_rank(const OrtTensorTypeAndShapeInfo *info, size_t *out) {
  *out = info->rank;
  return NULL;
}

static OrtStatusPtr get_shape(const OrtTensorTypeAndShapeInfo *info, int64_t *dim_values,
                              size_t dim_values_length) {
  memcpy(dim_values, info->shape, dim_values_length * sizeof *dim_values);
  return NULL;
}

static void release_info(OrtTensorTypeAndShapeInfo *info) {
  (void)info;
  --infos;
}

static const OrtApi *get_api(uint32_t version) {
  static const OrtApi api = {
      .CreateStatus = create_status,
      .CreateCustomOpDomain = create_domain,
      .CustomOpDomain_Add = add_op,
      .AddCustomOpDomain = add_domain,
      .KernelInfoGetAttribute_float = get_float,
      .KernelInfoGetAttribute_int64 = get_int64,
      .KernelContext_GetInput = get_input,
      .KernelContext_GetOutput = get_output,
      .GetTensorMutableData = get_data,
      .GetTensorTypeAndShape = get_info,
      .GetDimensionsCount = get_rank,
      .GetDimensions = get_shape,
      .ReleaseTensorTypeAndShapeInfo = release_info,
  };
  return version == ORT_API_VERSION ? &api : NULL;
}

static const OrtApiBase base = {.GetApi = get_api};

/* ---- The operator ----------------------------------------------------------------- */

enum { ROWS = 40, COLS = 5, N = ROWS * COLS };

static float x[N], y[N];
static int64_t draw;

/* A session's node: run it once, on x of this rank. */
static OrtStatusPtr run(const OrtKernelInfo *info, size_t rank) {
  OrtSessionOptions options = {NULL};
  OrtKernelContext context = {
      .in = {{{rank, {ROWS, COLS, 1, 1, 1, 1, 1, 1, 1, 1}}, x}, {{0, {0}}, &draw}},
      .out = {{0, {0}}, y}};
  void *kernel = NULL;
  ck_assert_ptr_null(RegisterCustomOps(&options, &base));
  const OrtCustomOp *op = options.domain->op;
  ck_assert_str_eq(options.domain->name, "cudrop");
  ck_assert_str_eq(op->GetName(op), "Dropout");
  ck_assert_uint_eq(op->GetInputTypeCount(op), 2);
  ck_assert_int_eq(op->GetInputType(op, 1), ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
  ck_assert_ptr_null(op->CreateKernelV2(op, get_api(ORT_API_VERSION), info, &kernel));
  OrtStatusPtr status = op->KernelComputeV2(kernel, &context);
  op->KernelDestroy(kernel);
  ck_assert_int_eq(infos, 0);
  return status;
}

START_TEST(each_draw_has_the_masks_of_its_offset) {
  const OrtKernelInfo info = {.ratio = 0.25f, .seed = 42, .site = 1, .sites = 3};
  for (int e = 0; e < N; ++e) x[e] = 1.5f + sinf((float)e);
  for (draw = 0; draw < 4; ++draw) {
    ck_assert_ptr_null(run(&info, 2));
    for (uint64_t e = 0; e < N; ++e) {
      const bool kept =
          cudrop_mask_keep(42, (uint64_t)draw * 3 + 1, e, cudrop_mask_threshold(0.25));
      ck_assert_float_eq(y[e], kept ? x[e] * cudrop_mask_scale(0.25) : 0.0f);
    }
  }
}
END_TEST

START_TEST(what_is_wrong_is_a_status_with_words) {
  draw = 0;
  ck_assert_ptr_nonnull(run(&(OrtKernelInfo){.ratio = 1.5f, .sites = 1}, 2));
  ck_assert_str_eq(failure.words, "cudrop_forward: p = 1.5 is outside [0, 1]");
  ck_assert_ptr_nonnull(run(&(OrtKernelInfo){.ratio = 0.5f, .site = 3, .sites = 3}, 2));
  ck_assert_msg(strstr(failure.words, "cudrop_offset: site = 3") != NULL, "%s",
                failure.words);
  ck_assert_ptr_nonnull(run(&(OrtKernelInfo){.ratio = 0.5f, .sites = 1}, 9));
  ck_assert_str_eq(failure.words, "x has more than 8 dimensions");
}
END_TEST

static TCase *onnxruntime_case(void) {
  TCase *tests = suite_case("onnxruntime", 60);
  tcase_add_test(tests, each_draw_has_the_masks_of_its_offset);
  tcase_add_test(tests, what_is_wrong_is_a_status_with_words);
  return tests;
}

SUITE_MAIN("recipe_onnxruntime", onnxruntime_case())
