/* buffer.c - memory of a context's backend. */
#include "core/context.h"
#include "core/status.h"

cudrop_status_t cudrop_alloc(cudrop_context_t *context, size_t bytes, void **buffer) {
  REQUIRE(buffer != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_alloc: buffer is NULL");
  *buffer = NULL;
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_alloc: context is NULL");
  if (bytes == 0) return CUDROP_OK;
  return context->backend->alloc(context, bytes, buffer);
}

cudrop_status_t cudrop_free(cudrop_context_t *context, void **buffer) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_free: context is NULL");
  REQUIRE(buffer != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_free: buffer is NULL");
  if (*buffer == NULL) return CUDROP_OK;
  return context->backend->free(context, buffer);
}

cudrop_status_t cudrop_upload(cudrop_context_t *context, void *buffer, const void *host,
                              size_t bytes) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_upload: context is NULL");
  if (bytes == 0) return CUDROP_OK;
  REQUIRE(buffer != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_upload: buffer is NULL");
  REQUIRE(host != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_upload: host is NULL");
  return context->backend->upload(context, buffer, host, bytes);
}

cudrop_status_t cudrop_download(cudrop_context_t *context, void *host, const void *buffer,
                                size_t bytes) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_download: context is NULL");
  if (bytes == 0) return CUDROP_OK;
  REQUIRE(host != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_download: host is NULL");
  REQUIRE(buffer != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_download: buffer is NULL");
  return context->backend->download(context, host, buffer, bytes);
}
