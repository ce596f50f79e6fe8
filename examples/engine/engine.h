/*
 * engine.h - a small inference engine: a network of network.h, run by the operators of
 * operator.h, on the host or on a GPU.
 *
 *   network_t network = {0};
 *   engine_t engine;
 *   network_load(&network, "out/network");
 *   engine_open(&engine, &network, context);
 *   engine_plan(&engine, &(engine_setup_t){.rows = 100, .samples = 50, .seed = 1});
 *   engine_write(&engine, images);
 *   engine_run(&engine);
 *   engine_read(&engine, "mean", probabilities);
 *
 * Inference is the rule: samples is 0 and every Dropout copies its input bit for bit.
 *
 * Monte-Carlo dropout is a mode of its own, which has nothing to do with training: with samples
 * T > 0 the first Dropout on a way through the network makes T samples of its input, in one
 * call that draws all masks, and what follows computes T times; what comes before it is
 * computed once. Mean, Variance and MutualInformation are taken over the samples, so that what
 * follows them is computed once again. Sample number first_sample + t of row number first_row +
 * r has a mask that follows from these two numbers, the seed and the Dropout's place in the
 * network, whatever T and the number of rows; and the whole sample has the same bits for any T,
 * at least on the host, where each sample is a matrix product of its own.
 * Source: Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation", 2016.
 *
 * A value lies in the context's memory as [samples][rows][sizes of a row], the samples 1 where
 * there is none. Every value has memory of its own, so that all can be read after a run.
 *
 * With a GPU a plan captures the run in a CUDA graph on a stream of the engine's, and engine_run()
 * launches the graph. Another plan with as many rows and samples keeps the graph: each Dropout
 * reads seed, draw, first_sample and first_row from a prepared mask, which the plan writes. There
 * is one exception. A prepared mask moves indices by multiples of 8: a plan captures anew if
 * first_row * elements has another remainder modulo 8 at a Dropout. Batches of 8, 16, 24, ... rows
 * all have the remainder 0.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/cudrop.h"
#include "device.h"
#include "maths.h"
#include "network.h"

/* Who draws the masks of a Dropout whose training_mode is true; samples are always cudrop's. */
typedef enum {
  ENGINE_CUDROP,
  ENGINE_NUMPY /* on the host, by numpy.random.uniform() as ONNX's reference does */
} engine_masks_t;

typedef struct {
  int64_t rows;          /* of the input in a run, from 1 */
  int64_t samples;       /* T, or 0 for inference */
  uint64_t first_sample; /* the number of the first */
  uint64_t first_row;    /* the number of the first row in the set of rows */
  uint64_t seed;         /* of a Dropout that has none */
  uint64_t draw;         /* counts the runs of training: each drops other elements */
  engine_masks_t masks;
} engine_setup_t;

typedef struct {
  cudrop_dtype_t dtype;
  int rank;
  int64_t shape[NETWORK_RANK]; /* of a row, or of a parameter */
  int64_t elements;            /* the product of the shape */
  bool is_sampled;             /* there is a Dropout before it, and no Mean or the like */
  void *data;                  /* in the context's memory */
} engine_value_t;

typedef struct {
  const struct operator_table *table;
  int site;        /* how many Dropouts there are before it */
  void *state;     /* the operator's own */
  void *workspace; /* in the context's memory, of the size that the operator asked for */
} engine_node_t;

typedef struct engine {
  const network_t *network; /* the caller's, like the context */
  cudrop_context_t *context;
  maths_t maths;
  device_t device;
  engine_setup_t setup;
  bool is_planned;
  bool is_warm;     /* every operator has run once */
  bool is_recorded; /* the device has recorded the run of the plan */
  int sites;        /* Dropouts in the network */
  void *parameters; /* all of them, in the context's memory */
  void *arena;      /* all that is computed, and workspaces */
  engine_value_t value[NETWORK_VALUES];
  engine_node_t node[NETWORK_NODES];
  char error[512];
} engine_t;

/*
 * Set up the engine for a network, whose operators and shapes are checked here, on a context,
 * which from now on works on the engine's stream. Give it to engine_close() in any case, before
 * the network and the context go.
 *
 * This and every other call returns a status, and engine_error() says what failed last.
 */
cudrop_status_t engine_open(engine_t *engine, const network_t *network,
                            cudrop_context_t *context);
cudrop_status_t engine_close(engine_t *engine);
const char *engine_error(const engine_t *engine);

/*
 * Make ready for runs. Only this and engine_open() allocate; another plan with as many rows and
 * samples keeps the memory, and the graph as said above.
 */
cudrop_status_t engine_plan(engine_t *engine, const engine_setup_t *setup);

/* Copy rows to the network's input; run; copy a value of the last run by its name. */
cudrop_status_t engine_write(engine_t *engine, const void *rows);
cudrop_status_t engine_run(engine_t *engine);
cudrop_status_t engine_read(engine_t *engine, const char *name, void *to);

/* The value of a name, NULL if there is none; the samples it has in the plan, and its bytes. */
const engine_value_t *engine_find(const engine_t *engine, const char *name);
int64_t engine_samples(const engine_t *engine, const engine_value_t *value);
size_t engine_bytes(const engine_t *engine, const engine_value_t *value);

/* Remember the words of a failure at a node of the network, or at NULL; returns `status`. */
cudrop_status_t engine_fail(engine_t *engine, const network_node_t *node,
                            cudrop_status_t status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* For plan.c and operators: a public call begins, and what failed before is forgotten. */
void engine_begin(engine_t *engine);

/* Call every operator once, in the order of the network. */
cudrop_status_t engine_run_nodes(engine_t *engine);

/* Values begin at multiples of 256 bytes. */
static inline size_t engine_pad(size_t bytes) {
  return (bytes + 255) / 256 * 256;
}

#endif /* ENGINE_H */
