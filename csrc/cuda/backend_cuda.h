/* backend_cuda.h - what the host's side of the library asks of CUDA. */
#ifndef CUDROP_BACKEND_CUDA_H
#define CUDROP_BACKEND_CUDA_H

#include <stdbool.h>

/*
 * True if the pointer is memory of a GPU that the host cannot read. Looked up once a context
 * of the CUDA backend has been made in the process; until then false, so that a program that
 * uses the host alone never wakes a driver.
 */
bool cudropi_cuda_owns(const void *data);

#endif /* CUDROP_BACKEND_CUDA_H */
