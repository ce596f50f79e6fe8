/* rows_avx512.c - operators on rows with the instructions of avx512. */
#define CUDROPI_PATH avx512
#include "host/rows_body.h"
