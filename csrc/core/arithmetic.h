/*
 * arithmetic.h - the arithmetic that the sources need; compilation stops under any other.
 *
 * NaN differs from every number, zeros have signs, sums keep the order written, and a float stays a
 * float between two operations. Under -ffast-math or a part of it compilers remove the checks of p,
 * and results differ from build to build. No test at run time could tell.
 *
 * The project's flags take such options back (cudrop_compile() in cmake/CudropTarget.cmake). This
 * header stops builds without those flags. gcc has a macro for each part of
 * -ffast-math; clang has the first two.
 */
#ifndef CUDROP_ARITHMETIC_H
#define CUDROP_ARITHMETIC_H

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    defined(__NO_SIGNED_ZEROS__) || defined(__ASSOCIATIVE_MATH__) ||                     \
    defined(__RECIPROCAL_MATH__)
#error "cudrop cannot be compiled with -ffast-math or a part of it: add -fno-fast-math"
#endif

/* 16 means that the machine computes _Float16 in its own type, and float in float. */
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "cudrop needs floats that are computed as floats: on x86 add -msse2 -mfpmath=sse"
#endif

enum {
  /* The array's size is negative, an error, if 1.0 is a float (-fsingle-precision-constant). */
  CUDROPI_DOUBLES = sizeof(char[sizeof(1.0) == sizeof(double) ? 1 : -1])
};

#endif /* CUDROP_ARITHMETIC_H */
