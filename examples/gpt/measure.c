/* measure.c - a process for each pair of ways, which sends what it has measured. */
#define _GNU_SOURCE /* fork, pipe, getrusage */
#include "measure.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cudrop/mask.h"
#include "gpt.h"
#include "output.h"
#include "report.h"

typedef struct {
  double laps[GPT_LAPS]; /* seconds, of the fastest step */
  size_t bytes[ARENA_PURPOSES];
  long resident; /* KiB at most */
  cudrop_backend_t backend;
} figures_t;

/* ---- In the process that measures -------------------------------------------------------- */

static void draw_tokens(gpt_t *gpt) {
  for (int64_t t = 0; t < gpt->shape.tokens; ++t) {
    const cudrop_philox_block_t counter = {{(uint32_t)t, 0, 0, 0}};
    const cudrop_philox_block_t block = cudrop_philox(counter, cudrop_philox_key(1));
    gpt->ids[t] = (int32_t)(block.word[0] % (uint32_t)gpt->config.vocabulary);
    gpt->targets[t] = (int32_t)(block.word[1] % (uint32_t)gpt->config.vocabulary);
  }
}

static cudrop_status_t take_step(gpt_t *gpt, const options_t *options, uint64_t step) {
  TRY(gpt_forward(gpt, step));
  TRY(gpt_backward(gpt));
  return gpt_update(gpt, step, options->rate, options->decay);
}

static double sum_laps(const double laps[GPT_LAPS]) {
  double sum = 0.0;
  for (int k = 0; k < GPT_LAPS; ++k) sum += laps[k];
  return sum;
}

/* Keeps the laps of the fastest step, which other programs have disturbed the least. */
static cudrop_status_t take_steps(gpt_t *gpt, const options_t *options,
                                  figures_t *figures) {
  double laps[GPT_LAPS] = {0.0};
  TRY(gpt_start(gpt, options->seed));
  draw_tokens(gpt);
  TRY(take_step(gpt, options, 0));
  gpt->laps = laps;
  for (int step = 1; step <= options->steps; ++step) {
    TRY(gpt_lap(gpt, GPT_LAP_REST)); /* what came before is not of the step */
    memset(laps, 0, sizeof laps);
    TRY(take_step(gpt, options, (uint64_t)step));
    if (step == 1 || sum_laps(laps) < sum_laps(figures->laps))
      memcpy(figures->laps, laps, sizeof laps);
  }
  gpt->laps = NULL;
  return CUDROP_OK;
}

static int measure_way(const options_t *options, cudrop_context_t *context,
                       figures_t *figures) {
  const parallel_t alone = parallel_alone();
  struct rusage usage;
  gpt_t gpt;
  cudrop_status_t status = gpt_open(&gpt, context, &options->config, &alone);
  if (status == CUDROP_OK) status = take_steps(&gpt, options, figures);
  if (status != CUDROP_OK) complain(EXIT_FAILED, "%s", gpt_error(&gpt));
  memcpy(figures->bytes, gpt.bytes, sizeof figures->bytes);
  getrusage(RUSAGE_SELF, &usage);
  figures->resident = usage.ru_maxrss;
  if (gpt_close(&gpt) != CUDROP_OK && status == CUDROP_OK) return EXIT_FAILED;
  return status == CUDROP_OK ? EXIT_OK : EXIT_FAILED;
}

static int run_child(const options_t *options, int to) {
  figures_t figures = {.resident = 0};
  cudrop_context_t *context = NULL;
  int status = EXIT_OK;
  if (cudrop_create(&context, engine_backend(options->backend), 0) != CUDROP_OK ||
      cudrop_get_backend(context, &figures.backend) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", cudrop_last_error());
  if (options->config.dtype != CUDROP_F32 && figures.backend == CUDROP_HOST)
    status = complain(EXIT_FAILED, "--type = bf16 needs a GPU");
  if (status == EXIT_OK) status = measure_way(options, context, &figures);
  cudrop_destroy(&context);
  if (status == EXIT_OK && write(to, &figures, sizeof figures) != sizeof figures)
    status = complain(EXIT_FAILED, "a pipe is closed");
  return status;
}

/* ---- In the program's own process --------------------------------------------------- */

static int measure_in_child(const options_t *options, figures_t *figures) {
  int ends[2], child_status = 0;
  if (pipe(ends) != 0) return complain(EXIT_FAILED, "there is no pipe to be had");
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    _exit(run_child(options, ends[1]));
  }
  close(ends[1]);
  const ssize_t gone = read(ends[0], figures, sizeof *figures);
  close(ends[0]);
  if (child < 0) return complain(EXIT_FAILED, "there is no process to be had");
  waitpid(child, &child_status, 0);
  if (WIFEXITED(child_status) && WEXITSTATUS(child_status) != EXIT_OK)
    return WEXITSTATUS(child_status); /* it has said why */
  if (gone == (ssize_t)sizeof *figures) return EXIT_OK;
  return complain(EXIT_FAILED, "the process that was to measure has died");
}

static void print_row(const gpt_config_t *config, const figures_t *figures) {
  const double step = sum_laps(figures->laps);
  size_t bytes = 0;
  for (int k = 0; k < ARENA_PURPOSES; ++k) bytes += figures->bytes[k];
  const double sites = figures->laps[GPT_LAP_SITES] + figures->laps[GPT_LAP_DROPOUT];
  printf("%-9s %-9s %8.1f %7.1f %% %7.1f %% %8.1f %% %6.1f %% %6.1f %% %9.1f %7.1f",
         gpt_attention_names[config->attention], gpt_way_names[config->way], 1e3 * step,
         100 * figures->laps[GPT_LAP_PRODUCTS] / step,
         100 * figures->laps[GPT_LAP_ATTENTION] / step, 100 * sites / step,
         100 * figures->laps[GPT_LAP_DROPOUT] / step,
         100 * figures->laps[GPT_LAP_REST] / step, (double)bytes / (1 << 20),
         (double)figures->bytes[ARENA_MASKS] / (1 << 20));
  if (figures->backend == CUDROP_HOST)
    printf(" %8.1f\n", (double)figures->resident / 1024);
  else
    printf(" %8s\n", "-");
}

static void print_head(const options_t *options) {
  const gpt_config_t *config = &options->config;
  printf(
      "%d blocks of %d heads, width %d, batch %d of %d tokens; the fastest of %d "
      "steps\n\n",
      config->layers, config->heads, config->width, config->batch, config->length,
      options->steps);
  printf("%-9s %-9s %8s %9s %9s %10s %8s %8s %9s %7s %8s\n", "", "", "step", "", "fused",
         "sites and", "of it", "", "dealt out", "of it", "resident");
  printf("%-9s %-9s %8s %9s %9s %10s %8s %8s %9s %7s %8s\n", "attention", "sites", "ms",
         "products", "attention", "neighbours", "dropout", "rest", "MiB", "masks", "MiB");
}

static int measure_pair(const options_t *options, gpt_attention_way_t attention,
                        gpt_way_t way) {
  options_t of_pair = *options;
  figures_t figures = {.resident = 0};
  of_pair.config.attention = attention;
  of_pair.config.way = way;
  fflush(stdout); /* the child has none of it to print again */
  const int status = measure_in_child(&of_pair, &figures);
  if (status == EXIT_OK) print_row(&of_pair.config, &figures);
  return status;
}

/* Fused attention, if there is one for the network, and every way to drop in separate attention. */
int measure_print(const options_t *options) {
  gpt_config_t fused = options->config;
  int status = EXIT_OK;
  fused.way = GPT_FUSED;
  print_head(options);
  if (gpt_choose_attention(&fused) == GPT_ATTENTION_FUSED)
    status = measure_pair(options, GPT_ATTENTION_FUSED, GPT_FUSED);
  for (int way = 0; way < GPT_WAYS && status == EXIT_OK; ++way)
    status = measure_pair(options, GPT_ATTENTION_SEPARATE, (gpt_way_t)way);
  return status == EXIT_OK ? output_flush("the table") : status;
}
