/* call.h - one call of an elementwise operator: what it was asked, before any check. */
#ifndef CUDROP_CALL_H
#define CUDROP_CALL_H

#include "core/tensor.h"

typedef enum {
  CUDROPI_DROP,           /* y = keep ? x * scale : 0 */
  CUDROPI_ACCUMULATE,     /* y = keep ? y + x * scale : y */
  CUDROPI_ALPHA,          /* y = a * (keep ? x : alpha') + b */
  CUDROPI_ALPHA_GRADIENT, /* y = keep ? a * x : 0 */
  CUDROPI_EXPORT_BITS,    /* y = keep, packed */
  CUDROPI_EXPORT_BYTES,   /* y = keep */
  CUDROPI_EXPORT_SCALE,   /* y = keep ? scale : 0 */
  CUDROPI_COUNT_KEPT      /* y = sum of keep */
} cudropi_operator_t;

typedef enum {
  CUDROPI_FLOATS,     /* F32, F16, BF16 or F64: what is computed with */
  CUDROPI_NUMBERS,    /* those and the F8 types: what is moved */
  CUDROPI_ROW_FLOATS, /* F32, F16 or BF16: what networks are trained in */
  CUDROPI_BYTES,      /* U8 */
  CUDROPI_INTEGERS,   /* I32 */
  CUDROPI_INTERNAL    /* made by the library, of a type of tensor.h */
} cudropi_kind_t;

/* A tensor and the name that the public function has for it; no name: no such argument. */
typedef struct {
  cudropi_kind_t kind;
  const char *name;
  const cudrop_tensor_t *tensor;
} cudropi_argument_t;

typedef struct {
  const char *function; /* the public function, for texts */
  cudropi_operator_t op;
  cudropi_argument_t x;
  cudropi_argument_t keep;   /* a mask that the caller brings, with ... */
  double p;                  /* ... its rate; or else ... */
  const cudrop_mask_t *mask; /* ... a mask to draw */
  cudropi_argument_t y;
} cudropi_call_t;

#endif /* CUDROP_CALL_H */
