/*
 * fuzz_network.c - a target for libFuzzer: an input is a network's file.
 *
 * What is read is written and read again, to the same network; what opens as an engine runs, by
 * inference and with samples, on some rows. What is refused says so with a line. What does not
 * hold aborts.
 */
#define _POSIX_C_SOURCE 200809L /* mkstemp */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 1 << 22 }; /* of a plan that is run: others take too long */

static void insist(bool holds, const char *what, const char *words) {
  if (holds) return;
  fprintf(stderr, "%s: %s\n", what, words);
  abort();
}

/* ---- Written and read again ---------------------------------------------------------- */

static bool are_equal_values(const network_value_t *a, const network_value_t *b) {
  if (a->kind != b->kind || a->is_output != b->is_output) return false;
  if (a->kind == NETWORK_COMPUTED) return true;
  if (a->dtype != b->dtype || a->rank != b->rank ||
      memcmp(a->shape, b->shape, sizeof a->shape) != 0)
    return false;
  return a->kind == NETWORK_INPUT || memcmp(a->data, b->data, network_bytes(a)) == 0;
}

static bool are_equal_nodes(const network_node_t *a, const network_node_t *b) {
  bool is_equal = strcmp(a->operator_name, b->operator_name) == 0 &&
                  a->inputs == b->inputs && a->outputs == b->outputs &&
                  a->attributes == b->attributes;
  for (int k = 0; is_equal && k < a->attributes; ++k)
    is_equal = strcmp(a->attribute[k].name, b->attribute[k].name) == 0 &&
               a->attribute[k].number == b->attribute[k].number;
  return is_equal;
}

/* A file that is written has parameters before operators: values change their places. */
static bool are_equal(const network_t *a, const network_t *b) {
  if (a->values != b->values || a->nodes != b->nodes) return false;
  for (int k = 0; k < a->values; ++k) {
    const int there = network_find(b, a->value[k].name);
    if (there == NETWORK_ABSENT || !are_equal_values(&a->value[k], &b->value[there]))
      return false;
  }
  for (int k = 0; k < a->nodes; ++k)
    if (!are_equal_nodes(&a->node[k], &b->node[k])) return false;
  return true;
}

static void save_and_load(network_t *network) {
  static char path[] = "/tmp/fuzz_network_XXXXXX";
  static network_t again;
  static int descriptor = -1;
  if (descriptor < 0) descriptor = mkstemp(path);
  insist(descriptor >= 0, "no file", path);
  insist(network_save(network, path), "what was read is not written", network->error);
  insist(network_load(&again, path), "what was written is not read", again.error);
  insist(are_equal(network, &again), "another network is read", path);
  network_free(&again);
}

/* ---- Run ----------------------------------------------------------------------------- */

static bool is_small(const engine_t *engine, const engine_setup_t *setup) {
  int64_t bytes = 0;
  for (int k = 0; k < engine->network->values; ++k)
    if (engine->network->value[k].kind != NETWORK_PARAMETER)
      bytes += engine->value[k].elements * 8 * setup->rows * (setup->samples + 1);
  return bytes <= MOST_BYTES;
}

static void run(engine_t *engine, const engine_setup_t *setup) {
  static const uint8_t rows[MOST_BYTES];
  static uint8_t out[MOST_BYTES];
  if (!is_small(engine, setup)) return;
  const cudrop_status_t planned = engine_plan(engine, setup);
  if (planned != CUDROP_OK) {
    insist(engine_error(engine)[0] != '\0', "no plan", "and no word why");
    return;
  }
  insist(engine_write(engine, rows) == CUDROP_OK, "write", engine_error(engine));
  insist(engine_run(engine) == CUDROP_OK, "run", engine_error(engine));
  for (int k = 0; k < engine->network->values; ++k)
    if (engine->network->value[k].is_output)
      insist(engine_read(engine, engine->network->value[k].name, out) == CUDROP_OK,
             "read", engine_error(engine));
}

static void open_and_run(const network_t *network, cudrop_context_t *context) {
  static engine_t engine;
  if (engine_open(&engine, network, context) == CUDROP_OK) {
    run(&engine, &(engine_setup_t){.rows = 3, .masks = ENGINE_NUMPY});
    run(&engine, &(engine_setup_t){.rows = 2, .samples = 3, .first_sample = 7});
    run(&engine, &(engine_setup_t){.rows = 2, .draw = 5});
  } else {
    insist(strncmp(engine_error(&engine), "net:", 4) == 0, "no line",
           engine_error(&engine));
  }
  insist(engine_close(&engine) == CUDROP_OK, "close", engine_error(&engine));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static network_t network;
  static cudrop_context_t *context;
  if (context == NULL)
    insist(cudrop_create(&context, CUDROP_HOST, 0) == CUDROP_OK, "no context",
           cudrop_last_error());
  if (network_read(&network, "net", data, size)) {
    save_and_load(&network);
    open_and_run(&network, context);
  } else {
    insist(strncmp(network.error, "net:", 4) == 0, "no line", network.error);
  }
  network_free(&network);
  return 0;
}
