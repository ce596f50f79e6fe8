/*
 * engine_fixture.h - an inference engine on the suite's backend, from lines and for some rows; for
 * the suites about it.
 */
#ifndef CUDROP_ENGINE_FIXTURE_H
#define CUDROP_ENGINE_FIXTURE_H

#include <math.h>

#include "engine.h"
#include "suite_context.h"

enum { IN = 13, HIDDEN = 24, ROWS = 7 };

static network_t network;
static engine_t engine;

static inline void close_all(void) {
  if (engine.network != NULL) ck_assert_ok(engine_close(&engine));
  engine.network = NULL;
  network_free(&network);
  close_context();
}

#define ck_assert_engine(call) \
  ck_assert_msg((call) == CUDROP_OK, "%s: %s", #call, engine_error(&engine))

/* Lines that end with NULL; parameters get some values around 0. */
static inline void make_network(const char *const *lines) {
  for (; *lines != NULL; ++lines)
    ck_assert_msg(network_add(&network, "%s", *lines), "%s", network.error);
  for (int k = 0; k < network.values; ++k) {
    network_value_t *value = &network.value[k];
    if (value->kind != NETWORK_PARAMETER || value->dtype != CUDROP_F32) continue;
    for (int64_t e = 0; e < value->elements; ++e)
      ((float *)value->data)[e] = 0.5f * sinf((float)(e * e % 1009 + k));
  }
}

static const char *const one_dropout[] = {
    "input x f32 13", "Dropout x -> y kept ratio=0.4", "output y", NULL};

static inline void open_engine(const char *const *lines) {
  make_network(lines);
  ck_assert_engine(engine_open(&engine, &network, context));
}

static inline void run(const engine_setup_t *setup) {
  float x[ROWS * IN];
  for (int k = 0; k < ROWS * IN; ++k)
    x[k] = 1.1f + sinf((float)k + (float)(setup->first_row * IN));
  ck_assert_engine(engine_plan(&engine, setup));
  ck_assert_engine(engine_write(&engine, x));
  ck_assert_engine(engine_run(&engine));
}

#endif /* CUDROP_ENGINE_FIXTURE_H */
