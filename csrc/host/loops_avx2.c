/* activate_avx2.c - activations with the instructions of avx2. */
#include "activate_loops.h"

DEFINE_ACTIVATIONS(cudropi_activations_avx2);
