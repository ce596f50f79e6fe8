/* failure.h - statuses that are handed up, and the words of one that is not the library's. */
#ifndef FAILURE_H
#define FAILURE_H

#include "cudrop/cudrop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Return from a function with the status of a call, unless that is success. */
#define TRY(call)                                           \
  do {                                                      \
    const cudrop_status_t status_of_call = (call);          \
    if (status_of_call != CUDROP_OK) return status_of_call; \
  } while (0)

/* Empty before the first failure. */
typedef struct {
  char words[256];
} failure_t;

/* Remember a failure's words; returns `status`. */
cudrop_status_t failure_say(failure_t *failure, cudrop_status_t status,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The words that are remembered, or else the library's of its last error. */
const char *failure_words(const failure_t *failure);

#ifdef __cplusplus
}
#endif

#endif /* FAILURE_H */
