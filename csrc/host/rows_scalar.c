/* rows_scalar.c - operators on rows without vectors. */
#include "rows_body.h"

DEFINE_ROWS(cudropi_rows_scalar);
