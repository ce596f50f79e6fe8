/* write_mask.h - a request to `cudrop mask`, and writing its elements. */
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
  bool is_endless;    /* all elements to the last index; count is not used */
  mask_format_t format;
  uint64_t width;      /* of the picture, else 0 */
  uint64_t per_offset; /* elements of an offset before the next one; 0: one offset */
  uint64_t per_seed;   /* elements of a seed likewise; one of the two is 0 */
  const char *output;  /* the name of a file, or NULL */
} mask_request_t;

/*
 * Draw the request on a host context and write it to `to`. Returns the status of the library. If
 * `to` fails, writing stops and ferror() is true.
 */
cudrop_status_t write_mask(const mask_request_t *request, FILE *to);

#endif /* CUDROP_WRITE_MASK_H */
