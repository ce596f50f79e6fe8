/*
 * arithmetic.h - the arithmetic that the sources count on; no other compiles them.
 *
 * NaN is told from a number, zeros have signs, sums are taken in the order written, and a float
 * is a float between two operations. Under -ffast-math and its parts compilers remove the checks
 * of p, and results differ from build to build, with no test at run time that could tell.
 *
 * The project's flags take such options back (cudrop_compile() in cmake/CudropTarget.cmake). This
 * header stops the builds that do without these flags. gcc has a macro for each part of
 * -ffast-math; clang has the first two.
 */
#ifndef CUDROP_ARITHMETIC_H
#define CUDROP_ARITHMETIC_H

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    defined(__NO_SIGNED_ZEROS__) || defined(__ASSOCIATIVE_MATH__) ||                     \
    defined(__RECIPROCAL_MATH__)
#error "cudrop cannot be compiled with -ffast-math or a part of it: add -fno-fast-math"
#endif

/* 16 is the C standard's word for machines with an F16 of their own, and floats as here. */
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "cudrop needs floats that are computed as floats: on x86 add -msse2 -mfpmath=sse"
#endif

enum {
  /* Negative, and so refused, if a double constant is a float (-fsingle-precision-constant). */
  CUDROPI_DOUBLES = sizeof(char[sizeof(1.0) == sizeof(double) ? 1 : -1])
};

#endif /* CUDROP_ARITHMETIC_H */
