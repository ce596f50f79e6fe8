/* training.c - steps, scores and stops. */
#include "training.h"

#include "checkpoint.h"
#include "interrupt.h"
#include "report.h"

/* ---- A step ------------------------------------------------------------------------- */

/* What of the batch's rows is this rank's. */
static void draw_rows(training_t *training) {
  gpt_t *gpt = &training->gpt;
  const int length = gpt->config.length;
  const uint64_t seed = cudrop_child_seed(training->options.seed, GPT_STREAM_TEXT);
  for (int64_t r = 0; r < gpt->shape.rows; ++r)
    text_draw(&training->text, seed, training->at.step, gpt->shape.first_row + r, length,
              gpt->ids + r * length, gpt->targets + r * length);
}

/* The sum of the losses of the first `rows` rows here, over all ranks that have others. */
static double sum_losses(const gpt_t *gpt, int64_t rows) {
  double sum = 0.0;
  for (int64_t t = 0; t < rows * gpt->config.length; ++t) sum += (double)gpt->loss[t];
  return gpt->parallel.split == PARALLEL_DATA ? parallel_add(&gpt->parallel, sum) : sum;
}

/* Writes the mean loss of the step's rows, with dropout, to *loss. */
static cudrop_status_t take_step(training_t *training, double *loss) {
  const options_t *options = &training->options;
  gpt_t *gpt = &training->gpt;
  draw_rows(training);
  TRY(gpt_forward(gpt, training->at.step));
  *loss =
      sum_losses(gpt, gpt->shape.rows) / ((double)gpt->config.batch * gpt->config.length);
  TRY(gpt_backward(gpt));
  TRY(gpt_update(gpt, training->at.step, options->rate, options->decay));
  ++training->at.step;
  return CUDROP_OK;
}

/* ---- Scores ------------------------------------------------------------------------- */

/* Rows number first and on; the last of them fill the batch up, and do not count. */
static int64_t pick_rows(training_t *training, text_part_t part, int64_t first) {
  gpt_t *gpt = &training->gpt;
  const int length = gpt->config.length;
  const int64_t count = text_count(&training->text, length);
  int64_t counted = 0;
  for (int64_t r = 0; r < gpt->shape.rows; ++r) {
    const int64_t number = first + gpt->shape.first_row + r;
    if (number < count) ++counted;
    text_pick(&training->text, part, number < count ? number : 0, length,
              gpt->ids + r * length, gpt->targets + r * length);
  }
  return counted;
}

static cudrop_status_t score(training_t *training, text_part_t part, double *loss) {
  gpt_t *gpt = &training->gpt;
  const int64_t count = text_count(&training->text, gpt->config.length);
  *loss = 0.0;
  for (int64_t first = 0; first < count; first += gpt->config.batch) {
    const int64_t counted = pick_rows(training, part, first);
    TRY(gpt_infer(gpt));
    *loss += sum_losses(gpt, counted) / (double)(count * gpt->config.length);
  }
  return CUDROP_OK;
}

static void write_point(const training_t *training, const point_t *point) {
  const double *p = training->options.config.p;
  if (training->file == NULL) return;
  fprintf(training->file, "%llu,%g,%g,%g,%llu,%.6f,%.6f\n",
          (unsigned long long)training->options.seed, p[GPT_DROP_EMBEDDING],
          p[GPT_DROP_ATTENTION], p[GPT_DROP_SHORTCUT], (unsigned long long)point->step,
          point->loss[TEXT_TRAINS], point->loss[TEXT_VALIDATES]);
  fflush(training->file); /* for who watches */
}

/* Where the curve has a point, add it. */
static cudrop_status_t add_point(training_t *training) {
  const options_t *options = &training->options;
  position_t *at = &training->at;
  const bool is_last = at->step == (uint64_t)options->steps;
  if (at->step % (uint64_t)options->evaluate_every != 0 && !is_last) return CUDROP_OK;
  if (at->points == TRAINING_MOST_POINTS) return CUDROP_OK;
  point_t *point = &training->curve[at->points++];
  point->step = at->step;
  for (int part = 0; part < TEXT_PARTS; ++part)
    TRY(score(training, (text_part_t)part, &point->loss[part]));
  write_point(training, point);
  return CUDROP_OK;
}

/* ---- All steps ---------------------------------------------------------------------- */

/* What has come of a step, on all ranks. */
typedef struct {
  int stop;    /* why to stop short: an exit status, EXIT_OK for no reason */
  bool is_due; /* a checkpoint */
} wish_t;

/* A signal may have reached one rank alone, and clocks differ: the ranks agree. */
static wish_t find_wish(const training_t *training, int steps, double written) {
  const options_t *options = &training->options;
  const bool is_due = read_clock() - written >= options->save_every;
  const int wish = parallel_largest(
      &training->parallel,
      interrupt_signal() * 2 + (is_due && training->parallel.rank == 0 ? 1 : 0));
  wish_t found = {.stop = EXIT_OK, .is_due = wish % 2 == 1};
  if (training->at.step == (uint64_t)options->steps) {
    found.is_due = true;
  } else if (wish / 2 != 0) {
    found.stop = 128 + wish / 2;
  } else if (steps == options->stop_after) {
    found.stop = EXIT_STOPPED;
  }
  return found;
}

static void tell(const training_t *training, progress_t *progress, double loss) {
  const options_t *options = &training->options;
  const double tokens = (double)options->config.batch * options->config.length;
  const double seconds = read_clock() - progress->begin;
  const double done = (double)(progress->done + 1 - progress->first);
  if (training->parallel.rank == 0)
    progress_tell(progress, "step %llu of %d, loss %.3f, %.0f tokens/s",
                  (unsigned long long)training->at.step, options->steps, loss,
                  tokens * done / seconds);
  else
    ++progress->done;
}

static int take_steps(training_t *training, progress_t *progress) {
  double written = read_clock();
  int steps = 0;
  wish_t wish = {.stop = EXIT_OK};
  while (training->at.step < (uint64_t)training->options.steps && wish.stop == EXIT_OK) {
    double loss = 0.0;
    if (take_step(training, &loss) != CUDROP_OK || add_point(training) != CUDROP_OK)
      return complain(EXIT_FAILED, "%s", gpt_error(&training->gpt));
    tell(training, progress, loss);
    wish = find_wish(training, ++steps, written);
    if (!wish.is_due && wish.stop == EXIT_OK) continue;
    const int status = checkpoint_write(training);
    if (status != EXIT_OK) return status;
    written = read_clock();
  }
  return wish.stop;
}

int training_run(training_t *training) {
  progress_t progress =
      progress_begin(training->options.steps, (long long)training->at.step);
  for (uint64_t k = 0; k < training->at.points; ++k)
    write_point(training, &training->curve[k]);
  if (training->at.step == 0 && training->at.points == 0 &&
      add_point(training) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", gpt_error(&training->gpt));
  const int status = take_steps(training, &progress);
  progress_end();
  if (status >= EXIT_STOPPED && training->parallel.rank == 0)
    complain(status, "stopped after %lld of %lld steps; --resume goes on", progress.done,
             progress.passes);
  return status;
}
