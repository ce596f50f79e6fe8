/*
 * cudrop_dlpack.h - tensors of cudrop.h from DLPack's DLTensor, and back.
 *
 * C11 and C++11, header-only; needs DLPack's dlpack/dlpack.h (0.5 or later), and cudrop. A tensor
 * is a view on both sides: nothing is copied, and whoever owned the memory still does.
 *
 *   char why[CUDROP_DLPACK_TEXT];
 *   cudrop_tensor_t x, y;
 *   if (cudrop_from_dlpack(ctx, &managed_x->dl_tensor, &x, why, sizeof why) != CUDROP_OK ||
 *       cudrop_from_dlpack(ctx, &managed_y->dl_tensor, &y, why, sizeof why) != CUDROP_OK)
 *     return fprintf(stderr, "%s\n", why), 1;
 *   status = cudrop_forward(ctx, &x, &mask, &y);
 *
 * With CUDA the work goes to the context's stream: cudrop_set_stream() gives it that of the
 * framework that the memory is from, so that neither has to wait for the other.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_DLPACK_H
#define CUDROP_DLPACK_H

#include <dlpack/dlpack.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cudrop/cudrop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As much as any text below needs. */
enum { CUDROP_DLPACK_TEXT = 160 };

/*
 * Element types: cudrop's name, DLPack's code and bits. Codes that older headers of DLPack lack
 * stand as numbers: 6 is kDLBool, 10 is kDLFloat8_e4m3fn, 12 is kDLFloat8_e5m2. The first line of
 * a cudrop type is what it becomes on the way out; a bool comes in as a byte mask.
 */
#define CUDROP_DLPACK_LIST(X) \
  X(F32, kDLFloat, 32)        \
  X(F16, kDLFloat, 16)        \
  X(BF16, kDLBfloat, 16)      \
  X(F64, kDLFloat, 64)        \
  X(U8, kDLUInt, 8)           \
  X(U8, 6, 8)                 \
  X(F8E4M3, 10, 8)            \
  X(F8E5M2, 12, 8)            \
  X(I32, kDLInt, 32)          \
  X(I64, kDLInt, 64)

typedef struct {
  cudrop_dtype_t dtype;
  uint8_t code, bits;
} cudrop_dlpack_type_t;

/* Write type number `k` of the list; 0 behind its end. */
static inline int cudrop_dlpack_type(size_t k, cudrop_dlpack_type_t *type) {
#define CUDROP_DLPACK_TYPE(name, code, bits) {CUDROP_##name, code, bits},
  static const cudrop_dlpack_type_t types[] = {CUDROP_DLPACK_LIST(CUDROP_DLPACK_TYPE)};
#undef CUDROP_DLPACK_TYPE
  if (k >= sizeof types / sizeof types[0]) return 0;
  *type = types[k];
  return 1;
}

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static inline cudrop_status_t
cudrop_dlpack_refuse(cudrop_status_t status, char *why, size_t size, const char *format,
                     ...) {
  va_list arguments;
  va_start(arguments, format);
  if (why != NULL && size > 0) (void)vsnprintf(why, size, format, arguments);
  va_end(arguments);
  return status;
}

/* A DLTensor's memory is within reach of a backend: on its side, or pinned or managed. */
static inline int cudrop_dlpack_reaches(cudrop_backend_t backend, DLDevice device) {
  switch ((int)device.device_type) {
    case kDLCPU:
      return backend == CUDROP_HOST;
    case kDLCUDA:
      return backend == CUDROP_CUDA;
    case kDLCUDAHost:
    case 13: /* kDLCUDAManaged */
      return 1;
    default:
      return 0;
  }
}

static inline cudrop_status_t cudrop_dlpack_check_shape(const DLTensor *source, char *why,
                                                        size_t size) {
  if (source->ndim < 0 || source->ndim > CUDROP_MAX_RANK)
    return cudrop_dlpack_refuse(
        CUDROP_ERROR_INVALID_ARGUMENT, why, size,
        "cudrop_from_dlpack: source has ndim = %d, outside [0, %d]", (int)source->ndim,
        (int)CUDROP_MAX_RANK);
  if (source->ndim > 0 && source->shape == NULL)
    return cudrop_dlpack_refuse(CUDROP_ERROR_NULL_POINTER, why, size,
                                "cudrop_from_dlpack: source has a shape that is NULL");
  for (int d = 0; d < source->ndim; ++d)
    if (source->shape[d] < 0)
      return cudrop_dlpack_refuse(
          CUDROP_ERROR_INVALID_ARGUMENT, why, size,
          "cudrop_from_dlpack: source has shape[%d] = %lld, which is negative", d,
          (long long)source->shape[d]);
  return CUDROP_OK;
}

static inline cudrop_status_t cudrop_dlpack_find_type(DLDataType want,
                                                      cudrop_dtype_t *dtype, char *why,
                                                      size_t size) {
  cudrop_dlpack_type_t type;
  if (want.lanes != 1)
    return cudrop_dlpack_refuse(
        CUDROP_ERROR_DTYPE, why, size,
        "cudrop_from_dlpack: source has lanes = %d, which is not 1", (int)want.lanes);
  for (size_t k = 0; cudrop_dlpack_type(k, &type); ++k)
    if (type.code == want.code && type.bits == want.bits) {
      *dtype = type.dtype;
      return CUDROP_OK;
    }
  return cudrop_dlpack_refuse(CUDROP_ERROR_DTYPE, why, size,
                              "cudrop_from_dlpack: source has code = %d, bits = %d, "
                              "which is no type of cudrop's",
                              (int)want.code, (int)want.bits);
}

static inline cudrop_status_t cudrop_dlpack_check_device(const cudrop_context_t *context,
                                                         DLDevice device, char *why,
                                                         size_t size) {
  cudrop_backend_t backend = CUDROP_AUTO;
  const cudrop_status_t status = cudrop_get_backend(context, &backend);
  if (status == CUDROP_OK && !cudrop_dlpack_reaches(backend, device))
    return cudrop_dlpack_refuse(CUDROP_ERROR_WRONG_MEMORY, why, size,
                                "cudrop_from_dlpack: source has device_type = %d, which "
                                "a %s context cannot reach",
                                (int)device.device_type,
                                backend == CUDROP_HOST ? "host" : "CUDA");
  return status;
}

/* Data that is NULL is looked at before byte_offset hides it. */
static inline cudrop_status_t cudrop_dlpack_check_data(const DLTensor *source, char *why,
                                                       size_t size) {
  int is_empty = 0;
  for (int d = 0; d < source->ndim; ++d) is_empty |= source->shape[d] == 0;
  if (source->data == NULL && !is_empty)
    return cudrop_dlpack_refuse(CUDROP_ERROR_NULL_POINTER, why, size,
                                "cudrop_from_dlpack: source has data that is NULL");
  if (source->byte_offset > UINTPTR_MAX - (uintptr_t)source->data)
    return cudrop_dlpack_refuse(
        CUDROP_ERROR_OVERFLOW, why, size,
        "cudrop_from_dlpack: source has byte_offset = %llu, beyond any memory",
        (unsigned long long)source->byte_offset);
  return CUDROP_OK;
}

/*
 * Make *tensor the view of what *source is a view of, for calls with `context`. byte_offset is
 * added to data; NULL strides are row-major; bool is U8. The read-only flag is not part of a
 * DLTensor: whether it may be an output is for the caller to know. Alignment, overlap and the
 * memory itself are checked by the call that uses the tensor, as always; so is that a GPU's memory
 * is that of the context's own device.
 *
 * Why a source is refused goes to why[0..size), which may be NULL; *tensor is then as it was.
 *   ERROR_NULL_POINTER      context, source, tensor; a shape, or data with elements, of NULL
 *   ERROR_WRONG_MEMORY      a device that the context's backend does not reach: a host context
 *                           takes kDLCPU, a CUDA context kDLCUDA, both kDLCUDAHost (pinned) and
 *                           kDLCUDAManaged
 *   ERROR_DTYPE             lanes other than 1; a type that is not in the list above
 *   ERROR_INVALID_ARGUMENT  ndim outside 0..CUDROP_MAX_RANK, a negative size
 *   ERROR_OVERFLOW          data + byte_offset is beyond any memory
 */
static inline cudrop_status_t cudrop_from_dlpack(const cudrop_context_t *context,
                                                 const DLTensor *source,
                                                 cudrop_tensor_t *tensor, char *why,
                                                 size_t size) {
  cudrop_dtype_t dtype = CUDROP_F32;
  if (context == NULL || source == NULL || tensor == NULL)
    return cudrop_dlpack_refuse(CUDROP_ERROR_NULL_POINTER, why, size,
                                "cudrop_from_dlpack: %s is NULL",
                                context == NULL  ? "context"
                                : source == NULL ? "source"
                                                 : "tensor");
  cudrop_status_t status = cudrop_dlpack_check_device(context, source->device, why, size);
  if (status == CUDROP_OK)
    status = cudrop_dlpack_find_type(source->dtype, &dtype, why, size);
  if (status == CUDROP_OK) status = cudrop_dlpack_check_shape(source, why, size);
  if (status == CUDROP_OK) status = cudrop_dlpack_check_data(source, why, size);
  if (status != CUDROP_OK) return status;

  const char *const data = (const char *)source->data;
  *tensor = cudrop_tensor(data == NULL ? NULL : data + source->byte_offset, dtype,
                          source->ndim, source->shape);
  if (source->strides != NULL)
    for (int d = 0; d < source->ndim; ++d) tensor->stride[d] = source->strides[d];
  return CUDROP_OK;
}

/*
 * Make *target the view of what *tensor is a view of, on `device`: {kDLCPU, 0} for memory of the
 * host, {kDLCUDA, number} for that of a GPU. Its shape and strides are those inside *tensor, which
 * must live and stay as it is while *target is used; byte_offset is 0. A DLManagedTensor is then
 * the caller's to make, with whatever frees the memory.
 *   ERROR_NULL_POINTER      tensor or target
 *   ERROR_WRONG_MEMORY      a device that no context of cudrop reaches
 *   ERROR_DTYPE             a tensor whose dtype is none
 *   ERROR_INVALID_ARGUMENT  a rank outside 0..CUDROP_MAX_RANK
 */
static inline cudrop_status_t cudrop_to_dlpack(cudrop_tensor_t *tensor, DLDevice device,
                                               DLTensor *target, char *why, size_t size) {
  cudrop_dlpack_type_t type;
  size_t k = 0;
  if (tensor == NULL || target == NULL)
    return cudrop_dlpack_refuse(CUDROP_ERROR_NULL_POINTER, why, size,
                                "cudrop_to_dlpack: %s is NULL",
                                tensor == NULL ? "tensor" : "target");
  if (!cudrop_dlpack_reaches(CUDROP_HOST, device) &&
      !cudrop_dlpack_reaches(CUDROP_CUDA, device))
    return cudrop_dlpack_refuse(
        CUDROP_ERROR_WRONG_MEMORY, why, size,
        "cudrop_to_dlpack: device_type = %d, which is no memory of cudrop's",
        (int)device.device_type);
  if (tensor->rank < 0 || tensor->rank > CUDROP_MAX_RANK)
    return cudrop_dlpack_refuse(CUDROP_ERROR_INVALID_ARGUMENT, why, size,
                                "cudrop_to_dlpack: tensor has rank = %d, outside [0, %d]",
                                tensor->rank, (int)CUDROP_MAX_RANK);
  while (cudrop_dlpack_type(k, &type) && type.dtype != tensor->dtype) ++k;
  if (!cudrop_dlpack_type(k, &type))
    return cudrop_dlpack_refuse(
        CUDROP_ERROR_DTYPE, why, size,
        "cudrop_to_dlpack: tensor has dtype = %d, which is no type", (int)tensor->dtype);

  memset(target, 0, sizeof *target);
  target->data = tensor->data;
  target->device = device;
  target->ndim = tensor->rank;
  target->dtype.code = type.code;
  target->dtype.bits = type.bits;
  target->dtype.lanes = 1;
  target->shape = tensor->shape;
  target->strides = tensor->stride;
  return CUDROP_OK;
}

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_DLPACK_H */
