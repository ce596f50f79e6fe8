/* path.c - looking at the processor. */
#define _GNU_SOURCE /* _SC_LEVEL3_CACHE_SIZE */
#include "host/path.h"

#include <string.h>
#include <unistd.h>

#if defined(CUDROP_WITH_VECTORS)
#include <cpuid.h>

/* Some compilers' __builtin_cpu_supports() does not know "f16c". */
static bool has_f16c(void) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("fma");
}
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("popcnt") && has_f16c();
}
static bool has_sse2(void) {
  return __builtin_cpu_supports("sse2");
}
#endif
static bool is_here(void) {
  return true;
}

/* The paths, from the best to the one that every processor has. */
static const struct {
  cudropi_path_t path;
  bool (*is_supported)(void);
} paths[] = {
#if defined(CUDROP_WITH_VECTORS)
    {{"avx512", cudropi_vector_avx512, cudropi_draw_avx512, CUDROPI_HOST_AVX512,
      cudropi_finish_sum_avx512},
     has_avx512},
    {{"avx2", cudropi_vector_avx2, cudropi_draw_avx2, CUDROPI_HOST_AVX2,
      cudropi_finish_sum_avx2},
     has_avx2},
    {{"sse2", cudropi_vector_sse2, cudropi_draw_sse2, CUDROPI_HOST_SCALAR,
      cudropi_finish_sum_scalar},
     has_sse2},
#endif
    {{"scalar", NULL, NULL, CUDROPI_HOST_SCALAR, cudropi_finish_sum_scalar}, is_here},
};

bool cudropi_choose_path(const char *name, cudropi_path_t *path) {
  for (size_t k = 0; k < sizeof paths / sizeof paths[0]; ++k) {
    if (name != NULL && strcmp(name, paths[k].path.name) != 0) continue;
    if (!paths[k].is_supported()) continue;
    *path = paths[k].path;
    return true;
  }
  return false;
}

size_t cudropi_cache_bytes(void) {
  enum { LIKELY = 32 << 20 };
#if defined(_SC_LEVEL3_CACHE_SIZE)
  const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? (size_t)bytes : LIKELY;
#else
  return LIKELY;
#endif
}
