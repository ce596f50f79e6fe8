/*
 * test_engine.c - the inference engine: what Monte-Carlo samples are, what they do not depend
 * on, and what inference leaves alone; on the suite's backend.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "engine_fixture.h"

enum { CLASSES = 5, SAMPLES = 100, MOST = 1 << 17 };

static const char *const two_dropouts[] = {"input x f32 13",
                                           "parameter w0 f32 13 24",
                                           "parameter b0 f32 24",
                                           "parameter w1 f32 24 24",
                                           "parameter b1 f32 24",
                                           "parameter w2 f32 24 5",
                                           "Gemm x w0 b0 -> h0",
                                           "Relu h0 -> a0",
                                           "Dropout a0 -> d0 ratio=0.4",
                                           "Gemm d0 w1 b1 -> h1",
                                           "Relu h1 -> a1",
                                           "Dropout a1 -> d1 ratio=0.25",
                                           "Gemm d1 w2 -> h2",
                                           "Softmax h2 -> p",
                                           "Mean p -> mean",
                                           "Variance p -> variance",
                                           "Entropy mean -> entropy",
                                           "Entropy p -> entropies",
                                           "MutualInformation p -> information",
                                           "output mean",
                                           NULL};

/* A value of the last run, as floats; how many there are. */
static size_t fetch(const char *name, float *to) {
  const engine_value_t *value = engine_find(&engine, name);
  ck_assert_ptr_nonnull(value);
  const size_t bytes = engine_bytes(&engine, value);
  ck_assert_uint_le(bytes, MOST * sizeof *to);
  ck_assert_engine(engine_read(&engine, name, to));
  return bytes / sizeof *to;
}

/* ---- Samples ---------------------------------------------------------------------- */

static float all[MOST], some[MOST];

/*
 * The same bits; but on a GPU, whose BLAS may choose by the alignment of a sample, it is the same
 * elements that are dropped, and near numbers.
 */
static void expect_same(const float *a, const float *b, size_t n) {
#if !defined(CUDROP_TEST_EMULATED)
  if (suite_backend() == CUDROP_CUDA) {
    for (size_t e = 0; e < n; ++e) {
      ck_assert_int_eq(a[e] == 0.0f, b[e] == 0.0f);
      ck_assert_float_eq_tol(a[e], b[e], 1e-5f);
    }
    return;
  }
#endif
  ck_assert_mem_eq(a, b, n * sizeof *a);
}

static const char *const sampled[] = {"d0", "h1", "d1", "h2", "p", "entropies"};
enum { SAMPLED = sizeof sampled / sizeof sampled[0] };

/* Sample t of 100, of 50, and the only one of a call, have the same bits. */
START_TEST(a_sample_is_the_same_whatever_their_number) {
  open_engine(two_dropouts);
  for (int v = 0; v < SAMPLED; ++v) {
    run(&(engine_setup_t){.rows = ROWS, .samples = SAMPLES, .seed = 3});
    const size_t each = fetch(sampled[v], all) / SAMPLES;
    run(&(engine_setup_t){.rows = ROWS, .samples = SAMPLES / 2, .seed = 3});
    ck_assert_uint_eq(fetch(sampled[v], some), each * SAMPLES / 2);
    expect_same(some, all, each * SAMPLES / 2);
    for (uint64_t t = 0; t < SAMPLES; t += 9) {
      run(&(engine_setup_t){.rows = ROWS, .samples = 1, .seed = 3, .first_sample = t});
      ck_assert_uint_eq(fetch(sampled[v], some), each);
      expect_same(some, all + t * each, each);
    }
  }
}
END_TEST

/* Row r of a set has the same masks in a batch of all rows and in one that begins with it. */
START_TEST(a_rows_masks_do_not_depend_on_its_batch) {
  enum { T = 6 };
  open_engine(one_dropout);
  run(&(engine_setup_t){.rows = ROWS, .samples = T, .seed = 3, .first_row = 1000});
  fetch("y", all);
  for (int r = 0; r < ROWS; ++r) {
    const uint64_t row = 1000 + (uint64_t)r;
    run(&(engine_setup_t){.rows = 1, .samples = T, .seed = 3, .first_row = row});
    fetch("y", some);
    for (int t = 0; t < T; ++t)
      for (int c = 0; c < IN; ++c)
        ck_assert_int_eq(some[t * IN + c] != 0.0f, all[(t * ROWS + r) * IN + c] != 0.0f);
  }
}
END_TEST

/* A run of one_dropout drops what dropout.c says. */
static void expect_masks(const engine_setup_t *setup) {
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(0.4);
  const uint64_t seed = cudrop_child_seed(setup->seed, 1);
  const uint64_t each = (uint64_t)setup->rows * IN;
  static uint8_t kept[MOST];
  run(setup);
  const size_t n = fetch("y", all);
  ck_assert_engine(engine_read(&engine, "kept", kept));
  for (uint64_t e = 0; e < n; ++e) {
    const uint64_t i =
        ((setup->first_sample + e / each) << 40) + setup->first_row * IN + e % each;
    ck_assert_int_eq(all[e] != 0.0f, cudrop_mask_keep(seed, 0, i, threshold));
    ck_assert_int_eq(all[e] != 0.0f, kept[e]);
  }
}

START_TEST(the_masks_are_those_that_the_header_says) {
  open_engine(one_dropout);
  expect_masks(&(engine_setup_t){
      .rows = ROWS, .samples = 5, .seed = 3, .first_sample = 300, .first_row = 77});
}
END_TEST

/* The same for another site, another seed, and another sample. */
START_TEST(samples_seeds_and_sites_drop_differently) {
  open_engine((const char *const[]){"input x f32 13", "Dropout x -> y ratio=0.5",
                                    "Dropout x -> z ratio=0.5", "output y", NULL});
  run(&(engine_setup_t){.rows = ROWS, .samples = 2, .seed = 3});
  const size_t each = fetch("y", all) / 2;
  fetch("z", some);
  ck_assert_mem_ne(all, all + each, each * sizeof *all);
  ck_assert_mem_ne(all, some, each * sizeof *all);
  run(&(engine_setup_t){.rows = ROWS, .samples = 2, .seed = 4});
  fetch("y", some);
  ck_assert_mem_ne(all, some, each * sizeof *all);
}
END_TEST

/* ---- What runs how often ------------------------------------------------------------- */

static int products;
static maths_table_t counting;

static cudrop_status_t count_product(maths_t *maths, const maths_product_t *product) {
  ++products;
  return maths_host.multiply(maths, product);
}

/* One product before the first dropout, and two for each sample after it. */
START_TEST(layers_before_the_first_dropout_run_once) {
  if (suite_backend() != CUDROP_HOST) return; /* elsewhere a graph runs them */
  open_engine(two_dropouts);
  counting = maths_host;
  counting.multiply = count_product;
  engine.maths.table = &counting;
  for (int samples = 0; samples <= 20; samples += 5) {
    products = 0;
    run(&(engine_setup_t){.rows = ROWS, .samples = samples, .seed = 3});
    ck_assert_int_eq(products, samples == 0 ? 3 : 1 + 2 * samples);
  }
  ck_assert_int_eq(engine_samples(&engine, engine_find(&engine, "a0")), 1);
  ck_assert_int_eq(engine_samples(&engine, engine_find(&engine, "d0")), 20);
  ck_assert_int_eq(engine_samples(&engine, engine_find(&engine, "mean")), 1);
}
END_TEST

START_TEST(a_run_repeats_itself_and_takes_new_rows) {
  float x[ROWS * IN] = {0.0f};
  open_engine(two_dropouts);
  run(&(engine_setup_t){.rows = ROWS, .samples = 10, .seed = 3});
  const size_t n = fetch("p", all);
  ck_assert_engine(engine_run(&engine));
  fetch("p", some);
  ck_assert_mem_eq(all, some, n * sizeof *all);
  ck_assert_engine(engine_write(&engine, x));
  ck_assert_engine(engine_run(&engine));
  fetch("p", some);
  ck_assert_mem_ne(all, some, n * sizeof *all);
}
END_TEST

/* ---- Captures --------------------------------------------------------------------- */

static int captures;
static cudrop_status_t (*record)(device_t *device);
static device_table_t recording;

static cudrop_status_t count_record(device_t *device) {
  ++captures;
  return record(device);
}

/* From now on captures are counted, on a backend that has any. */
static void count_captures(void) {
  captures = 0;
  recording = *engine.device.table;
  record = recording.record;
  if (record != NULL) recording.record = count_record;
  engine.device.table = &recording;
}

/* Plans one after the other; a row of one_dropout has 13 elements. */
static const struct {
  engine_setup_t setup;
  bool is_captured;
} plans[] = {
    {{ROWS, 5, .seed = 3}, true},
    {{ROWS, 5, .seed = 4}, false},
    {{ROWS, 5, .seed = 4, .first_sample = 300}, false},
    {{ROWS, 5, .seed = 3, .first_sample = 300, .first_row = 80}, false},
    {{ROWS, 5, .seed = 3, .first_sample = 300, .first_row = 77}, true}, /* 1001 % 8 = 1 */
    {{ROWS, 5, .seed = 3, .first_row = 85}, false},                     /* 1105 % 8 = 1 */
    {{ROWS, 5, .seed = 3}, true},
    {{ROWS, 4, .seed = 3}, true},
    {{ROWS - 1, 4, .seed = 3}, true},
};

START_TEST(one_capture_serves_other_rows_samples_and_seeds) {
  open_engine(one_dropout);
  count_captures();
  for (size_t k = 0; k < sizeof plans / sizeof plans[0]; ++k) {
    const int before = captures;
    expect_masks(&plans[k].setup);
    ck_assert_int_eq(captures - before, plans[k].is_captured && record != NULL);
  }
}
END_TEST

static void run_batch(uint64_t batch, float *d1) {
  run(&(engine_setup_t){.rows = ROWS, .samples = 10, .first_row = batch * ROWS});
  fetch("d1", d1);
}

/* 24 elements of a row at both dropouts: one capture is enough, and then each batch has its own. */
START_TEST(a_batch_has_the_bits_of_a_capture_of_its_own) {
  enum { BATCHES = 4, EACH = 10 * ROWS * HIDDEN };
  static float kept[BATCHES][EACH];
  open_engine(two_dropouts);
  count_captures();
  for (uint64_t b = 0; b < BATCHES; ++b) run_batch(b, kept[b]);
  ck_assert_int_eq(captures, record != NULL);
  ck_assert_mem_ne(kept[0], kept[1], sizeof kept[0]);
  for (uint64_t b = 0; b < BATCHES; ++b) {
    run(&(engine_setup_t){.rows = ROWS, .samples = 1});
    run_batch(b, all);
    expect_same(all, kept[b], EACH);
  }
  ck_assert_int_eq(captures, record != NULL ? 1 + 2 * BATCHES : 0);
}
END_TEST

/* ---- Statistics ------------------------------------------------------------------- */

static double entropy_of(const double *p) {
  double sum = 0.0;
  for (int c = 0; c < CLASSES; ++c)
    if (p[c] > 0.0) sum -= p[c] * log(p[c]);
  return sum;
}

/* Of one row: mean, variance, and what both entropies say. */
static void expect_statistics(int r, int samples) {
  float mean[ROWS * CLASSES], variance[ROWS * CLASSES], entropy[ROWS], information[ROWS];
  double expected[CLASSES] = {0.0}, of_samples = 0.0;
  fetch("mean", mean);
  fetch("variance", variance);
  fetch("entropy", entropy);
  fetch("information", information);
  for (int t = 0; t < samples; ++t) {
    double p[CLASSES];
    for (int c = 0; c < CLASSES; ++c) p[c] = (double)all[(t * ROWS + r) * CLASSES + c];
    for (int c = 0; c < CLASSES; ++c) expected[c] += p[c] / samples;
    of_samples += entropy_of(p) / samples;
  }
  for (int c = 0; c < CLASSES; ++c) {
    double squares = 0.0;
    for (int t = 0; t < samples; ++t)
      squares += pow((double)all[(t * ROWS + r) * CLASSES + c] - expected[c], 2.0);
    ck_assert_double_eq_tol((double)mean[r * CLASSES + c], expected[c], 1e-6);
    ck_assert_double_eq_tol((double)variance[r * CLASSES + c], squares / samples, 1e-6);
  }
  ck_assert_double_eq_tol((double)entropy[r], entropy_of(expected), 1e-6);
  ck_assert_double_eq_tol((double)information[r], entropy_of(expected) - of_samples,
                          1e-6);
  ck_assert(samples == 1 || information[r] > 1e-4f);
}

START_TEST(statistics_are_their_formulas) {
  open_engine(two_dropouts);
  for (int samples = 1; samples <= 30; samples += 29) {
    run(&(engine_setup_t){.rows = ROWS, .samples = samples, .seed = 3});
    ck_assert_uint_eq(fetch("p", all), (size_t)samples * ROWS * CLASSES);
    for (int r = 0; r < ROWS; ++r) expect_statistics(r, samples);
  }
}
END_TEST

/* ---- Inference and training ------------------------------------------------------- */

static const char *const types[] = {"f32", "f16", "bf16", "f64", "f8e4m3", "f8e5m2"};
enum { TYPES = sizeof types / sizeof types[0] };

/* Bytes of any kind: zeros of both signs, subnormals, NaNs with a payload. */
START_TEST(inference_copies_every_bit_of_every_type) {
  uint8_t bytes[ROWS * IN * 8], copied[sizeof bytes], kept[ROWS * IN];
  for (size_t k = 0; k < sizeof bytes; ++k) bytes[k] = (uint8_t)(k * k * 37 + k / 3);
  memcpy(bytes, (uint32_t[]){0x80000000U, 0x7fc12345U, 0xffc00001U, 1, 0}, 20);
  ck_assert(network_add(&network, "input x %s 13", types[_i]));
  ck_assert(network_add(&network, "Dropout x -> y kept"));
  ck_assert_engine(engine_open(&engine, &network, context));
  ck_assert_engine(engine_plan(&engine, &(engine_setup_t){.rows = ROWS}));
  ck_assert_engine(engine_write(&engine, bytes));
  ck_assert_engine(engine_run(&engine));
  ck_assert_engine(engine_read(&engine, "y", copied));
  ck_assert_engine(engine_read(&engine, "kept", kept));
  ck_assert_mem_eq(bytes, copied, engine_bytes(&engine, engine_find(&engine, "y")));
  for (int k = 0; k < ROWS * IN; ++k) ck_assert_int_eq(kept[k], 1);
}
END_TEST

START_TEST(inference_computes_the_layers) {
  double a[IN], b[HIDDEN];
  open_engine(two_dropouts);
  run(&(engine_setup_t){.rows = ROWS});
  fetch("h1", all);
  const float *w0 = network.value[1].data, *b0 = network.value[2].data;
  const float *w1 = network.value[3].data, *b1 = network.value[4].data;
  for (int k = 0; k < IN; ++k) a[k] = (double)(1.1f + sinf((float)k));
  for (int c = 0; c < HIDDEN; ++c) {
    b[c] = (double)b0[c];
    for (int k = 0; k < IN; ++k) b[c] += a[k] * (double)w0[k * HIDDEN + c];
    b[c] = b[c] > 0.0 ? b[c] : 0.0;
  }
  for (int c = 0; c < HIDDEN; ++c) {
    double sum = (double)b1[c];
    for (int k = 0; k < HIDDEN; ++k) sum += b[k] * (double)w1[k * HIDDEN + c];
    ck_assert_double_eq_tol((double)all[c], sum, 1e-5);
  }
}
END_TEST

/* A Dropout that trains drops anew at every draw, and never what a sample does. */
START_TEST(training_is_another_thing_than_sampling) {
  make_network((const char *const[]){"input x f32 13", "parameter t u8",
                                     "Dropout x _ t -> y ratio=0.5 seed=9", "output y",
                                     NULL});
  *(uint8_t *)network.value[1].data = 1;
  ck_assert_engine(engine_open(&engine, &network, context));
  run(&(engine_setup_t){.rows = ROWS});
  const size_t n = fetch("y", all);
  run(&(engine_setup_t){.rows = ROWS, .draw = 1});
  fetch("y", some);
  ck_assert_mem_ne(all, some, n * sizeof *all);
  run(&(engine_setup_t){.rows = ROWS, .samples = 1});
  fetch("y", some);
  ck_assert_mem_ne(all, some, n * sizeof *all);
}
END_TEST

static TCase *engine_case(void) {
  TCase *tests = suite_case("engine", 300);
  tcase_add_checked_fixture(tests, open_context, close_all);
  tcase_add_test(tests, a_sample_is_the_same_whatever_their_number);
  tcase_add_test(tests, a_rows_masks_do_not_depend_on_its_batch);
  tcase_add_test(tests, the_masks_are_those_that_the_header_says);
  tcase_add_test(tests, samples_seeds_and_sites_drop_differently);
  tcase_add_test(tests, layers_before_the_first_dropout_run_once);
  tcase_add_test(tests, a_run_repeats_itself_and_takes_new_rows);
  tcase_add_test(tests, one_capture_serves_other_rows_samples_and_seeds);
  tcase_add_test(tests, a_batch_has_the_bits_of_a_capture_of_its_own);
  tcase_add_test(tests, statistics_are_their_formulas);
  tcase_add_loop_test(tests, inference_copies_every_bit_of_every_type, 0, TYPES);
  tcase_add_test(tests, inference_computes_the_layers);
  tcase_add_test(tests, training_is_another_thing_than_sampling);
  return tests;
}

SUITE_MAIN("engine", engine_case())
