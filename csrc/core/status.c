/* status.c - names and texts of statuses, and the last error of each thread. */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local char last_error[256];

cudrop_status_t cudropi_fail(cudrop_status_t status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error, sizeof last_error, format, arguments);
  va_end(arguments);
  return status;
}

const char *cudropi_number(double value, char text[CUDROPI_NUMBER_SIZE]) {
  for (int digits = 15; digits <= 17; ++digits) {
    snprintf(text, CUDROPI_NUMBER_SIZE, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  return text;
}

const char *cudrop_last_error(void) {
  return last_error;
}

const char *cudrop_status_name(cudrop_status_t status) {
  switch (status) {
#define STATUS_NAME(name, value, text) \
  case CUDROP_##name:                  \
    return "CUDROP_" #name;
    CUDROP_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
  }
  return "unknown status";
}

const char *cudrop_status_text(cudrop_status_t status) {
  switch (status) {
#define STATUS_TEXT(name, value, text) \
  case CUDROP_##name:                  \
    return text;
    CUDROP_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
  }
  return "unknown status";
}
