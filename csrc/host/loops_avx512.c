/* loops_avx512.c - loops with the instructions of avx512. */
#include "loops_body.h"

DEFINE_LOOPS(cudropi_loops_avx512);
