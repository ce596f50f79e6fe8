/* activate_scalar.c - activations without vectors. */
#include "activate_loops.h"

DEFINE_ACTIVATIONS(cudropi_activations_scalar);
