/*
 * main.c - dropout in a training loop: a GPT that learns to write the bytes of a text.
 *
 * Trains one network, on the host or on a GPU, alone or with the other ranks of mpirun, writes the
 * curve of its losses and prints the last ones. No mask is stored: see gpt.h. Equal options give
 * equal results on one GPU, and on one host whose BLAS uses the same number of threads, whether or
 * not the program is stopped on the way and goes on from its checkpoint. The masks are equal
 * everywhere, on any number of ranks.
 */
#include <stdlib.h>

#include "checkpoint.h"
#include "interrupt.h"
#include "measure.h"
#include "memory.h"
#include "output.h"
#include "report.h"
#include "training.h"

/* ---- The beginning ------------------------------------------------------------------ */

/* What the ranks sum lies in the host's memory, and its products are of floats. */
static int check_backend(const training_t *training) {
  if (training->backend == CUDROP_HOST && training->options.config.dtype != CUDROP_F32)
    return complain(EXIT_BAD_ARGUMENTS, "--type = bf16 needs a GPU");
  if (training->backend != CUDROP_HOST && training->parallel.ranks > 1)
    return complain(EXIT_BAD_ARGUMENTS, "several ranks need --backend host");
  return EXIT_OK;
}

static int check_config(const options_t *options, const parallel_t *parallel) {
  const char *fault = gpt_find_fault(&options->config, parallel);
  return fault == NULL ? EXIT_OK : complain(EXIT_BAD_ARGUMENTS, "%s", fault);
}

static int open_backend(training_t *training, cudrop_context_t **context) {
  if (cudrop_create(context, engine_backend(training->options.backend), 0) != CUDROP_OK ||
      cudrop_get_backend(*context, &training->backend) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", cudrop_last_error());
  /* Ranks share the processors already. */
  if (training->backend == CUDROP_HOST && training->parallel.ranks == 1 &&
      cudrop_set_threads(*context, 0) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", cudrop_last_error());
  return check_backend(training);
}

static int open_network(training_t *training, cudrop_context_t *context) {
  const options_t *options = &training->options;
  gpt_t *gpt = &training->gpt;
  if (gpt_open(gpt, context, &options->config, &training->parallel) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", gpt_error(gpt));
  if (options->resumes) return checkpoint_read(training);
  if (gpt_start(gpt, options->seed) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", gpt_error(gpt));
  return EXIT_OK;
}

static int open_training(training_t *training, cudrop_context_t **context) {
  const options_t *options = &training->options;
  int status = check_config(options, &training->parallel);
  if (status == EXIT_OK) status = open_backend(training, context);
  if (status == EXIT_OK)
    status =
        text_load(&training->text, options->text, options->bytes, options->config.length);
  if (status == EXIT_OK) status = open_network(training, *context);
  if (status != EXIT_OK || training->parallel.rank != 0) return status;
  if (options->is_fresh) output_remove(options->out, "checkpoint");
  training->file = output_open(options->out, "loss.csv");
  if (training->file == NULL) return EXIT_FAILED;
  fputs(
      "seed,drop_embedding,drop_attention,drop_shortcut,step,train_loss,"
      "validation_loss\n",
      training->file);
  return EXIT_OK;
}

/* ---- The end ------------------------------------------------------------------------ */

static int print_result(const training_t *training) {
  const options_t *options = &training->options;
  const gpt_config_t *config = &options->config;
  const point_t *last = &training->curve[training->at.points - 1], *lowest = last;
  for (uint64_t k = training->at.points; k-- > 0;)
    if (training->curve[k].loss[TEXT_VALIDATES] < lowest->loss[TEXT_VALIDATES])
      lowest = &training->curve[k];
  printf("%d blocks of %d heads, width %d: %zu parameters\n", config->layers,
         config->heads, config->width, gpt_parameter_total(config));
  printf("seed %llu, dropout %g %g %g, %llu steps of %d rows of %d bytes\n",
         (unsigned long long)options->seed, config->p[0], config->p[1], config->p[2],
         (unsigned long long)last->step, config->batch, config->length);
  printf("train loss %.4f, validation loss %.4f, at its lowest %.4f after %llu steps\n",
         last->loss[TEXT_TRAINS], last->loss[TEXT_VALIDATES],
         lowest->loss[TEXT_VALIDATES], (unsigned long long)lowest->step);
  return output_flush("the result");
}

/* Close and free what there is; `status` as it is, or else a failure here. */
static int clean_up(training_t *training, int status) {
  if (training->file != NULL) {
    const int closed = output_close(training->file, training->options.out, "loss.csv");
    if (status == EXIT_OK) status = closed;
  }
  text_free(&training->text);
  if (gpt_close(&training->gpt) != CUDROP_OK && status == EXIT_OK)
    status = complain(EXIT_FAILED, "%s", gpt_error(&training->gpt));
  return status;
}

static const char *name_rank(const parallel_t *parallel) {
  static char name[32];
  if (parallel->ranks == 1) return "gpt";
  snprintf(name, sizeof name, "gpt, rank %d", parallel->rank);
  return name;
}

/*
 * What is wrong at the beginning is wrong on all ranks, and the first one says it. Later a rank
 * that fails speaks for itself, and ends the others, which would wait for it.
 */
static int run_training(training_t *training) {
  cudrop_context_t *context = NULL;
  int status = open_training(training, &context);
  const int all = parallel_largest(&training->parallel, status);
  report_name(name_rank(&training->parallel));
  if (status == EXIT_OK && all == EXIT_OK) {
    interrupt_catch();
    status = training_run(training);
    if (status == EXIT_FAILED) parallel_abandon(&training->parallel, status);
  }
  if (status == EXIT_OK && all == EXIT_OK && training->parallel.rank == 0)
    status = print_result(training);
  status = clean_up(training, status);
  cudrop_destroy(&context);
  return status == EXIT_OK ? all : status;
}

static int train(const options_t *options, parallel_t parallel) {
  training_t *training = calloc(1, sizeof *training);
  if (training == NULL) return complain(EXIT_FAILED, "no memory for the training");
  parallel.split = options->split;
  training->options = *options;
  training->parallel = parallel;
  const int status = run_training(training);
  free(training);
  return status;
}

static int print_table(const options_t *options) {
  const parallel_t alone = parallel_alone();
  const int status = check_config(options, &alone);
  if (status != EXIT_OK) return status;
  return options->task == TASK_MEMORY ? memory_print(&options->config)
                                      : measure_print(options);
}

static int do_task(options_t *options, parallel_t parallel) {
  if (options->task == TASK_TRAIN) {
    const int status = checkpoint_read_options(options);
    options_choose_attention(options);
    return status == EXIT_OK ? train(options, parallel) : status;
  }
  if (options->task == TASK_MEASURE && parallel.ranks > 1)
    return complain(EXIT_BAD_ARGUMENTS, "--measure is for one rank");
  if (parallel.rank != 0) return EXIT_OK;
  if (options->task == TASK_HELP) {
    options_print_usage();
    return EXIT_OK;
  }
  options_choose_attention(options);
  return print_table(options);
}

int main(int argc, char **argv) {
  parallel_t parallel = parallel_open(&argc, &argv);
  options_t options;
  report_name(parallel.rank == 0 ? "gpt" : NULL);
  int status = options_read(&options, argc, argv);
  if (status == EXIT_OK) status = do_task(&options, parallel);
  parallel_close();
  return status;
}
