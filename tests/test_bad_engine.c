/* test_bad_engine.c - networks and plans that the inference engine refuses, and in which words. */
#include "engine_fixture.h"

static const struct {
  const char *line, *error; /* behind "input x f32 13" and "parameter w f32 13 24" */
} wrong[] = {
    {"Convolve x -> y",
     "net:4: Convolve: this is no operator; there are Dropout, Entropy, Gemm, Mean, "
     "Relu, "
     "MutualInformation, Softmax, Variance"},
    {"Relu x w -> y",
     "net:4: Relu: 2 inputs and 1 outputs; it takes 1 to 1, and has 1 at "
     "most"},
    {"Relu _ -> y",
     "net:4: Relu: 1 inputs and 1 outputs; it takes 1 to 1, and has 1 at "
     "most"},
    {"Relu x -> y z",
     "net:4: Relu: 1 inputs and 2 outputs; it takes 1 to 1, and has 1 at "
     "most"},
    {"Relu w -> y", "net:4: Relu: 'w' is not by rows"},
    {"Relu x -> y slope=1", "net:4: Relu: it has no attribute 'slope'"},
    {"Gemm x x -> y", "net:4: Gemm: its second input is no f32 parameter of two sizes"},
    {"Gemm x _ -> y", "net:4: Gemm: its second input is no f32 parameter of two sizes"},
    {"Gemm x w w -> y", "net:4: Gemm: 'w' is no f32 parameter of the size of the output"},
    {"Dropout x -> y ratio=1", "net:4: Dropout: ratio = 1 is outside [0, 1)"},
    {"Dropout x -> y ratio=-0.1", "net:4: Dropout: ratio = -0.1 is outside [0, 1)"},
    {"Dropout x -> y seed=1.5",
     "net:4: Dropout: the seed is no whole number from 0 to 2^53"},
    {"Dropout x w -> y",
     "net:4: Dropout: the ratio is no f32 or f64 parameter that is a number"},
    {"Dropout x x -> y",
     "net:4: Dropout: the ratio is no f32 or f64 parameter that is a number"},
    {"Dropout x _ w -> y",
     "net:4: Dropout: training_mode is no u8 parameter that is a number"},
    {"Dropout x -> d m\nRelu m -> y", "net:5: Relu: 'm' is of the type u8"},
    {"Dropout x -> d m\nMean m -> y", "net:5: Mean: 'm' is of the type u8"},
    {"Entropy x -> e\nEntropy e -> y", "net:5: Entropy: 'e' is not by rows of a size"},
    {"Entropy x -> e\nGemm e w -> y", "net:5: Gemm: 'e' is not by rows of a size"},
};

START_TEST(a_network_that_does_not_fit_together_is_refused) {
  static char text[4096];
  const int head =
      snprintf(text, sizeof text,
               "cudrop-network 1\ninput x f32 13\nparameter w f32 13 24\n%s\n"
               "output y\ndata %d\n",
               wrong[_i].line, IN * HIDDEN * 4);
  ck_assert_msg(network_read(&network, "net", text, (size_t)head + IN * HIDDEN * 4), "%s",
                network.error);
  ck_assert_int_ne(engine_open(&engine, &network, context), CUDROP_OK);
  ck_assert_str_eq(engine_error(&engine), wrong[_i].error);
}
END_TEST

START_TEST(a_weight_of_another_size_is_refused) {
  make_network((const char *const[]){"input x f32 12", "parameter w f32 13 24",
                                     "Gemm x w -> y", "output y", NULL});
  ck_assert_int_eq(engine_open(&engine, &network, context), CUDROP_ERROR_SHAPE);
  ck_assert_str_eq(engine_error(&engine),
                   "Gemm -> y: 'w' has another size than the rows");
}
END_TEST

static void expect_no_plan(const engine_setup_t *setup, cudrop_status_t status,
                           const char *error) {
  ck_assert_int_eq(engine_plan(&engine, setup), status);
  ck_assert_str_eq(engine_error(&engine), error);
  ck_assert_int_eq(engine_run(&engine), CUDROP_ERROR_INVALID_ARGUMENT);
  ck_assert_str_eq(engine_error(&engine), "engine_run: there is no plan");
}

START_TEST(a_plan_that_cannot_be_is_refused) {
  float y[ROWS * IN];
  open_engine(one_dropout);
  expect_no_plan(&(engine_setup_t){.rows = 0}, CUDROP_ERROR_INVALID_ARGUMENT,
                 "engine_plan: rows = 0, samples = 0: at least 1 and 0");
  expect_no_plan(&(engine_setup_t){.rows = 1, .samples = -1},
                 CUDROP_ERROR_INVALID_ARGUMENT,
                 "engine_plan: rows = 1, samples = -1: at least 1 and 0");
  expect_no_plan(&(engine_setup_t){.rows = INT64_MAX}, CUDROP_ERROR_OVERFLOW,
                 "'x' has more bytes than can be counted");
  expect_no_plan(&(engine_setup_t){.rows = 1 << 30, .samples = INT64_MAX},
                 CUDROP_ERROR_OVERFLOW, "'y' has more bytes than can be counted");
  expect_no_plan(
      &(engine_setup_t){.rows = 1, .samples = 2, .first_sample = (1 << 19) - 1},
      CUDROP_ERROR_OVERFLOW,
      "Dropout -> y: masks are for 524288 samples of 84577817521 rows at most");
  expect_no_plan(
      &(engine_setup_t){.rows = 2, .samples = 1, .first_row = 84577817520},
      CUDROP_ERROR_OVERFLOW,
      "Dropout -> y: masks are for 524288 samples of 84577817521 rows at most");
  run(&(engine_setup_t){.rows = ROWS}); /* nothing of these is left */
  ck_assert_int_eq(engine_read(&engine, "z", y), CUDROP_ERROR_INVALID_ARGUMENT);
  ck_assert_str_eq(engine_error(&engine), "engine_read: 'z' is not computed");
  ck_assert_engine(engine_read(&engine, "y", y));
}
END_TEST

static TCase *refusals_case(void) {
  TCase *tests = suite_case("refusals", 300);
  tcase_add_checked_fixture(tests, open_context, close_all);
  tcase_add_loop_test(tests, a_network_that_does_not_fit_together_is_refused, 0,
                      sizeof wrong / sizeof wrong[0]);
  tcase_add_test(tests, a_weight_of_another_size_is_refused);
  tcase_add_test(tests, a_plan_that_cannot_be_is_refused);
  return tests;
}

SUITE_MAIN("bad_engine", refusals_case())
