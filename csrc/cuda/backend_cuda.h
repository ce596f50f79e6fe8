/* backend_cuda.h - what the host backend asks the CUDA backend. */
#ifndef CUDROP_BACKEND_CUDA_H
#define CUDROP_BACKEND_CUDA_H

#include <stdbool.h>

/*
 * True if the pointer is memory of a GPU that the host cannot read. Always false until the process
 * has made a CUDA context of this library: a program that uses only the host never starts the
 * driver.
 */
bool cudropi_cuda_owns(const void *data);

#endif /* CUDROP_BACKEND_CUDA_H */
