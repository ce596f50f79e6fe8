/*
 * test_network.c - networks as files: what is written is read again, and a file that breaks a
 * rule is refused with the line that does.
 */
#define _POSIX_C_SOURCE 200809L /* mkstemp */
#include "network.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

static network_t network;

static void free_network(void) {
  network_free(&network);
}

static bool read_text(const char *text) {
  return network_read(&network, "net", text, strlen(text));
}

/* A line that a test adds to others which are right. */
static void expect_refused(const char *text, const char *error) {
  ck_assert_msg(!read_text(text), "read: %s", text);
  ck_assert_str_eq(network.error, error);
  network_free(&network);
}

/* ---- What is right ----------------------------------------------------------------- */

static const char good[] =
    "cudrop-network 1\n"
    "input x f32 3\n"
    "parameter w f32 3 2\n"
    "parameter t u8\n"
    "Dropout x _ t -> y mask ratio=0.2 seed=7\n"
    "Gemm y w -> z\n"
    "output z\n"
    "output mask\n"
    "data 25\n"
    "abcdefghijklmnopqrstuvwxy";

START_TEST(lines_become_values_and_nodes) {
  ck_assert_msg(read_text(good), "%s", network.error);
  ck_assert_int_eq(network.values, 6);
  ck_assert_int_eq(network.nodes, 2);
  const network_value_t *w = &network.value[network_find(&network, "w")];
  ck_assert_int_eq(w->rank, 2);
  ck_assert_int_eq(w->elements, 6);
  ck_assert_mem_eq(w->data, "abcdefghijklmnopqrstuvwx", 24);
  ck_assert_int_eq(*(char *)network.value[network_find(&network, "t")].data, 'y');
  const network_node_t *dropout = &network.node[0];
  ck_assert_str_eq(dropout->operator_name, "Dropout");
  ck_assert_int_eq(dropout->line, 5);
  ck_assert_int_eq(dropout->inputs, 3);
  ck_assert_int_eq(dropout->input[1], NETWORK_ABSENT);
  ck_assert_int_eq(dropout->outputs, 2);
  ck_assert_int_eq(dropout->attributes, 2);
  ck_assert_double_eq(dropout->attribute[0].number, 0.2);
  ck_assert(network.value[network_find(&network, "mask")].is_output);
  ck_assert(!network.value[network_find(&network, "y")].is_output);
}
END_TEST

START_TEST(what_is_saved_is_loaded) {
  char path[] = "/tmp/test_network_XXXXXX";
  static network_t again;
  const int descriptor = mkstemp(path);
  ck_assert_int_ge(descriptor, 0);
  close(descriptor);
  ck_assert_msg(read_text(good), "%s", network.error);
  ck_assert_msg(network_save(&network, path), "%s", network.error);
  ck_assert_msg(network_load(&again, path), "%s", again.error);
  ck_assert_int_eq(again.values, network.values);
  ck_assert_int_eq(again.nodes, network.nodes);
  for (int k = 0; k < network.values; ++k) {
    const network_value_t *a = &network.value[k], *b = &again.value[k];
    ck_assert_str_eq(a->name, b->name);
    ck_assert_mem_eq(a->shape, b->shape, sizeof a->shape);
    ck_assert_int_eq(a->is_output, b->is_output);
    if (a->kind == NETWORK_PARAMETER)
      ck_assert_mem_eq(a->data, b->data, network_bytes(a));
  }
  ck_assert_double_eq(again.node[0].attribute[0].number, 0.2);
  ck_assert_double_eq(again.node[0].attribute[1].number, 7.0);
  network_free(&again);
  remove(path);
}
END_TEST

START_TEST(a_network_can_be_made_line_by_line) {
  ck_assert(network_add(&network, "input x f32 %d", 4));
  ck_assert(network_add(&network, "parameter w f32 4 1"));
  ck_assert(network_add(&network, "Gemm x w -> y"));
  ck_assert(network_add(&network, "output y"));
  ck_assert_mem_eq(network.value[1].data, ((float[4]){0.0f}), 16);
  ck_assert(!network_add(&network, "Gemm x w -> y"));
  ck_assert_str_eq(network.error, "'y' is defined already");
}
END_TEST

/* ---- What is wrong ----------------------------------------------------------------- */

/* Lines behind "cudrop-network 1\ninput x f32 3\n", the third and on. */
static const struct {
  const char *lines, *error;
} wrong_lines[] = {
    {"Dropout x -> y\noutput y\n", "net:5: the file is cut short"},
    {"Dropout x -> y\noutput y", "net:4: the file is cut short"},
    {"Dropout x -> y\ndata 0\n", "net:4: no line above says what the output is"},
    {"\n", "net:3: an empty line"},
    {" output y\n", "net:3: a blank that parts no words"},
    {"output  y\n", "net:3: a blank that parts no words"},
    {"output y \n", "net:3: a blank that parts no words"},
    {"output\ty\n", "net:3: byte 7 is no printable character"},
    {"output \xc3\xa9\n", "net:3: byte 8 is no printable character"},
    {"output y\n", "net:3: 'y' is not computed above"},
    {"output x\n", "net:3: 'x' is not computed above"},
    {"output\n", "net:3: an output is one name"},
    {"input z f32 3\n", "net:3: a second input"},
    {"parameter w\n", "net:3: 'parameter' has a name and a type behind it"},
    {"parameter x f32 3\n", "net:3: 'x' is defined already"},
    {"parameter _ f32 3\n", "net:3: '_' is no name"},
    {"parameter a-b f32 3\n", "net:3: 'a-b' is no name"},
    {"parameter abcdefghijklmnopqrstuvwxyzabcdef f32 3\n",
     "net:3: 'abcdefghijklmnopqrstuvwxyzabcdef' is no name"},
    {"parameter w i64 3\n", "net:3: 'i64' is no type"},
    {"parameter w f32 0\n", "net:3: '0' is no size"},
    {"parameter w f32 -1\n", "net:3: '-1' is no size"},
    {"parameter w f32 +1\n", "net:3: '+1' is no size"},
    {"parameter w f32 2.5\n", "net:3: '2.5' is no size"},
    {"parameter w f32 1 1 1 1 1 1 1\n", "net:3: more than 6 sizes"},
    {"parameter w f32 1073741825\n", "net:3: 'w' has more than 1073741824 elements"},
    {"parameter w f32 65536 65536 65536 65536\n",
     "net:3: 'w' has more than 1073741824 elements"},
    {"parameter w f32 4294967296 4294967296\n",
     "net:3: 'w' has more than 1073741824 elements"},
    {"parameter w f32 99999999999999999999\n",
     "net:3: 'w' has more than 1073741824 elements"},
    {"parameter w f32 1073741824\n", "net:3: 'w' has more than 1073741824 bytes"},
    {"parameter w u8 1073741824\ndata 1073741824\n",
     "net:4: no line above says what the output is"},
    {"Dropout y -> z\n", "net:3: 'y' is not defined above"},
    {"Dropout y\n", "net:3: 'y' is not defined above"},
    {"Dropout x\n",
     "net:3: 'Dropout' is not 'input', 'parameter', 'output' or 'data', and there is no "
     "-> for an operator's outputs"},
    {"Dropout x ->\n", "net:3: an operator without outputs"},
    {"Dropout x -> x\n", "net:3: 'x' is defined already"},
    {"Dropout x -> y y\n", "net:3: 'y' is defined already"},
    {"Dropout x x x x -> y\n", "net:3: more than 3 inputs"},
    {"Dropout x -> a b c\n", "net:3: more than 2 outputs"},
    {"Dropout x -> y ratio=\n", "net:3: 'ratio=' is no attribute"},
    {"Dropout x -> y =1\n", "net:3: '=1' is no attribute"},
    {"Dropout x -> y ratio=1x\n", "net:3: 'ratio=1x' is no attribute"},
    {"Dropout x -> y ratio=nan\n", "net:3: 'ratio=nan' is no attribute"},
    {"Dropout x -> y ratio=1e999\n", "net:3: 'ratio=1e999' is no attribute"},
    {"Dropout x -> y ratio=1 z\n", "net:3: 'z' is no attribute"},
    {"Dropout x -> y a=1 b=1 c=1\n", "net:3: more than 2 attributes"},
    {"a b c d e f g h i j k l m\n", "net:3: more than 12 words"},
    {"Dropout x -> y\noutput y\ndata 1\n",
     "net:5: the parameters above have 0 bytes, and the data 1"},
    {"Dropout x -> y\noutput y\ndata -1\n",
     "net:5: this is no number of bytes up to 1073741824"},
    {"Dropout x -> y\noutput y\ndata 99999999999999999999\n",
     "net:5: this is no number of bytes up to 1073741824"},
    {"Dropout x -> y\noutput y\ndata 0\n!",
     "net:5: the file is longer than it says: 1 bytes of data follow"},
};

START_TEST(a_wrong_line_is_named) {
  char text[512];
  snprintf(text, sizeof text, "cudrop-network 1\ninput x f32 3\n%s",
           wrong_lines[_i].lines);
  expect_refused(text, wrong_lines[_i].error);
}
END_TEST

START_TEST(another_version_or_format_is_refused) {
  expect_refused("", "net:1: the file is cut short");
  expect_refused("cudrop-net", "net:1: the file is cut short");
  expect_refused("cudrop-network 2\n",
                 "net:1: not of version 1, which is this program's");
  expect_refused("cudrop-network 1 \n",
                 "net:1: not of version 1, which is this program's");
  expect_refused(
      "\x89PNG\r\n and some more bytes",
      "net:1: this is no network file: it does not begin with 'cudrop-network'");
  expect_refused(
      "hello\n",
      "net:1: this is no network file: it does not begin with 'cudrop-network'");
}
END_TEST

START_TEST(a_line_may_not_be_endless) {
  char text[1000];
  const int head = snprintf(text, sizeof text, "cudrop-network 1\n");
  memset(text + head, 'x', sizeof text - (size_t)head);
  ck_assert(!network_read(&network, "net", text, sizeof text));
  ck_assert_str_eq(network.error, "net:2: the line has more than 255 characters");
}
END_TEST

START_TEST(there_are_not_more_values_or_nodes_than_fit) {
  ck_assert(network_add(&network, "input x0 f32"));
  for (int k = 0; k < NETWORK_NODES; ++k)
    ck_assert(network_add(&network, "Relu x%d -> x%d", k, k + 1));
  ck_assert(!network_add(&network, "Relu x0 -> y"));
  ck_assert_str_eq(network.error, "more than 128 operators");
  while (network.values < NETWORK_VALUES)
    ck_assert(network_add(&network, "parameter p%d u8", network.values));
  ck_assert(!network_add(&network, "parameter y u8"));
  ck_assert_str_eq(network.error, "more than 256 values");
}
END_TEST

/* Cut at any byte, and with any byte too many, a file is refused. */
START_TEST(a_file_cut_anywhere_is_refused) {
  const size_t size = sizeof good - 1;
  for (size_t cut = 0; cut < size; ++cut) {
    char *bytes = malloc(cut + 1); /* of its own, so that a byte too far is noticed */
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, good, cut);
    ck_assert_msg(!network_read(&network, "net", bytes, cut), "cut at %zu", cut);
    ck_assert_msg(strncmp(network.error, "net:", 4) == 0, "%s", network.error);
    network_free(&network);
    free(bytes);
  }
  ck_assert(!network_read(&network, "net", good, sizeof good));
  ck_assert_str_eq(network.error,
                   "net:9: the file is longer than it says: 26 bytes of data follow");
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_or_read_is_named) {
  ck_assert(!network_load(&network, "/no/such/file"));
  ck_assert_str_eq(network.error,
                   "cannot open '/no/such/file': No such file or directory");
  ck_assert(!network_load(&network, "/tmp"));
  ck_assert_str_eq(network.error, "cannot read '/tmp': Is a directory");
  ck_assert(!network_save(&network, "/no/such/folder/network"));
  ck_assert_str_eq(network.error,
                   "cannot write '/no/such/folder/network': No such file or directory");
}
END_TEST

static TCase *network_case(void) {
  TCase *tests = suite_case("network", 60);
  tcase_add_checked_fixture(tests, free_network, free_network);
  tcase_add_test(tests, lines_become_values_and_nodes);
  tcase_add_test(tests, what_is_saved_is_loaded);
  tcase_add_test(tests, a_network_can_be_made_line_by_line);
  tcase_add_loop_test(tests, a_wrong_line_is_named, 0,
                      sizeof wrong_lines / sizeof wrong_lines[0]);
  tcase_add_test(tests, another_version_or_format_is_refused);
  tcase_add_test(tests, a_line_may_not_be_endless);
  tcase_add_test(tests, there_are_not_more_values_or_nodes_than_fit);
  tcase_add_test(tests, a_file_cut_anywhere_is_refused);
  tcase_add_test(tests, a_file_that_cannot_be_opened_or_read_is_named);
  return tests;
}

SUITE_MAIN("network", network_case())
