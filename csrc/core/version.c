/* version.c - which library this is. */
#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

#if defined(__OPTIMIZE__)
#define OPTIMISED "optimised"
#else
#define OPTIMISED "not optimised"
#endif

#if defined(CUDROP_WITH_CUDA)
#define BACKENDS "host, cuda"
#else
#define BACKENDS "host"
#endif

int cudrop_version(void) {
  return CUDROP_VERSION_MAJOR * 10000 + CUDROP_VERSION_MINOR * 100 + CUDROP_VERSION_PATCH;
}

const char *cudrop_build_info(void) {
  return COMPILER ", " OPTIMISED ", backends: " BACKENDS;
}
