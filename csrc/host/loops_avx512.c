/* activate_avx512.c - activations with the instructions of avx512. */
#include "activate_loops.h"

DEFINE_ACTIVATIONS(cudropi_activations_avx512);
