/* failure.c - the text of a failure, one a thread. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char text[512];

bool bench_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return false;
}

bool bench_ok(cudrop_status_t status) {
  return status == CUDROP_OK || bench_fail("%s", cudrop_last_error());
}

const char *bench_failure(void) {
  return text;
}
