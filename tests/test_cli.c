/* test_cli.c - the program `cudrop`, run as a user runs it; test_cli_mask.c has its masks. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <stdio.h>
#include <string.h>

#include "cudrop/cudrop.h"
#include "program.h"
#include "suite.h"

static char output[1 << 16];

static int run(const char *arguments) {
  return program_run(arguments, output, sizeof output);
}

/* Arguments that are refused with exit status 2, and the line that says why. */
static const char *const refusals[][2] = {
    {"", "usage: cudrop COMMAND"},
    {"masks",
     "cudrop: there is no command 'masks'; usage: cudrop COMMAND [OPTIONS] (--help "
     "lists"},
    {"--hel", "cudrop: there is no command '--hel'; usage: cudrop COMMAND [OPTIONS]"},
    {"--help mask", "cudrop: 'mask' is one argument too many; usage: cudrop COMMAND"},
    {"mask --p 0.5 --count 8", "cudrop: mask: --seed is missing\n"},
    {"mask --seed 1 --count 8", "cudrop: mask: --p is missing\n"},
    {"mask --seed 1 --p 0.5", "cudrop: mask: --count is missing\n"},
    {"mask --seed", "cudrop: mask: --seed needs a value; usage: cudrop mask --seed S"},
    {"mask --sed 1",
     "cudrop: mask: there is no option '--sed'; usage: cudrop mask --seed"},
    {"mask --sed", "cudrop: mask: there is no option '--sed'; usage: cudrop mask --seed"},
    {"mask --hel", "cudrop: mask: there is no option '--hel'; usage: cudrop mask --seed"},
    {"mask --help=1", "cudrop: mask: --help takes no value; usage: cudrop mask --seed S"},
    {"mask --help more", "cudrop: mask: 'more' is one argument too many; usage: cudrop"},
    {"mask -s 1", "cudrop: mask: there is no option '-s'; usage: cudrop mask"},
    {"mask --seed 1 --p 0.5 --count 8 more",
     "cudrop: mask: 'more' is one argument too many; usage: cudrop mask"},
    {"mask --seed -1 --p 0.5 --count 8", "cudrop: mask: --seed = '-1' is not"},
    {"mask --seed +1 --p 0.5 --count 8", "cudrop: mask: --seed = '+1' is not"},
    {"mask --seed ' 1' --p 0.5 --count 8", "cudrop: mask: --seed = ' 1' is not"},
    {"mask --seed 1x --p 0.5 --count 8", "cudrop: mask: --seed = '1x' is not"},
    {"mask --seed 0x --p 0.5 --count 8", "cudrop: mask: --seed = '0x' is not"},
    {"mask --seed '' --p 0.5 --count 8", "cudrop: mask: --seed = '' is not"},
    {"mask --seed 18446744073709551616 --p 0.5 --count 8",
     "cudrop: mask: --seed = '18446744073709551616' is not"},
    {"mask --seed 1 --p 0.5 --count 1.5", "cudrop: mask: --count = '1.5' is not"},
    {"mask --seed 1 --p 1.5 --count 8",
     "cudrop: mask: --p = '1.5' is not a number in [0, 1]\n"},
    {"mask --seed 1 --p -0.1 --count 8", "cudrop: mask: --p = '-0.1' is not a number"},
    {"mask --seed 1 --p nan --count 8", "cudrop: mask: --p = 'nan' is not a number"},
    {"mask --seed 1 --p half --count 8", "cudrop: mask: --p = 'half' is not a number"},
    {"mask --seed 1 --p '' --count 8", "cudrop: mask: --p = '' is not a number"},
    {"mask --seed 1 --p 0.5 --count 8 --format png",
     "cudrop: mask: --format = 'png' is not hex, picture or raw\n"},
    {"mask --seed 1 --p 0.5 --count 8 --format picture",
     "cudrop: mask: --format picture and --width go together, one is missing\n"},
    {"mask --seed 1 --p 0.5 --count 8 --width 4",
     "cudrop: mask: --format picture and --width go together, one is missing\n"},
    {"mask --seed 1 --p 0.5 --count 8 --format picture --width 0",
     "cudrop: mask: a picture needs --width and --count above 0\n"},
    {"mask --seed 1 --p 0.5 --index 0x7ffffffffffffff --count 2",
     "cudrop: mask: --index + --count is above 2^59\n"},
    {"mask --seed 1 --p 0.5 --index 0xffffffffffffffff --count 2",
     "cudrop: mask: --index + --count is above 2^59\n"},
    {"mask --seed 1 --p 0.5 --count 0xffffffffffffffff",
     "cudrop: mask: --index + --count is above 2^59\n"},
    {"mask --seed 1 --p 0.5 --count endless",
     "cudrop: mask: --count endless needs --format raw\n"},
    {"mask --seed 1 --p 0.5 --count endles --format raw",
     "cudrop: mask: --count = 'endles' is not"},
    {"mask --seed 1 --p 0.5 --count 8 --per-offset 0",
     "cudrop: mask: --per-offset = 0 is not a multiple of 8 above 0\n"},
    {"mask --seed 1 --p 0.5 --count 8 --per-seed 12",
     "cudrop: mask: --per-seed = 12 is not a multiple of 8 above 0\n"},
    {"mask --seed 1 --p 0.5 --count 8 --per-seed 8 --per-offset 8",
     "cudrop: mask: --per-offset and --per-seed exclude each other\n"},
    {"mask --seed 1 --p 0.5 --count 8 --index 8 --per-seed 0x800000000000000",
     "cudrop: mask: --index + --per-seed is above 2^59\n"},
    {"mask --seed 1 --p 0.5 --seed 2 --count 8", "cudrop: mask: --seed is given twice\n"},
    {"bench now", "cudrop: bench: 'now' is one argument too many; usage: cudrop bench"},
    {"bench --quick --quick", "cudrop: bench: --quick is given twice\n"},
    {"bench --fast", "cudrop: bench: there is no option '--fast'; usage: cudrop bench"},
    {"bench --q",
     "cudrop: bench: there is no option '--q'; usage: cudrop bench [OPTIONS]\n"},
    {"bench --backend gpu",
     "cudrop: bench: --backend = 'gpu' is not host, cuda or auto\n"},
    {"bench --device -1", "cudrop: bench: --device = '-1' is not a number in 0..1023\n"},
    {"bench --threads 0", "cudrop: bench: --threads = '0' is not a number in 1..1024\n"},
    {"bench --operators forward,backwards",
     "cudrop: bench: --operators has no 'backwards'; see cudrop bench --help\n"},
    {"bench --dtypes F32,", "cudrop: bench: --dtypes has no ''; see cudrop bench"},
    {"bench --dtypes U8", "cudrop: bench: --dtypes has no 'U8'; see cudrop bench"},
    {"bench --layouts sparse", "cudrop: bench: --layouts has no 'sparse'"},
    {"bench --n 0", "cudrop: bench: --n has '0', which is no number in 1..2^40\n"},
    {"bench --n 2^41", "cudrop: bench: --n has '2^41', which is no number"},
    {"bench --n 8,,9", "cudrop: bench: --n has '', which is no number"},
    {"bench --n 2^", "cudrop: bench: --n has '2^', which is no number"},
    {"bench --n 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
     "cudrop: bench: --n has more than 32 sizes\n"},
    {"bench --p 1.5", "cudrop: bench: --p = '1.5' is not a number in [0, 1]\n"},
    {"bench --p nan", "cudrop: bench: --p = 'nan' is not a number in [0, 1]\n"},
    {"bench --repeats 2", "cudrop: bench: --repeats = '2' is not a number in 3..1000\n"},
    {"bench --budget -1", "cudrop: bench: --budget = '-1' is not a number in [0, 86400]"},
    {"bench --operators alpha_forward --dtypes F8E4M3",
     "cudrop: bench: none of the operators takes these types in these layouts\n"},
    {"info now", "cudrop: info: 'now' is one argument too many; usage: cudrop info\n"},
    {"info --h", "cudrop: info: there is no option '--h'; usage: cudrop info\n"},
    {"verify now",
     "cudrop: verify: 'now' is one argument too many; usage: cudrop verify\n"},
    {"verify --hel",
     "cudrop: verify: there is no option '--hel'; usage: cudrop verify\n"},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

START_TEST(bad_arguments_are_refused_with_a_clear_line) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "%s 2>/dev/null", refusals[_i][0]);
  ck_assert_int_eq(run(arguments), 2);
  ck_assert_str_eq(output, ""); /* nothing on the standard output */
  snprintf(arguments, sizeof arguments, "%s 2>&1", refusals[_i][0]);
  ck_assert_int_eq(run(arguments), 2);
  const size_t length = strlen(refusals[_i][1]);
  ck_assert_msg(strncmp(output, refusals[_i][1], length) == 0, "it says: %s", output);
}
END_TEST

START_TEST(verify_passes_on_this_machine) {
  ck_assert_int_eq(run("verify"), 0);
  ck_assert_ptr_nonnull(strstr(output, "every known answer came out\n"));
  ck_assert_ptr_nonnull(strstr(output, "\n  nan         6 of  6 right\n"));
  ck_assert_ptr_nonnull(strstr(output, "\n  infinity    8 of  8 right\n"));
  ck_assert_ptr_nonnull(strstr(output, "\n  subnormal   6 of  6 right\n"));
  ck_assert_ptr_nonnull(strstr(output, "\n  zero        4 of  4 right\n"));
}
END_TEST

/* A backend that is absent is said, and in no words of an error. */
START_TEST(verify_says_what_it_has_not_checked) {
  int devices = 0;
  ck_assert_int_eq(run("verify 2>&1"), 0);
  if (cudrop_device_count(CUDROP_CUDA, &devices) != CUDROP_OK)
    ck_assert_ptr_nonnull(strstr(output, "\ncuda\n  not checked: th"));
  ck_assert_ptr_null(strstr(output, "cudrop_"));
}
END_TEST

START_TEST(verify_fails_where_a_device_cannot_be_used) {
  ck_assert_int_eq(setenv("CUDROP_HOST_PATH", "abacus", 1), 0);
  ck_assert_int_eq(run("verify 2>&1"), 1);
  ck_assert_ptr_nonnull(strstr(output, "device 0 cannot be used: cudrop_device_name: "));
  ck_assert_ptr_nonnull(strstr(output, "verify: 1 known answers are wrong\n"));
  ck_assert_int_eq(unsetenv("CUDROP_HOST_PATH"), 0);
}
END_TEST

START_TEST(bench_measures_what_it_is_asked_to) {
  ck_assert_int_eq(run("bench --backend host --operators forward,export_bits --dtypes "
                       "f64 --layouts dense,channels --n 100,2^10 --repeats 3 --p 0.5 "
                       "--threads 2"),
                   0);
  ck_assert_ptr_nonnull(
      strstr(output, "\nforward            F64    dense           100 cold"));
  ck_assert_ptr_nonnull(
      strstr(output, "\nforward            F64    channels       2^10 warm"));
  ck_assert_ptr_nonnull(
      strstr(output, "\nexport_bits        -      channels        100 cold"));
  ck_assert_ptr_nonnull(strstr(output, "; threads: 2\n"));
  ck_assert_ptr_nonnull(strstr(output, "\nempty kernel "));
  ck_assert_ptr_nonnull(strstr(output, "\n8 cases measured, 0 wrong, 0 failed\n"));
  ck_assert_int_eq(run("bench --backend host --device 1 2>&1"), 1);
  ck_assert_str_eq(output,
                   "cudrop: bench: cudrop_create: device = 1 is outside [0, 1)\n");
}
END_TEST

/* Every word of the table's heads is explained, in the table and by --help. */
START_TEST(bench_says_what_its_columns_are) {
  static const char *const words[] = {"cold", "warm",   "us",    "spread%",
                                      "GB/s", "roof",   "%roof", "host us",
                                      "call", "stream", "graph", "trip"};
  static const char *const commands[] = {
      "bench --help", "bench --backend host --operators forward --n 8 --repeats 3"};
  for (int c = 0; c < 2; ++c) {
    ck_assert_int_eq(run(commands[c]), 0);
    char *legend = strstr(output, "  cold     one call after");
    ck_assert_msg(legend != NULL, "%s has no legend", commands[c]);
    char *end = strstr(legend, "\n\n");
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    for (size_t k = 0; k < sizeof words / sizeof words[0]; ++k)
      ck_assert_msg(strstr(legend, words[k]) != NULL, "no word of %s", words[k]);
  }
}
END_TEST

START_TEST(info_names_version_and_backends) {
  char version[32];
  snprintf(version, sizeof version, "cudrop %d.%d.%d\n", CUDROP_VERSION_MAJOR,
           CUDROP_VERSION_MINOR, CUDROP_VERSION_PATCH);
  ck_assert_int_eq(run("info"), 0);
  ck_assert(strncmp(output, version, strlen(version)) == 0);
  ck_assert_ptr_nonnull(strstr(output, "built with "));
  ck_assert_ptr_nonnull(strstr(output, "  host  device 0: host, "));
  ck_assert_ptr_nonnull(strstr(output, "  cuda  "));
  ck_assert_int_eq(run("--version"), 0);
  ck_assert(strncmp(output, version, strlen(version)) == 0);
}
END_TEST

START_TEST(help_goes_to_the_standard_output) {
  static const char *const commands[] = {"--help",      "-h",          "help",
                                         "info --help", "mask --help", "verify --help",
                                         "bench --help"};
  for (size_t k = 0; k < sizeof commands / sizeof commands[0]; ++k) {
    ck_assert_int_eq(run(commands[k]), 0);
    ck_assert(strncmp(output, "usage: cudrop", 13) == 0);
  }
}
END_TEST

START_TEST(output_that_cannot_be_written_is_a_failure) {
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --count 8 >/dev/full 2>&1"), 1);
  ck_assert_int_eq(run("--help >/dev/full 2>&1"), 1);
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --count 8 --output /dev/full 2>&1"), 1);
  ck_assert_ptr_nonnull(strstr(output, "cudrop: mask: cannot write '/dev/full'"));
  ck_assert_int_eq(run("bench --backend host --n 8 --repeats 3 --json /dev/full 2>&1"),
                   1);
  ck_assert_ptr_nonnull(strstr(output, "cudrop: bench: cannot write '/dev/full'"));
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --count 8 --output /no/such/folder 2>&1"),
                   1);
  ck_assert_str_eq(output,
                   "cudrop: mask: cannot write '/no/such/folder': "
                   "No such file or directory\n");
}
END_TEST

static TCase *cli_case(void) {
  TCase *tests = suite_case("cli", 120);
  tcase_add_loop_test(tests, bad_arguments_are_refused_with_a_clear_line, 0, REFUSALS);
  tcase_add_test(tests, verify_passes_on_this_machine);
  tcase_add_test(tests, verify_says_what_it_has_not_checked);
  tcase_add_test(tests, verify_fails_where_a_device_cannot_be_used);
  tcase_add_test(tests, bench_measures_what_it_is_asked_to);
  tcase_add_test(tests, bench_says_what_its_columns_are);
  tcase_add_test(tests, info_names_version_and_backends);
  tcase_add_test(tests, help_goes_to_the_standard_output);
  tcase_add_test(tests, output_that_cannot_be_written_is_a_failure);
  return tests;
}

SUITE_MAIN("cli", cli_case())
