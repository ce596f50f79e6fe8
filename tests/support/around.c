/* around.c - before and after calls. */
#include "around.h"

static struct {
  const cudrop_context_t *context;
  around_t *before, *after;
} around;

void around_calls(const cudrop_context_t *context, around_t *before, around_t *after) {
  around.context = context;
  around.before = before;
  around.after = after;
}

void around_begin(const cudrop_context_t *context) {
  if (around.before != NULL && context == around.context) around.before();
}

cudrop_status_t around_end(const cudrop_context_t *context, cudrop_status_t status) {
  if (around.after != NULL && context == around.context) around.after();
  return status;
}
