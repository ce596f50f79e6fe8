/* write_mask.h - what `cudrop mask` is asked for, and writing it. */
#ifndef CUDROP_WRITE_MASK_H
#define CUDROP_WRITE_MASK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cudrop/cudrop.h"

typedef enum { FORMAT_HEX, FORMAT_PICTURE, FORMAT_RAW } mask_format_t;

typedef struct {
  cudrop_mask_t mask; /* of the first element */
  uint64_t count;     /* elements, at most 2^59 */
  bool is_endless;    /* instead of a count: as many as there are */
  mask_format_t format;
  uint64_t width;      /* of the picture, else 0 */
  uint64_t per_offset; /* elements of an offset before the next one; 0: all */
  uint64_t per_seed;   /* the same of a seed; one of the two is 0 */
  const char *output;  /* the name of a file, or NULL */
} mask_request_t;

/*
 * Draw the request on a host context and write it to `to`. Whether it could be written ferror()
 * knows; the stream ends early there. The status is what the library said.
 */
cudrop_status_t write_mask(const mask_request_t *request, FILE *to);

#endif /* CUDROP_WRITE_MASK_H */
