/* bench.c - cudrop bench: measure this machine, after checking it. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "command_line.h"
#include "failure.h"
#include "measure.h"
#include "number.h"
#include "report.h"

static const char usage[] =
    "usage: cudrop bench [OPTIONS]\n"
    "\n"
    "  --backend B       host, cuda, or auto: a GPU where there is one (auto)\n"
    "  --device K        the device, from 0 (0)\n"
    "  --threads T       of the host backend, 1 to 1024 (1)\n"
    "  --operators LIST  the operators below, or elementwise, or rows (all)\n"
    "  --dtypes LIST     F32, F16, BF16, F64, F8E4M3, F8E5M2 (F32,BF16)\n"
    "  --layouts LIST    the layouts below (dense)\n"
    "  --n LIST          elements: numbers, or powers of 2 as in 2^20 (by backend)\n"
    "  --cols C          elements of a row, of operators on rows, 1 to 1048576 (1024)\n"
    "  --p P             the probability to drop, 0 to 1 (0.1)\n"
    "  --repeats R       samples of each figure, 3 to 1000 (by backend)\n"
    "  --budget S        begin no case after S seconds (no limit)\n"
    "  --quick           sizes and repeats that take a few seconds\n"
    "  --json FILE       write everything that was measured there, too\n"
    "  --help\n"
    "\n"
    "A LIST is words with commas between them, or all. Each case is verified before it "
    "is\n"
    "timed. Exit status 1 says that a result was wrong, or that a case failed.\n";

static const char on_rows[] =
    "\n"
    "Of operators on rows, dense and in F32, F16 or BF16, n = rows * cols. seen: "
    "elements\n"
    "that a causal attention looks at; places: positions in a sentence; vocabulary: "
    "rows\n"
    "of the table of tokens.\n";

typedef enum {
  BACKEND,
  DEVICE,
  THREADS,
  OPERATORS,
  DTYPES,
  LAYOUTS,
  SIZES,
  COLS,
  P,
  REPEATS,
  BUDGET,
  QUICK,
  JSON,
  HELP
} option_id_t;

static const struct option options[] = {
    {"backend", required_argument, NULL, BACKEND},
    {"device", required_argument, NULL, DEVICE},
    {"threads", required_argument, NULL, THREADS},
    {"operators", required_argument, NULL, OPERATORS},
    {"dtypes", required_argument, NULL, DTYPES},
    {"layouts", required_argument, NULL, LAYOUTS},
    {"n", required_argument, NULL, SIZES},
    {"cols", required_argument, NULL, COLS},
    {"p", required_argument, NULL, P},
    {"repeats", required_argument, NULL, REPEATS},
    {"budget", required_argument, NULL, BUDGET},
    {"quick", no_argument, NULL, QUICK},
    {"json", required_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* The most columns: whole rows of the largest case can still be inspected in seconds. */
enum { MOST_COLS = 1 << 20 };

typedef struct {
  bench_options_t bench;
  const char *json;
} request_t;

static void print_usage(void) {
  char text[BENCH_TEXT];
  fputs(usage, stdout);
  puts("\noperators, and the bytes that n elements are said to move:");
  for (int k = 0; k < BENCH_OPERATORS; ++k)
    printf("  %-18s  %s\n", bench_operators[k].name,
           bench_formula((bench_operator_id_t)k, text));
  fputs(on_rows, stdout);
  printf("\ncolumns:\n%s", bench_legend);
  puts("\nlayouts:");
  for (int k = 0; k < BENCH_LAYOUTS; ++k)
    printf("  %-10s  %s\n", bench_layouts[k].name, bench_layouts[k].meaning);
}

/* ---- Reading options --------------------------------------------------------------------- */

static int read_names(option_id_t id, bench_names_t names, uint32_t *set) {
  char word[BENCH_TEXT];
  if (bench_select(names, optarg, set, word)) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "bench: --%s has no '%s'; see cudrop bench --help",
                  options[id].name, word);
}

/* Read a number in [least, most]. */
static int read_integer(option_id_t id, uint64_t least, uint64_t most, int *value) {
  uint64_t number = 0;
  if (!read_u64(optarg, &number) || number < least || number > most)
    return complain(EXIT_BAD_ARGUMENTS, "bench: --%s = '%s' is not a number in %d..%d",
                    options[id].name, optarg, (int)least, (int)most);
  *value = (int)number;
  return EXIT_OK;
}

static int read_positive(option_id_t id, double most, double *value) {
  double number = 0.0;
  if (!read_double(optarg, &number) || !(number >= 0.0 && number <= most))
    return complain(EXIT_BAD_ARGUMENTS, "bench: --%s = '%s' is not a number in [0, %g]",
                    options[id].name, optarg, most);
  *value = number;
  return EXIT_OK;
}

/* Read a count of elements: a number, or a power of 2 such as 2^20. */
static bool read_size(const char *word, int64_t *n) {
  uint64_t number = 0;
  const bool is_power = strncmp(word, "2^", 2) == 0;
  if (!read_u64(is_power ? word + 2 : word, &number)) return false;
  if (is_power) number = number <= 40 ? (uint64_t)1 << number : 0;
  *n = (int64_t)number;
  return number >= 1 && number <= (uint64_t)1 << 40;
}

static int read_sizes(bench_options_t *bench) {
  char word[BENCH_TEXT];
  bench->sizes = 0;
  for (const char *at = optarg;; ++at) {
    const size_t length = strcspn(at, ",");
    snprintf(word, sizeof word, "%.*s", (int)length, at);
    if (bench->sizes == BENCH_SIZES)
      return complain(EXIT_BAD_ARGUMENTS, "bench: --n has more than %d sizes",
                      BENCH_SIZES);
    if (!read_size(word, &bench->n[bench->sizes++]))
      return complain(EXIT_BAD_ARGUMENTS,
                      "bench: --n has '%s', which is no number in 1..2^40", word);
    at += length;
    if (*at == '\0') return EXIT_OK;
  }
}

static int read_backend(cudrop_backend_t *backend) {
  static const char *const names[] = {
      [CUDROP_AUTO] = "auto", [CUDROP_HOST] = "host", [CUDROP_CUDA] = "cuda"};
  for (int k = CUDROP_AUTO; k <= CUDROP_CUDA; ++k) {
    if (strcmp(optarg, names[k]) != 0) continue;
    *backend = (cudrop_backend_t)k;
    return EXIT_OK;
  }
  return complain(EXIT_BAD_ARGUMENTS, "bench: --backend = '%s' is not host, cuda or auto",
                  optarg);
}

static int read_option(int number, void *into) {
  const option_id_t id = (option_id_t)number;
  request_t *request = into;
  bench_options_t *bench = &request->bench;
  switch (id) {
    case BACKEND:
      return read_backend(&bench->backend);
    case DEVICE:
      return read_integer(id, 0, 1023, &bench->device);
    case THREADS:
      return read_integer(id, 1, 1024, &bench->threads);
    case OPERATORS:
      return read_names(id, BENCH_OPERATOR_NAMES, &bench->operators);
    case DTYPES:
      return read_names(id, BENCH_DTYPE_NAMES, &bench->dtypes);
    case LAYOUTS:
      return read_names(id, BENCH_LAYOUT_NAMES, &bench->layouts);
    case SIZES:
      return read_sizes(bench);
    case COLS:
      return read_integer(id, 1, MOST_COLS, &bench->cols);
    case P:
      return read_positive(id, 1.0, &bench->p);
    case REPEATS:
      return read_integer(id, 3, BENCH_MOST_REPEATS, &bench->repeats);
    case BUDGET:
      return read_positive(id, 86400.0, &bench->budget);
    case QUICK:
      bench->is_quick = true;
      return EXIT_OK;
    default:
      request->json = optarg;
      return EXIT_OK;
  }
}

/* ---- The command ------------------------------------------------------------------------- */

static int run(const request_t *request) {
  bench_options_t bench = request->bench;
  bench_outcome_t outcome;
  if (request->json != NULL && (bench.json = fopen(request->json, "wb")) == NULL)
    return complain(EXIT_FAILED, "bench: cannot write '%s': %s", request->json,
                    strerror(errno));
  int result = EXIT_OK;
  if (!bench_run(&bench, stdout, &outcome))
    result = complain(EXIT_FAILED, "bench: %s", bench_failure());
  else if (outcome.wrong + outcome.failed > 0)
    result = complain(EXIT_FAILED, "bench: %d results are wrong, %d cases failed",
                      outcome.wrong, outcome.failed);
  const bool failed = bench.json != NULL && ferror(bench.json) != 0;
  if (bench.json != NULL && (fclose(bench.json) != 0 || failed))
    result = complain(EXIT_FAILED, "bench: cannot write '%s': %s", request->json,
                      strerror(errno));
  return result;
}

int command_bench(int argc, char **argv) {
  static const command_line_t line = {"bench", "cudrop bench [OPTIONS]", options,
                                      read_option};
  request_t request = {.bench = {.p = 0.1}};
  command_words_t words;
  const int status = read_command_line(&line, argc, argv, &request, &words);
  if (status != EXIT_OK) return status;
  if (words.wants_help) {
    print_usage();
    return EXIT_OK;
  }
  if (bench_count_cases(&request.bench) == 0)
    return complain(EXIT_BAD_ARGUMENTS,
                    "bench: none of the operators takes these types in these layouts");
  return run(&request);
}
