/* failure.c - keeping what is said of a failure. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

cudrop_status_t failure_say(failure_t *failure, cudrop_status_t status,
                            const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure->words, sizeof failure->words, format, arguments);
  va_end(arguments);
  return status;
}

const char *failure_words(const failure_t *failure) {
  return failure->words[0] != '\0' ? failure->words : cudrop_last_error();
}
