/* device_host.c - choosing the device, and the host's: loops over items. */
#include "entropy.h"
#include "mean.h"
#include "mutual_information.h"
#include "softmax.h"
#include "variance.h"

cudrop_status_t device_open(device_t *device, cudrop_context_t *context, maths_t *maths) {
  *device = (device_t){.table = &device_host, .maths = maths};
#if defined(MLP_WITH_CUDA)
  if (maths->table == &maths_cuda) device->table = &device_cuda;
#endif
  return device->table->open(device, context);
}

cudrop_status_t device_close(device_t *device) {
  return device->table == NULL ? CUDROP_OK : device->table->close(device);
}

static cudrop_status_t open_host(device_t *device, cudrop_context_t *context) {
  (void)device;
  (void)context;
  return CUDROP_OK;
}

static cudrop_status_t close_host(device_t *device) {
  device->table = NULL;
  return CUDROP_OK;
}

#define DEVICE_LOOP(name)                                         \
  static void walk_##name(const device_walk_t *walk, int64_t n) { \
    for (int64_t i = 0; i < n; ++i) name##_item(walk, i);         \
  }
DEVICE_LIST(DEVICE_LOOP)
#undef DEVICE_LOOP

static cudrop_status_t walk_host(device_t *device, device_kernel_t kernel,
                                 const device_walk_t *walk, int64_t n) {
#define DEVICE_ROW(name) [DEVICE_##name] = walk_##name,
  static void (*const loops[])(const device_walk_t *walk,
                               int64_t n) = {DEVICE_LIST(DEVICE_ROW)};
#undef DEVICE_ROW
  (void)device;
  loops[kernel](walk, n);
  return CUDROP_OK;
}

const device_table_t device_host = {
    .open = open_host, .close = close_host, .walk = walk_host};
