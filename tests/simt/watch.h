/* watch.h - what is launched, for a program that wants to see the launches. */
#ifndef CUDROP_SIMT_WATCH_H
#define CUDROP_SIMT_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct simt_launch {
  const void *kernel; /* the kernel's host function */
  unsigned grid[3], block[3];
  size_t shared;         /* bytes of dynamic shared memory */
  const void *arguments; /* the kernel's struct, and how many bytes it has */
  size_t bytes;
} simt_launch_t;

/* Show every launch of LAUNCH to `observer` when it is submitted; it runs if the observer returns
 * true. NULL ends this. Set it while no thread launches. */
void simt_watch(bool (*observer)(const simt_launch_t *launch));

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_SIMT_WATCH_H */
