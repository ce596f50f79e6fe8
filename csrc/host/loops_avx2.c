/* loops_avx2.c - loops with the instructions of avx2. */
#include "loops_body.h"

DEFINE_LOOPS(cudropi_loops_avx2);
