/* failure.h - how a function of the harness fails: it returns false and leaves a text. */
#ifndef BENCH_FAILURE_H
#define BENCH_FAILURE_H

#include <stdbool.h>

#include "cudrop/cudrop.h"

/* Set the calling thread's failure to the formatted text; returns false. */
bool bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True for success; else the failure is the library's last error. */
bool bench_ok(cudrop_status_t status);

/* The text of the calling thread's last failure, empty before the first. */
const char *bench_failure(void);

#endif /* BENCH_FAILURE_H */
