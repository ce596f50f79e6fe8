/* rows_avx2.c - operators on rows with the instructions of avx2. */
#define CUDROPI_PATH avx2
#include "host/rows_body.h"
