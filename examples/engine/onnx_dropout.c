/*
 * onnx_dropout.c - ONNX's node tests of Dropout, each a folder with a model, inputs and outputs:
 * the engine's outputs are the expected ones, bit for bit, but for the sign of a zero.
 *
 * ONNX multiplies by the mask, where a dropped negative number becomes -0; cudrop selects, and
 * it becomes +0. How many zeros these are is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "engine.h"
#include "onnx.h"
#include "report.h"

enum { PATH_BYTES = 4096, FILE_BYTES = 1 << 20 };

static const char usage[] = "onnx_dropout [OPTIONS] FOLDER...";
static const char help[] =
    "usage: %s\n"
    "\n"
    "Runs node tests of ONNX's Dropout.\n"
    "\n"
    "  --masks M    numpy: what drops in training draws as ONNX's reference does; "
    "cudrop:\n"
    "               it draws cudrop's masks, a test that trains differs, as expected, "
    "and\n"
    "               the status is 1 (numpy)\n"
    "  --backend B  host, cuda, or auto: the GPU if there is one (host)\n"
    "  --help\n";

/* ---- A folder's files -------------------------------------------------------------- */

typedef struct {
  size_t size;
  uint8_t *bytes; /* of its own, so that a byte too far is noticed */
} file_t;

/* Give it to free() in any case; no bytes if there is no such file. */
static file_t read_file(const char *folder, const char *name) {
  char path[PATH_BYTES];
  file_t read = {.size = 0};
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) return read;
  uint8_t *bytes = malloc(FILE_BYTES);
  if (bytes != NULL) read.size = fread(bytes, 1, FILE_BYTES, file);
  fclose(file);
  if (bytes != NULL) read.bytes = realloc(bytes, read.size + 1);
  return read;
}

/* Number k of the inputs or the outputs of a test. */
static file_t read_tensor(const char *folder, const char *kind, int k,
                          onnx_tensor_t *tensor, const char **error) {
  char name[64];
  snprintf(name, sizeof name, "test_data_set_0/%s_%d.pb", kind, k);
  const file_t file = read_file(folder, name);
  *error = "a tensor's file is absent";
  if (file.bytes != NULL) onnx_read_tensor(tensor, file.bytes, file.size, error);
  return file;
}

/* ---- A test ------------------------------------------------------------------------ */

typedef struct {
  const char *folder;
  cudrop_context_t *context;
  engine_masks_t masks;
  onnx_model_t model;
  network_t network;
  engine_t engine;
  int64_t rows;
  int negative_zeros;
  bool trains;      /* the masks decide what comes out */
  bool is_expected; /* that it is another, because cudrop's masks are */
  char error[600];
} test_t;

static bool fail(test_t *test, const char *words) {
  snprintf(test->error, sizeof test->error, "%s", words);
  return false;
}

/* Are these bits, and those that are expected, one number? */
static bool are_equal(test_t *test, const engine_value_t *value, const uint8_t *got,
                      const uint8_t *expected) {
  const size_t bytes = cudrop_dtype_bytes(value->dtype);
  static const uint8_t negative_zero[] = {0, 0, 0, 0x80}, zero[4] = {0};
  if (memcmp(got, expected, bytes) == 0) return true;
  if (value->dtype != CUDROP_F32 || memcmp(expected, negative_zero, bytes) != 0 ||
      memcmp(got, zero, bytes) != 0)
    return false;
  ++test->negative_zeros;
  return true;
}

static bool compare_tensor(test_t *test, const char *name,
                           const onnx_tensor_t *expected) {
  const engine_value_t *value = engine_find(&test->engine, name);
  const size_t bytes = cudrop_dtype_bytes(value->dtype);
  bool has_shape = expected->dtype == value->dtype && expected->rank == value->rank + 1 &&
                   expected->shape[0] == test->rows;
  for (int d = 0; has_shape && d < value->rank; ++d)
    has_shape = expected->shape[d + 1] == value->shape[d];
  if (!has_shape) return fail(test, "an output has another type or shape");
  uint8_t *got = malloc(engine_bytes(&test->engine, value));
  if (got == NULL) return fail(test, "no memory for an output");
  bool is_right = engine_read(&test->engine, name, got) == CUDROP_OK;
  if (!is_right) fail(test, engine_error(&test->engine));
  for (int64_t e = 0; is_right && e < expected->elements; ++e) {
    const size_t at = (size_t)e * bytes;
    is_right = are_equal(test, value, got + at, expected->data + at);
    if (is_right) continue;
    test->is_expected = test->trains && test->masks == ENGINE_CUDROP;
    snprintf(test->error, sizeof test->error, "element %lld of output '%s' is another",
             (long long)e, name);
  }
  free(got);
  return is_right;
}

static bool compare_outputs(test_t *test) {
  for (int k = 0; k < test->model.outputs; ++k) {
    onnx_tensor_t expected;
    const char *error = NULL;
    const file_t file = read_tensor(test->folder, "output", k, &expected, &error);
    const bool is_equal = error == NULL
                              ? compare_tensor(test, test->model.output[k], &expected)
                              : fail(test, error);
    free(file.bytes);
    if (!is_equal) return false;
  }
  return true;
}

/* The rows of the input in the engine, and its outputs beside those of the files. */
static bool run_engine(test_t *test, const onnx_tensor_t *data) {
  const engine_setup_t setup = {.rows = test->rows, .masks = test->masks};
  engine_t *engine = &test->engine;
  if (engine_open(engine, &test->network, test->context) != CUDROP_OK ||
      engine_plan(engine, &setup) != CUDROP_OK ||
      engine_write(engine, data->data) != CUDROP_OK || engine_run(engine) != CUDROP_OK)
    return fail(test, engine_error(engine));
  return compare_outputs(test);
}

/* Is the third input of the Dropout, which may be left out, true? */
static bool find_training(const onnx_model_t *model, const onnx_tensor_t *input) {
  const onnx_node_t *node = &model->node[0];
  for (int k = 0; node->inputs > 2 && k < model->inputs; ++k)
    if (strcmp(model->input[k], node->input[2]) == 0)
      return input[k].elements == 1 && input[k].data[0] != 0;
  return false;
}

static bool run_model(test_t *test) {
  onnx_tensor_t input[ONNX_PUTS];
  file_t file[ONNX_PUTS] = {{.size = 0}};
  const char *error = NULL;
  bool is_right = true;
  for (int k = 0; k < test->model.inputs && error == NULL; ++k)
    file[k] = read_tensor(test->folder, "input", k, &input[k], &error);
  if (error != NULL) is_right = fail(test, error);
  if (is_right && !onnx_make_network(&test->model, input, &test->network))
    is_right = fail(test, test->network.error);
  if (is_right) test->trains = find_training(&test->model, input);
  for (int k = 0; is_right && k < test->model.inputs; ++k)
    if (strcmp(test->model.input[k], test->model.node[0].input[0]) == 0) {
      test->rows = input[k].shape[0];
      is_right = run_engine(test, &input[k]);
      if (engine_close(&test->engine) != CUDROP_OK)
        is_right = fail(test, engine_error(&test->engine));
    }
  for (int k = 0; k < ONNX_PUTS; ++k) free(file[k].bytes);
  if (is_right && test->rows == 0) is_right = fail(test, "the model has no input");
  network_free(&test->network);
  return is_right;
}

static bool run_test(test_t *test) {
  const char *error = "there is no model.onnx";
  const file_t file = read_file(test->folder, "model.onnx");
  if (file.bytes != NULL) onnx_read_model(&test->model, file.bytes, file.size, &error);
  const bool is_right = error == NULL ? run_model(test) : fail(test, error);
  free(file.bytes);
  return is_right;
}

/* ---- The command line -------------------------------------------------------------- */

static int run_folders(cudrop_context_t *context, engine_masks_t masks, int count,
                       char **folder) {
  static test_t test;
  int passed = 0;
  for (int k = 0; k < count; ++k) {
    test = (test_t){.folder = folder[k], .context = context, .masks = masks};
    const bool is_right = run_test(&test);
    const char *name = strrchr(folder[k], '/');
    name = name == NULL ? folder[k] : name + 1;
    passed += is_right;
    if (!is_right) {
      printf("%-44s %s: %s\n", name, test.is_expected ? "differs, as expected" : "FAILED",
             test.error);
    } else if (test.negative_zeros == 0) {
      printf("%-44s passed, opset %lld\n", name, (long long)test.model.opset);
    } else {
      printf("%-44s passed, opset %lld, %d zeros are +0 and not -0\n", name,
             (long long)test.model.opset, test.negative_zeros);
    }
  }
  printf("%d of %d passed\n", passed, count);
  return passed == count && count > 0 ? EXIT_OK : EXIT_FAILED;
}

typedef struct {
  engine_masks_t masks;
  cudrop_backend_t backend;
  bool wants_help;
} options_t;

enum { MASKS, BACKEND, HELP };

static const struct option names[] = {{"masks", required_argument, NULL, MASKS},
                                      {"backend", required_argument, NULL, BACKEND},
                                      {"help", no_argument, NULL, HELP},
                                      {NULL, 0, NULL, 0}};

static int read_option(void *to, int id, const char *word) {
  options_t *options = to;
  if (id == HELP) options->wants_help = true;
  if (id == BACKEND) return argument_backend("backend", word, &options->backend);
  if (id != MASKS) return EXIT_OK;
  const bool is_numpy = strcmp(word, "numpy") == 0;
  options->masks = is_numpy ? ENGINE_NUMPY : ENGINE_CUDROP;
  if (is_numpy || strcmp(word, "cudrop") == 0) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "--masks = '%s' is neither numpy nor cudrop", word);
}

int main(int argc, char **argv) {
  static const arguments_t arguments = {usage, names, read_option};
  options_t options = {.masks = ENGINE_NUMPY, .backend = CUDROP_HOST};
  uint64_t given = 0;
  cudrop_context_t *context = NULL;
  report_name("onnx_dropout");
  int status = arguments_read(&arguments, argc, argv, &options, &given);
  if (status != EXIT_OK) return status;
  if (options.wants_help) {
    printf(help, usage);
    return EXIT_OK;
  }
  if (optind == argc)
    return complain(EXIT_BAD_ARGUMENTS, "no folder is named; usage: %s", usage);
  if (cudrop_create(&context, maths_backend(options.backend), 0) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", cudrop_last_error());
  status = run_folders(context, options.masks, argc - optind, argv + optind);
  cudrop_destroy(&context);
  return status;
}
