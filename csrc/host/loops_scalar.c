/* loops_scalar.c - loops without vectors. */
#include "loops_body.h"

DEFINE_LOOPS(cudropi_loops_scalar);
