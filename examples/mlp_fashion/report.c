/* report.c - errors, progress, the curves and the table. */
#define _GNU_SOURCE /* clock_gettime, isatty, mkdir */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int complain(int status, const char *format, ...) {
  va_list arguments;
  fputs("mlp_fashion: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return status;
}

/* ---- Progress --------------------------------------------------------------------- */

enum { LINE = 72 }; /* characters of the progress line: it covers the one before it */

static double read_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

progress_t progress_begin(int runs, int epochs) {
  const double now = read_clock();
  return (progress_t){.is_terminal = isatty(STDERR_FILENO) == 1,
                      .begin = now,
                      .last = now,
                      .runs = runs,
                      .epochs = epochs};
}

void progress_tell(progress_t *progress, int run, int epoch, double test_loss) {
  const double now = read_clock();
  if (now - progress->last < (progress->is_terminal ? 0.1 : 5.0)) return;
  progress->last = now;
  const double done = (run - 1.0) * progress->epochs + epoch;
  const double all = (double)progress->runs * progress->epochs;
  const double left = (now - progress->begin) / done * (all - done);
  char line[128];
  snprintf(line, sizeof line, "run %d of %d, epoch %d of %d, test loss %.3f, %.0f s left",
           run, progress->runs, epoch, progress->epochs, test_loss, left);
  if (progress->is_terminal) {
    fprintf(stderr, "\r%-*s", LINE, line);
  } else {
    fprintf(stderr, "%s\n", line);
  }
}

void progress_end(const progress_t *progress) {
  if (progress->is_terminal) fprintf(stderr, "\r%*s\r", LINE, "");
}

/* ---- Curves ----------------------------------------------------------------------- */

static const char *const network_names[NETWORKS] = {"no dropout", "dropout"};

FILE *curves_open(const char *folder) {
  char path[4096];
  const int length = snprintf(path, sizeof path, "%s/loss.csv", folder);
  if (length < 0 || (size_t)length >= sizeof path) {
    complain(EXIT_BAD_ARGUMENTS, "--out: the name is too long");
    return NULL;
  }
  FILE *curves = NULL;
  if (mkdir(folder, 0777) == 0 || errno == EEXIST) curves = fopen(path, "w");
  if (curves == NULL) {
    complain(EXIT_FAILED, "cannot write '%s': %s", path, strerror(errno));
    return NULL;
  }
  fputs("run,network,seed,p_input,p_hidden,epoch,train_loss,test_loss\n", curves);
  return curves;
}

void curves_add(FILE *curves, int run, int network, uint64_t seed, const double *p,
                int epoch, const result_t *result) {
  fprintf(curves, "%d,%s,%llu,%g,%g,%d,%.6f,%.6f\n", run, network_names[network],
          (unsigned long long)seed, p[0], p[1], epoch, result->train.loss,
          result->test.loss);
}

int curves_close(FILE *curves, const char *folder) {
  const bool failed = ferror(curves) != 0;
  if (fclose(curves) == 0 && !failed) return EXIT_OK;
  return complain(EXIT_FAILED, "cannot write '%s/loss.csv': %s", folder, strerror(errno));
}

/* ---- Table ------------------------------------------------------------------------ */

static double get_train_loss(const result_t *result) {
  return result->train.loss;
}
static double get_test_loss(const result_t *result) {
  return result->test.loss;
}
static double get_lowest(const result_t *result) {
  return result->lowest;
}
static double get_accuracy(const result_t *result) {
  return result->test.accuracy;
}
static double get_calibration(const result_t *result) {
  return result->test.calibration;
}

static const struct {
  const char *name;
  double (*get)(const result_t *result);
} rows[] = {
    {"train loss", get_train_loss},         {"test loss", get_test_loss},
    {"lowest test loss", get_lowest},       {"accuracy", get_accuracy},
    {"calibration error", get_calibration},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* A row of the table. */
static void print_row(const char *name, const char *without, const char *with) {
  printf("%-34s  %-26s  %s\n", name, without, with);
}

/* The mean over the runs of a network, and their range. */
static void write_cell(char *cell, size_t bytes, const result_t *result, int runs,
                       double (*get)(const result_t *result)) {
  double sum = 0.0, least = get(result), most = get(result);
  for (int k = 0; k < runs; ++k) {
    const double value = get(&result[k]);
    sum += value;
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  snprintf(cell, bytes, "%.3f (%.3f .. %.3f)", sum / runs, least, most);
}

/* What the sites that drop anything keep from the forward to the backward pass. */
static void print_state(const options_t *options, const int width[MLP_LAYERS + 1]) {
  const cudrop_mask_t *mask = NULL; /* for the sizes of its members */
  size_t mask_bytes = 0;
  size_t cudrop_bytes = 0;
  for (int l = 0; l < MLP_LAYERS; ++l) {
    if ((l == 0 ? options->rate_input : options->rate_hidden) == 0.0) continue;
    mask_bytes += (size_t)options->batch * (size_t)width[l];
    cudrop_bytes += sizeof mask->seed + sizeof mask->offset;
  }
  char cell[32];
  snprintf(cell, sizeof cell, "%zu bytes", mask_bytes);
  print_row("dropout state, stored byte masks", "none", cell);
  snprintf(cell, sizeof cell, "%zu bytes", cudrop_bytes);
  print_row("dropout state, cudrop", "none", cell);
}

void table_print(const options_t *options, const char *backend,
                 const int width[MLP_LAYERS + 1], const result_t *result,
                 int test_images) {
  printf(
      "Fashion-MNIST, network %d-%d-%d-%d: %d training images, %d test images,\n"
      "epochs: %d, images a step: %d, seeds: %d, backend: %s\n\n"
      "  Losses, accuracy and calibration are computed without dropout, after the last\n"
      "  epoch where nothing else is said: mean over the seeds (least .. most).\n\n"
      "  train loss, test loss  mean negative log-likelihood of an image: \"test loss\"\n"
      "                         and \"negative log-likelihood\" name one number\n"
      "  lowest test loss       at the best epoch of the curve, which the test images "
      "chose\n"
      "  accuracy               of the test images\n"
      "  calibration error      expected, on the test images, %d bins\n"
      "  dropout state          kept from the forward to the backward pass of a step\n\n",
      width[0], width[1], width[2], width[3], options->images, test_images,
      options->epochs, options->batch, options->seeds, backend, SCORE_BINS);
  char head[64];
  snprintf(head, sizeof head, "dropout, p = %g and %g", options->rate_input,
           options->rate_hidden);
  print_row("", "no dropout", head);
  for (int r = 0; r < ROWS; ++r) {
    char cell[NETWORKS][64];
    for (int network = 0; network < NETWORKS; ++network)
      write_cell(cell[network], sizeof cell[network], result + network * options->seeds,
                 options->seeds, rows[r].get);
    print_row(rows[r].name, cell[WITHOUT_DROPOUT], cell[WITH_DROPOUT]);
  }
  print_state(options, width);
}
