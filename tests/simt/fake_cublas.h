/*
 * fake_cublas.h - the few functions of cuBLAS that the examples call, as loops over
 * the fake runtime's memory, linked in place of cuBLAS.
 */
#ifndef CUDROP_FAKE_CUBLAS_H
#define CUDROP_FAKE_CUBLAS_H

/* The k-th call from now, 0 for the next, fails with `status`, a cublasStatus_t; with k < 0
 * none does. It has no effect, but that cublasDestroy() ends the handle in any case. Naming
 * a status does not count as a call. */
void fake_cublas_fail(long k, int status);

#endif /* CUDROP_FAKE_CUBLAS_H */
