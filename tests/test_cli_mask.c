/* test_cli_mask.c - `cudrop mask`: its bits against the oracle's, in every format. */
#include <stdio.h>
#include <string.h>

#include "oracle.h"
#include "program.h"
#include "suite.h"

static char output[1 << 16];

static int run(const char *arguments) {
  return program_run(arguments, output, sizeof output);
}

/* Arguments of `mask` and the hexadecimal line that they give, from MASK's known drops. */
static const char *const masks[][2] = {
    {"--seed 42 --offset 0 --p 0.5 --index 0 --count 64 --format hex",
     "4394c8b508c4bf58"},
    {"--seed 42 --p 0.1 --count 64", "dffdfffdcefffffb"},
    {"--seed 0x2a --p 0x1.999999999999ap-4 --count 0x40", "dffdfffdcefffffb"},
    {"--seed=42 --p=1e-1 --count=64", "dffdfffdcefffffb"},
    {"--seed 42 --p 0.1 --count 61", "dffdfffdceffff1b"},
    {"--seed 42 --p 0.1 --count 1", "01"},
    {"--seed 42 --p 0.1 --count 0", ""},
    {"--seed 42 --p 0 --count 9", "ff01"},
    {"--seed 42 --p 1 --count 9", "0000"},
    {"--seed 42 --offset 1 --p 0.1 --count 64", "bffffefff6fffeff"},
    {"--seed 0x123456789abcdef0 --offset 0xfedcba9876543210 --p 0.1 --count 64 "
     "--index 1099511627784",
     "ffbfe7ffedfffbf7"},
    {"--seed 7 --offset 3 --index 0x7ffffffffffffc0 --count 64 --p 0.25",
     "fb177fd7fbef6afd"},
    {"--seed 42 --p 0.1 --index 2583 --count 1", "00"},
    {"--seed 42 --p 0.1 --index 187372 --count 1", "01"},
};
enum { MASKS = sizeof masks / sizeof masks[0] };

START_TEST(mask_prints_the_known_bits) {
  char arguments[512], line[128];
  snprintf(arguments, sizeof arguments, "mask %s", masks[_i][0]);
  snprintf(line, sizeof line, "%s\n", masks[_i][1]);
  ck_assert_int_eq(run(arguments), 0);
  ck_assert_str_eq(output, line);
}
END_TEST

START_TEST(mask_prints_the_oracles_bits_from_any_index) {
  char arguments[128];
  for (int index = 0; index < 17; ++index) {
    snprintf(arguments, sizeof arguments,
             "mask --seed 5 --offset 6 --p 0.37 --index %d --count 203", index);
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_uint_eq(strlen(output), 2 * 26 + 1);
    for (int e = 0; e < 208; ++e) {
      unsigned byte = 0;
      ck_assert_int_eq(sscanf(output + e / 8 * 2, "%2x", &byte), 1);
      const bool want = e < 203 && oracle_keep(5, 6, (uint64_t)(index + e), 0.37);
      ck_assert_int_eq(byte >> e % 8 & 1, want);
    }
  }
}
END_TEST

START_TEST(a_long_mask_does_not_depend_on_its_chunks) {
  char tail[sizeof "0123456789abcdef\n"];
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --index 2097152 --count 64"), 0);
  memcpy(tail, output, sizeof tail);
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --count 2097216 | tail -c 17"), 0);
  ck_assert_str_eq(output, tail);
}
END_TEST

START_TEST(a_picture_shows_the_mask) {
  static const char head[] = "P5\n16 3\n255\n";
  ck_assert_int_eq(run("mask --seed 5 --p 0.5 --count 40 --format picture --width 16 | "
                       "od -An -v -tu1"),
                   0);
  unsigned pixels[sizeof head - 1 + 48 + 1];
  size_t count = 0;
  for (char *word = strtok(output, " \n"); word != NULL; word = strtok(NULL, " \n"))
    ck_assert_int_eq(sscanf(word, "%u", &pixels[count++]), 1);
  ck_assert_uint_eq(count, sizeof head - 1 + 48);
  for (size_t k = 0; k < sizeof head - 1; ++k)
    ck_assert_uint_eq(pixels[k], (unsigned char)head[k]);
  for (uint64_t e = 0; e < 48; ++e)
    ck_assert_uint_eq(pixels[sizeof head - 1 + e], e >= 40                     ? 128
                                                   : oracle_keep(5, 0, e, 0.5) ? 255
                                                                               : 0);
}
END_TEST

/* The hexadecimal digits of bytes that come from the standard input. */
#define TO_HEX " | od -An -v -tx1 | tr -d ' \n'"

START_TEST(raw_is_the_bytes_that_hex_spells) {
  ck_assert_int_eq(run("mask --seed 7 --p 0.37 --index 3 --count 997"), 0);
  char hex[512];
  ck_assert_uint_eq(strlen(output), 2 * 125 + 1);
  memcpy(hex, output, 250);
  hex[250] = '\0';
  ck_assert_int_eq(
      run("mask --seed 7 --p 0.37 --index 3 --count 997 --format raw" TO_HEX), 0);
  ck_assert_str_eq(output, hex);
  ck_assert_int_eq(run("mask --seed 7 --p 0.37 --count 0 --format raw" TO_HEX), 0);
  ck_assert_str_eq(output, "");
}
END_TEST

START_TEST(an_endless_stream_begins_like_any_other) {
  ck_assert_int_eq(
      run("mask --seed 42 --p 0.5 --count endless --format raw | head -c 8" TO_HEX), 0);
  ck_assert_str_eq(output, "4394c8b508c4bf58");
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --index 2097152 --count 64"), 0);
  char tail[sizeof "0123456789abcdef"];
  memcpy(tail, output, sizeof tail);
  tail[16] = '\0'; /* hex ends in a newline */
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --count endless --format raw | "
                       "head -c 262152 | tail -c 8" TO_HEX),
                   0);
  ck_assert_str_eq(output, tail);
}
END_TEST

/* The program's errors and status take the way around its reader. */
START_TEST(a_reader_that_leaves_ends_the_stream_quietly) {
  static const char *const readers[] = {"true", "head -c 1 >/dev/null",
                                        "head -c 1000000 >/dev/null"};
  char arguments[256];
  for (int k = 0; k < 3; ++k) {
    snprintf(arguments, sizeof arguments,
             "mask --seed 1 --p 0.5 --count endless --format raw 2>&3; "
             "echo status $? >&3; } | %s; } 3>&1",
             readers[k]);
    ck_assert_int_eq(program_run_within("{ {", arguments, output, sizeof output), 0);
    ck_assert_str_eq(output, "status 0\n");
  }
}
END_TEST

START_TEST(an_endless_stream_ends_where_indices_end) {
  ck_assert_int_eq(run("mask --seed 7 --offset 3 --p 0.25 --index 0x7ffffffffffffc0 "
                       "--count endless --format raw" TO_HEX),
                   0);
  ck_assert_str_eq(output, "fb177fd7fbef6afd");
}
END_TEST

/* Offsets or seeds by turns, from the same index each. */
START_TEST(turns_go_through_offsets_or_seeds) {
  for (int over_seeds = 0; over_seeds < 2; ++over_seeds) {
    char arguments[128];
    snprintf(arguments, sizeof arguments,
             "mask --seed 5 --offset 6 --p 0.37 --index 3 --count 203 --per-%s 24",
             over_seeds ? "seed" : "offset");
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_uint_eq(strlen(output), 2 * 26 + 1);
    for (uint64_t e = 0; e < 203; ++e) {
      const uint64_t turn = e / 24, seed = 5 + (over_seeds ? turn : 0);
      const uint64_t offset = 6 + (over_seeds ? 0 : turn);
      unsigned byte = 0;
      ck_assert_int_eq(sscanf(output + e / 8 * 2, "%2x", &byte), 1);
      ck_assert_int_eq(byte >> e % 8 & 1, oracle_keep(seed, offset, 3 + e % 24, 0.37));
    }
  }
}
END_TEST

START_TEST(turns_do_not_depend_on_chunks) {
  ck_assert_int_eq(run("mask --seed 1 --offset 2 --p 0.5 --index 786376 --count 64 "
                       "--format raw" TO_HEX),
                   0);
  char tail[sizeof "0123456789abcdef"];
  memcpy(tail, output, sizeof tail);
  tail[16] = '\0'; /* hex ends in a newline */
  ck_assert_int_eq(run("mask --seed 1 --p 0.5 --count 2359320 --per-offset 786440 "
                       "--format raw | tail -c 8" TO_HEX),
                   0);
  ck_assert_str_eq(output, tail);
}
END_TEST

static TCase *cli_mask_case(void) {
  TCase *tests = suite_case("cli_mask", 120);
  tcase_add_loop_test(tests, mask_prints_the_known_bits, 0, MASKS);
  tcase_add_test(tests, mask_prints_the_oracles_bits_from_any_index);
  tcase_add_test(tests, a_long_mask_does_not_depend_on_its_chunks);
  tcase_add_test(tests, a_picture_shows_the_mask);
  tcase_add_test(tests, raw_is_the_bytes_that_hex_spells);
  tcase_add_test(tests, an_endless_stream_begins_like_any_other);
  tcase_add_test(tests, a_reader_that_leaves_ends_the_stream_quietly);
  tcase_add_test(tests, an_endless_stream_ends_where_indices_end);
  tcase_add_test(tests, turns_go_through_offsets_or_seeds);
  tcase_add_test(tests, turns_do_not_depend_on_chunks);
  return tests;
}

SUITE_MAIN("cli_mask", cli_mask_case())
