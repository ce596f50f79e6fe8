/* rows_scalar.c - operators on rows without vectors. */
#include "host/rows_body.h"

DEFINE_ROWS(cudropi_rows_scalar);
