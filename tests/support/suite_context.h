/*
 * suite_context.h - contexts that are open during each test of a suite.
 *
 * A pair of functions is a fixture: tcase_add_checked_fixture(tests, open_context, close_context).
 */
#ifndef CUDROP_SUITE_CONTEXT_H
#define CUDROP_SUITE_CONTEXT_H

#include "suite.h"

static cudrop_context_t *context; /* of the suite's backend */
static cudrop_context_t *host;

static inline void open_context(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
}
static inline void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

static inline void open_host(void) {
  ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
}
static inline void close_host(void) {
  ck_assert_ok(cudrop_destroy(&host));
}

/* Both. */
static inline void open_contexts(void) {
  open_context();
  open_host();
}
static inline void close_contexts(void) {
  close_context();
  close_host();
}

#endif /* CUDROP_SUITE_CONTEXT_H */
