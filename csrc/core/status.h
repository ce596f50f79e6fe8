/* status.h - how a function of the library fails: a status, and a text for its caller. */
#ifndef CUDROP_STATUS_H
#define CUDROP_STATUS_H

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/*
 * Set the calling thread's last error to the formatted text and return `status`. The text
 * begins with the public function's name and names the value and the rule.
 */
cudrop_status_t cudropi_fail(cudrop_status_t status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum { CUDROPI_NUMBER_SIZE = 32 };

/* `value` in the fewest digits that read back as the same double; returns `text`. */
const char *cudropi_number(double value, char text[CUDROPI_NUMBER_SIZE]);

/* Return from the calling function with an error unless `condition` holds. */
#define REQUIRE(condition, status, ...)                         \
  do {                                                          \
    if (!(condition)) return cudropi_fail(status, __VA_ARGS__); \
  } while (0)

/* Return from the calling function with the status of `call` unless it succeeds. */
#define TRY(call)                             \
  do {                                        \
    const cudrop_status_t status_ = (call);   \
    if (status_ != CUDROP_OK) return status_; \
  } while (0)

#endif /* CUDROP_STATUS_H */
