/* rows_avx512.c - operators on rows with the instructions of avx512. */
#include "host/rows_body.h"

DEFINE_ROWS(cudropi_rows_avx512);
