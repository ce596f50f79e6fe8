/*
 * device.h - what the engine asks of a backend beside cudrop.h and maths.h: kernels for its
 * small operators, and a run that is recorded once and replayed.
 *
 * A kernel computes n items, each on its own, in a fixed order: DEVICE_LIST names them, and
 * the header of each has its text, one for C and CUDA. The host goes over the items in a loop,
 * a GPU has a thread for each.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "maths.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y from x[samples][rows][cols]; the kernel says which of its sizes it looks at. */
typedef struct {
  const float *x;
  float *y;
  int64_t samples, rows, cols;
} device_walk_t;

#define DEVICE_LIST(X) X(entropy) X(mean) X(mutual_information) X(softmax) X(variance)

typedef enum {
#define DEVICE_ENUM(name) DEVICE_##name,
  DEVICE_LIST(DEVICE_ENUM)
#undef DEVICE_ENUM
} device_kernel_t;

typedef struct device device_t;

typedef struct {
  cudrop_status_t (*open)(device_t *device, cudrop_context_t *context);
  cudrop_status_t (*close)(device_t *device);

  /* Compute items 0 to n - 1 of a kernel, on the stream. */
  cudrop_status_t (*walk)(device_t *device, device_kernel_t kernel,
                          const device_walk_t *walk, int64_t n);

  /*
   * Let what follows on the stream be recorded and not run; end that; run what was recorded
   * last. NULL, all three, where every run calls the operators anew.
   */
  cudrop_status_t (*record)(device_t *device);
  cudrop_status_t (*end_record)(device_t *device);
  cudrop_status_t (*replay)(device_t *device);
} device_table_t;

struct device {
  const device_table_t *table;
  cudrop_context_t *context;
  maths_t *maths;         /* which has the words of a failure */
  cudrop_stream_t stream; /* NULL on the host, like what follows */
  void *recorded;         /* a cudaGraphExec_t */
};

extern const device_table_t device_host;
extern const device_table_t device_cuda; /* defined where MLP_WITH_CUDA is */

/*
 * Open the device of a context's backend, for which there are maths; the context and the maths
 * then work on a stream of the device's own, until it is closed. In any case close it, before
 * the context and the maths.
 */
cudrop_status_t device_open(device_t *device, cudrop_context_t *context, maths_t *maths);
cudrop_status_t device_close(device_t *device);

#ifdef __cplusplus
}
#endif

#endif /* DEVICE_H */
