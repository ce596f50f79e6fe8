/*
 * onnxruntime_c_api.h - stands in for ONNX Runtime's header of that name where it is not installed,
 * so that the recipe is compiled everywhere: the few declarations that it uses. OrtApi is a table
 * of hundreds of functions there, so that what is compiled with this one runs in the tests alone.
 */
#ifndef CUDROP_ONNXRUNTIME_C_API_H
#define CUDROP_ONNXRUNTIME_C_API_H

#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 29
#define ORT_API_CALL
#define ORT_EXPORT __attribute__((visibility("default")))

typedef struct OrtStatus OrtStatus;
typedef OrtStatus *OrtStatusPtr;
typedef struct OrtValue OrtValue;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtCustomOp OrtCustomOp;

typedef enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 } OrtErrorCode;
typedef enum {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 = 7
} ONNXTensorElementDataType;
typedef enum { OrtMemTypeCPUInput = -2, OrtMemTypeDefault = 0 } OrtMemType;
typedef enum { INPUT_OUTPUT_REQUIRED = 0 } OrtCustomOpInputOutputCharacteristic;

typedef struct {
  OrtStatus *(*CreateStatus)(OrtErrorCode code, const char *msg);
  OrtStatusPtr (*CreateCustomOpDomain)(const char *domain, OrtCustomOpDomain **out);
  OrtStatusPtr (*CustomOpDomain_Add)(OrtCustomOpDomain *domain, const OrtCustomOp *op);
  OrtStatusPtr (*AddCustomOpDomain)(OrtSessionOptions *options,
                                    OrtCustomOpDomain *domain);
  OrtStatusPtr (*KernelInfoGetAttribute_float)(const OrtKernelInfo *info,
                                               const char *name, float *out);
  OrtStatusPtr (*KernelInfoGetAttribute_int64)(const OrtKernelInfo *info,
                                               const char *name, int64_t *out);
  OrtStatusPtr (*KernelContext_GetInput)(const OrtKernelContext *context, size_t index,
                                         const OrtValue **out);
  OrtStatusPtr (*KernelContext_GetOutput)(OrtKernelContext *context, size_t index,
                                          const int64_t *dim_values, size_t dim_count,
                                          OrtValue **out);
  OrtStatusPtr (*GetTensorMutableData)(OrtValue *value, void **out);
  OrtStatusPtr (*GetTensorTypeAndShape)(const OrtValue *value,
                                        OrtTensorTypeAndShapeInfo **out);
  OrtStatusPtr (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *info, size_t *out);
  OrtStatusPtr (*GetDimensions)(const OrtTensorTypeAndShapeInfo *info,
                                int64_t *dim_values, size_t dim_values_length);
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *info);
} OrtApi;

typedef struct {
  const OrtApi *(*GetApi)(uint32_t version);
} OrtApiBase;

struct OrtCustomOp {
  uint32_t version;
  const char *(*GetName)(const OrtCustomOp *op);
  const char *(*GetExecutionProviderType)(const OrtCustomOp *op);
  ONNXTensorElementDataType (*GetInputType)(const OrtCustomOp *op, size_t index);
  size_t (*GetInputTypeCount)(const OrtCustomOp *op);
  ONNXTensorElementDataType (*GetOutputType)(const OrtCustomOp *op, size_t index);
  size_t (*GetOutputTypeCount)(const OrtCustomOp *op);
  void (*KernelDestroy)(void *op_kernel);
  OrtCustomOpInputOutputCharacteristic (*GetInputCharacteristic)(const OrtCustomOp *op,
                                                                 size_t index);
  OrtCustomOpInputOutputCharacteristic (*GetOutputCharacteristic)(const OrtCustomOp *op,
                                                                  size_t index);
  OrtMemType (*GetInputMemoryType)(const OrtCustomOp *op, size_t index);
  OrtStatusPtr (*CreateKernelV2)(const OrtCustomOp *op, const OrtApi *api,
                                 const OrtKernelInfo *info, void **kernel);
  OrtStatusPtr (*KernelComputeV2)(void *op_kernel, OrtKernelContext *context);
};

#endif /* CUDROP_ONNXRUNTIME_C_API_H */
