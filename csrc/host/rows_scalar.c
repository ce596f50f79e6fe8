/* rows_scalar.c - operators on rows without vectors. */
#define CUDROPI_PATH scalar
#include "host/rows_body.h"
