/* test_nvrtc.c - device.cuh in kernels that a program compiles when it runs. Needs no GPU. */
#include <nvrtc.h>

#include "suite.h"

/* The keep bits of a group; behind it, what else a kernel may ask of the headers. */
static const char kernels[] =
    "#include \"cudrop/device.cuh\"\n"
    "extern \"C\" __global__ void draw(const __grid_constant__ cudrop_mask_schedule_t "
    "mask,\n"
    "                                unsigned char *bits) {\n"
    "  const uint64_t group = blockIdx.x * blockDim.x + threadIdx.x;\n"
    "  bool keep[8];\n"
    "  cudrop_device_keep8(mask, group, keep);\n"
    "  unsigned byte = 0;\n"
    "  for (int lane = 0; lane < 8; ++lane) byte |= (unsigned)keep[lane] << lane;\n"
    "  bits[group] = (unsigned char)byte;\n"
    "}\n"
    "extern \"C\" __global__ void define(uint64_t seed, double p, unsigned char *bits) "
    "{\n"
    "  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(p);\n"
    "  bits[threadIdx.x] =\n"
    "      (unsigned char)cudrop_mask_keep_group(seed, 1, threadIdx.x, threshold);\n"
    "}\n"
    "#ifndef BITS_ALONE\n"
    "extern \"C\" __global__ void others(const void *prepared, uint64_t seed, double p,\n"
    "                                  cudrop_mask_schedule_t *schedule) {\n"
    "  __shared__ cudrop_mask_schedule_t mask;\n"
    "  cudrop_device_read(prepared, 1, &mask);\n"
    "  uint32_t word[4];\n"
    "  cudrop_device_quad(mask, threadIdx.x, threadIdx.x, word);\n"
    "  *schedule = cudrop_mask_schedule(seed + word[0], 1, p);\n"
    "  schedule->fate = cudrop_device_keep1(mask, threadIdx.x);\n"
    "}\n"
    "#endif\n";

enum { MOST_OPTIONS = 4 };

/* The PTX of `kernels` behind the line `before`, with cudrop's folder, the options and perhaps
 * a header of the program's own; the caller frees it. A program that fails shows its log. */
static char *compile(const char *before, const char *const options[MOST_OPTIONS],
                     const char *header_name, const char *header) {
  char source[sizeof kernels + 100];
  snprintf(source, sizeof source, "%s\n%s", before, kernels);
  const char *all[MOST_OPTIONS + 1] = {"-I" CUDROP_INCLUDE_DIR};
  int count = 1;
  for (int k = 0; k < MOST_OPTIONS && options[k] != NULL; ++k) all[count++] = options[k];
  nvrtcProgram program;
  ck_assert_int_eq(nvrtcCreateProgram(&program, source, "kernels.cu", header_name != NULL,
                                      &header, &header_name),
                   NVRTC_SUCCESS);
  const nvrtcResult result = nvrtcCompileProgram(program, count, all);
  size_t size = 0;
  ck_assert_int_eq(nvrtcGetProgramLogSize(program, &size), NVRTC_SUCCESS);
  char *log = calloc(size + 1, 1);
  ck_assert_int_eq(nvrtcGetProgramLog(program, log), NVRTC_SUCCESS);
  ck_assert_msg(result == NVRTC_SUCCESS && strspn(log, "\n") == strlen(log), "%s: %s",
                nvrtcGetErrorString(result), log);
  free(log);
  ck_assert_int_eq(nvrtcGetPTXSize(program, &size), NVRTC_SUCCESS);
  char *ptx = calloc(size + 1, 1);
  ck_assert_int_eq(nvrtcGetPTX(program, ptx), NVRTC_SUCCESS);
  ck_assert_int_eq(nvrtcDestroyProgram(&program), NVRTC_SUCCESS);
  return ptx;
}

/* A program's own <stdint.h>, in either spelling of 64 bits. */
static const char long_long[] =
    "typedef unsigned int uint32_t; typedef unsigned long long uint64_t;";
static const char long_alone[] =
    "#define UINT64_MAX 0xffffffffffffffffUL\n"
    "typedef unsigned int uint32_t; typedef unsigned long "
    "uint64_t;";

static const struct {
  const char *before;
  const char *options[MOST_OPTIONS];
  const char *stdint;
} programs[] = {
    {"", {"--gpu-architecture=compute_75"}, NULL},
    {"", {"--gpu-architecture=compute_90"}, NULL},
    {"", {"--gpu-architecture=sm_90"}, NULL},
    {"", {"--gpu-architecture=sm_90", "-default-device"}, NULL},
    {"", {"--std=c++11"}, NULL},
    {"", {"--std=c++20"}, NULL},
    {"", {"-I" CUDA_INCLUDE_DIR}, NULL},
    {"", {"-I/usr/include", "-I/usr/include/x86_64-linux-gnu"}, NULL},
    {"", {NULL}, long_long},
    {"", {NULL}, long_alone},
    {"#include <stdint.h>", {NULL}, long_long},
    {"#include <stdint.h>", {NULL}, long_alone},
    {"typedef unsigned int uint32_t; typedef unsigned long long uint64_t;", {NULL}, NULL},
};
enum { PROGRAMS = sizeof programs / sizeof programs[0] };

START_TEST(a_program_compiles_device_cuh_when_it_runs) {
  char *ptx =
      compile(programs[_i].before, programs[_i].options,
              programs[_i].stdint != NULL ? "stdint.h" : NULL, programs[_i].stdint);
  ck_assert_ptr_nonnull(strstr(ptx, ".entry draw("));
  ck_assert_ptr_nonnull(strstr(ptx, ".entry others("));
  free(ptx);
}
END_TEST

START_TEST(fast_math_does_not_change_the_code_of_keep_bits) {
  static const char *const architectures[] = {"--gpu-architecture=compute_75",
                                              "--gpu-architecture=compute_90"};
  const char *const exact[MOST_OPTIONS] = {architectures[_i], "-DBITS_ALONE"};
  const char *const fast[MOST_OPTIONS] = {architectures[_i], "-DBITS_ALONE",
                                          "--use_fast_math"};
  char *exact_ptx = compile("", exact, NULL, NULL),
       *fast_ptx = compile("", fast, NULL, NULL);
  ck_assert_str_eq(exact_ptx, fast_ptx);
  free(exact_ptx);
  free(fast_ptx);
}
END_TEST

START_TEST(fast_math_changes_the_code_of_what_is_no_keep_bit) {
  const char *const exact[MOST_OPTIONS] = {NULL};
  const char *const fast[MOST_OPTIONS] = {"--use_fast_math"};
  char *exact_ptx = compile("", exact, NULL, NULL),
       *fast_ptx = compile("", fast, NULL, NULL);
  ck_assert_str_ne(exact_ptx, fast_ptx);
  free(exact_ptx);
  free(fast_ptx);
}
END_TEST

static TCase *nvrtc_case(void) {
  TCase *tests = suite_case("nvrtc", 300);
  tcase_add_loop_test(tests, a_program_compiles_device_cuh_when_it_runs, 0, PROGRAMS);
  tcase_add_loop_test(tests, fast_math_does_not_change_the_code_of_keep_bits, 0, 2);
  tcase_add_test(tests, fast_math_changes_the_code_of_what_is_no_keep_bit);
  return tests;
}

SUITE_MAIN("nvrtc", nvrtc_case())
