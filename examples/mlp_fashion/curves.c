/* curves.c - loss.csv as the runs go, reliability.csv at their end. */
#include "curves.h"

#include "output.h"
#include "report.h"

/* ---- Losses ----------------------------------------------------------------------- */

static const char *const network_names[NETWORKS] = {"no dropout", "dropout"};

FILE *curves_open(const options_t *options) {
  FILE *curves = output_open(options->out, "loss.csv");
  if (curves != NULL)
    fputs("run,network,seed,p_input,p_hidden,epoch,train_loss,test_loss\n", curves);
  return curves;
}

void curves_add(FILE *curves, int run, int network, uint64_t seed, const double *p,
                const point_t *point) {
  fprintf(curves, "%d,%s,%llu,%g,%g,%d,%.6f,%.6f\n", run, network_names[network],
          (unsigned long long)seed, p[0], p[1], (int)point->epoch, point->train_loss,
          point->test_loss);
}

int curves_close(FILE *curves, const options_t *options) {
  return output_close(curves, options->out, "loss.csv");
}

/* ---- Reliability ------------------------------------------------------------------ */

static const score_t *get_test(const result_t *result) {
  return &result->test;
}
static const score_t *get_sampled(const result_t *result) {
  return &result->sampled;
}

static const struct {
  const char *name;
  int network;
  const score_t *(*get)(const result_t *result);
} predictors[] = {
    {"no dropout", WITHOUT_DROPOUT, get_test},
    {"dropout", WITH_DROPOUT, get_test},
    {"dropout with samples", WITH_DROPOUT, get_sampled},
};
enum { PREDICTORS = sizeof predictors / sizeof predictors[0] };

int curves_write_reliability(const options_t *options, const result_t *result) {
  FILE *file = output_open(options->out, "reliability.csv");
  if (file == NULL) return EXIT_FAILED;
  fputs(score_columns, file);
  for (int k = 0; k < PREDICTORS; ++k) {
    const result_t *of_network = result + predictors[k].network * options->seeds;
    score_bin_t all[SCORE_BINS] = {{.images = 0}};
    for (int b = 0; b < SCORE_BINS; ++b) {
      for (int run = 0; run < options->seeds; ++run) {
        const score_bin_t *bin = &predictors[k].get(&of_network[run])->bin[b];
        all[b].images += bin->images;
        all[b].correct += bin->correct;
        all[b].confidence += bin->confidence;
      }
    }
    score_write_bins(file, predictors[k].name, all);
  }
  return output_close(file, options->out, "reliability.csv");
}
