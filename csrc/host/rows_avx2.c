/* rows_avx2.c - operators on rows with the instructions of avx2. */
#include "host/rows_body.h"

DEFINE_ROWS(cudropi_rows_avx2);
