/*
 * onnxruntime.c - Monte-Carlo dropout as a custom operator of ONNX Runtime, whose own Dropout does
 * nothing at inference. Only ONNX Runtime's C API and cudrop are needed; the operator is for the
 * CPU.
 *
 *   y = cudrop.Dropout(x, draw; ratio, seed, site, sites)
 *
 * draw is an int64 input, the number of the sample, so that each run may drop other elements; the
 * mask is (seed, cudrop_offset(draw, 1, 0, sites, site), ratio), where site tells the Dropouts of a
 * model apart.
 */
#include <onnxruntime_c_api.h>
#include <stdlib.h>

#include "recipes.h"

/* Return from a function with a status, unless that is success. */
#define ORT_TRY(call)                                  \
  do {                                                 \
    OrtStatusPtr status_of_call = (call);              \
    if (status_of_call != NULL) return status_of_call; \
  } while (0)

/* A node of the model. It is not changed by a run, and several may run at a time. */
typedef struct {
  const OrtApi *api;
  float ratio;
  int64_t seed, site, sites;
} kernel_t;

static OrtStatusPtr fail(const OrtApi *api) {
  return api->CreateStatus(ORT_FAIL, cudrop_last_error());
}

/* ---- A run ------------------------------------------------------------------------ */

/* The draw is a number, or a tensor that begins with it. */
static OrtStatusPtr make_mask(const kernel_t *kernel, const OrtKernelContext *context,
                              cudrop_mask_t *mask) {
  const OrtApi *api = kernel->api;
  const OrtValue *draw = NULL;
  void *number = NULL;
  uint64_t offset = 0;
  ORT_TRY(api->KernelContext_GetInput(context, 1, &draw));
  ORT_TRY(api->GetTensorMutableData((OrtValue *)draw, &number));
  if (cudrop_offset((uint64_t) * (const int64_t *)number, 1, 0, (uint64_t)kernel->sites,
                    (uint64_t)kernel->site, &offset) != CUDROP_OK)
    return fail(api);
  *mask = cudrop_mask((uint64_t)kernel->seed, offset, (double)kernel->ratio);
  return NULL;
}

/* x as a tensor of cudrop's. */
static OrtStatusPtr describe(const OrtApi *api, const OrtValue *value,
                             cudrop_tensor_t *x) {
  OrtTensorTypeAndShapeInfo *info = NULL;
  size_t rank = 0;
  int64_t shape[CUDROP_MAX_RANK] = {0};
  void *data = NULL;
  ORT_TRY(api->GetTensorTypeAndShape(value, &info));
  OrtStatusPtr status = api->GetDimensionsCount(info, &rank);
  if (status == NULL && rank > CUDROP_MAX_RANK)
    status = api->CreateStatus(ORT_INVALID_ARGUMENT, "x has more than 8 dimensions");
  if (status == NULL) status = api->GetDimensions(info, shape, rank);
  api->ReleaseTensorTypeAndShapeInfo(info);
  ORT_TRY(status);
  ORT_TRY(api->GetTensorMutableData((OrtValue *)value, &data));
  *x = cudrop_tensor(data, CUDROP_F32, (int)rank, shape);
  return NULL;
}

/* One context serves one thread at a time: a run has its own, which on the host costs little. */
static OrtStatusPtr drop(const OrtApi *api, const cudrop_tensor_t *x,
                         const cudrop_mask_t *mask, const cudrop_tensor_t *y) {
  cudrop_context_t *ctx = NULL;
  OrtStatusPtr status = NULL;
  if (cudrop_create(&ctx, CUDROP_HOST, 0) != CUDROP_OK ||
      cudrop_forward(ctx, x, mask, y) != CUDROP_OK)
    status = fail(api);
  cudrop_destroy(&ctx);
  return status;
}

static OrtStatusPtr ORT_API_CALL compute(void *op_kernel, OrtKernelContext *context) {
  const kernel_t *kernel = op_kernel;
  const OrtApi *api = kernel->api;
  const OrtValue *in = NULL;
  OrtValue *out = NULL;
  cudrop_tensor_t x, y;
  cudrop_mask_t mask;
  ORT_TRY(make_mask(kernel, context, &mask));
  ORT_TRY(api->KernelContext_GetInput(context, 0, &in));
  ORT_TRY(describe(api, in, &x));
  ORT_TRY(api->KernelContext_GetOutput(context, 0, x.shape, (size_t)x.rank, &out));
  y = x;
  ORT_TRY(api->GetTensorMutableData(out, &y.data));
  return drop(api, &x, &mask, &y);
}

/* ---- A node ----------------------------------------------------------------------- */

static OrtStatusPtr ORT_API_CALL create(const OrtCustomOp *op, const OrtApi *api,
                                        const OrtKernelInfo *info, void **kernel) {
  kernel_t made = {.api = api};
  (void)op;
  ORT_TRY(api->KernelInfoGetAttribute_float(info, "ratio", &made.ratio));
  ORT_TRY(api->KernelInfoGetAttribute_int64(info, "seed", &made.seed));
  ORT_TRY(api->KernelInfoGetAttribute_int64(info, "site", &made.site));
  ORT_TRY(api->KernelInfoGetAttribute_int64(info, "sites", &made.sites));
  *kernel = malloc(sizeof made);
  if (*kernel == NULL) return api->CreateStatus(ORT_FAIL, "no memory for a Dropout");
  *(kernel_t *)*kernel = made;
  return NULL;
}

static void ORT_API_CALL destroy(void *op_kernel) {
  free(op_kernel);
}

/* ---- The operator ----------------------------------------------------------------- */

static const char *ORT_API_CALL get_name(const OrtCustomOp *op) {
  (void)op;
  return "Dropout";
}

/* NULL is the CPU. */
static const char *ORT_API_CALL get_provider(const OrtCustomOp *op) {
  (void)op;
  return NULL;
}

static size_t ORT_API_CALL count_inputs(const OrtCustomOp *op) {
  (void)op;
  return 2;
}

static size_t ORT_API_CALL count_outputs(const OrtCustomOp *op) {
  (void)op;
  return 1;
}

static ONNXTensorElementDataType ORT_API_CALL get_input_type(const OrtCustomOp *op,
                                                             size_t index) {
  (void)op;
  return index == 0 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
                    : ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
}

static ONNXTensorElementDataType ORT_API_CALL get_output_type(const OrtCustomOp *op,
                                                              size_t index) {
  (void)op;
  (void)index;
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

static OrtCustomOpInputOutputCharacteristic ORT_API_CALL
get_characteristic(const OrtCustomOp *op, size_t index) {
  (void)op;
  (void)index;
  return INPUT_OUTPUT_REQUIRED;
}

static OrtMemType ORT_API_CALL get_memory_type(const OrtCustomOp *op, size_t index) {
  (void)op;
  (void)index;
  return OrtMemTypeDefault;
}

static const OrtCustomOp dropout = {
    .version = ORT_API_VERSION,
    .GetName = get_name,
    .GetExecutionProviderType = get_provider,
    .GetInputType = get_input_type,
    .GetInputTypeCount = count_inputs,
    .GetOutputType = get_output_type,
    .GetOutputTypeCount = count_outputs,
    .KernelDestroy = destroy,
    .GetInputCharacteristic = get_characteristic,
    .GetOutputCharacteristic = get_characteristic,
    .GetInputMemoryType = get_memory_type,
    .CreateKernelV2 = create,
    .KernelComputeV2 = compute,
};

/* The name that ONNX Runtime looks for in a library of operators. The domain is for good. */
ORT_EXPORT OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options,
                                                     const OrtApiBase *base);

OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options,
                                          const OrtApiBase *base) {
  static OrtCustomOpDomain *domain;
  const OrtApi *api = base->GetApi(ORT_API_VERSION);
  if (api == NULL)
    return NULL; /* an older runtime; it then says that there is no Dropout */
  if (domain == NULL) {
    ORT_TRY(api->CreateCustomOpDomain("cudrop", &domain));
    ORT_TRY(api->CustomOpDomain_Add(domain, &dropout));
  }
  return api->AddCustomOpDomain(options, domain);
}
