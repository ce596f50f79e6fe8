/* write_mask.c - writing the elements of a request in its format, chunk by chunk. */
#include "write_mask.h"

enum { CHUNK = 1 << 20 }; /* elements drawn at a time: a multiple of 8 */

static const uint64_t index_end = (uint64_t)1 << 59;

static uint64_t count_elements(const mask_request_t *request) {
  return request->is_endless ? index_end - request->mask.index_base : request->count;
}

/* The mask of element `at`; *left elements from `at` on share its seed and offset. */
static cudrop_mask_t find_mask(const mask_request_t *request, uint64_t at,
                               uint64_t *left) {
  cudrop_mask_t mask = request->mask;
  const uint64_t each = request->per_offset + request->per_seed;
  const uint64_t turn = each == 0 ? 0 : at / each;
  const uint64_t begin = turn * each;
  mask.index_base += at - begin;
  if (request->per_offset != 0) mask.offset += turn;
  if (request->per_seed != 0) mask.seed += turn;
  *left = (each == 0 ? count_elements(request) : begin + each) - at;
  return mask;
}

/* Draw elements [at, at + n) of the request, as bytes for a picture, else packed. */
static cudrop_status_t draw(const mask_request_t *request, cudrop_context_t *context,
                            uint64_t at, int64_t n, uint8_t *chunk) {
  for (int64_t done = 0; done < n;) {
    uint64_t left = 0;
    const cudrop_mask_t mask = find_mask(request, at + (uint64_t)done, &left);
    const int64_t part = left < (uint64_t)(n - done) ? (int64_t)left : n - done;
    const bool is_picture = request->format == FORMAT_PICTURE;
    const cudrop_tensor_t bytes = cudrop_vector(chunk + done, CUDROP_U8, part);
    const cudrop_status_t status =
        is_picture ? cudrop_export_bytes(context, &mask, &bytes)
                   : cudrop_export_bits(context, &mask, 1, &part, chunk + done / 8);
    if (status != CUDROP_OK) return status;
    done += part;
  }
  return CUDROP_OK;
}

/* Write a chunk in the request's format; a kept element of a picture is white. */
static void write_chunk(mask_format_t format, uint8_t *chunk, int64_t n, FILE *to) {
  const int64_t packed = (n + 7) / 8;
  switch (format) {
    case FORMAT_HEX:
      for (int64_t byte = 0; byte < packed; ++byte) fprintf(to, "%02x", chunk[byte]);
      break;
    case FORMAT_PICTURE:
      for (int64_t e = 0; e < n; ++e) chunk[e] = chunk[e] ? 255 : 0;
      fwrite(chunk, 1, (size_t)n, to);
      break;
    case FORMAT_RAW:
      fwrite(chunk, 1, (size_t)packed, to);
      break;
  }
}

static cudrop_status_t write_elements(const mask_request_t *request,
                                      cudrop_context_t *context, FILE *to) {
  static uint8_t chunk[CHUNK];
  const uint64_t count = count_elements(request);
  for (uint64_t at = 0; at < count && !ferror(to); at += CHUNK) {
    const uint64_t left = count - at;
    const int64_t n = left < CHUNK ? (int64_t)left : CHUNK;
    const cudrop_status_t status = draw(request, context, at, n, chunk);
    if (status != CUDROP_OK) return status;
    write_chunk(request->format, chunk, n, to);
  }
  return CUDROP_OK;
}

cudrop_status_t write_mask(const mask_request_t *request, FILE *to) {
  const bool is_picture = request->format == FORMAT_PICTURE;
  const uint64_t rows = is_picture ? (request->count - 1) / request->width + 1 : 0;
  cudrop_context_t *context = NULL;
  cudrop_status_t status = cudrop_create(&context, CUDROP_HOST, 0);
  if (status != CUDROP_OK) return status;
  if (is_picture)
    fprintf(to, "P5\n%llu %llu\n255\n", (unsigned long long)request->width,
            (unsigned long long)rows);
  status = write_elements(request, context, to);
  if (is_picture) { /* grey where the last row has no elements */
    for (uint64_t e = request->count; e < rows * request->width; ++e) fputc(128, to);
  } else if (request->format == FORMAT_HEX) {
    fputc('\n', to);
  }
  cudrop_destroy(&context);
  return status;
}
