/*
 * fake_cudart.h - a CUDA runtime without a device, linked in place of cudart.
 *
 * Device memory is heap memory, each block as long as was asked for, so that ASan sees a
 * kernel or a copy that leaves it. Streams do their work before the call returns, unless
 * they record a graph. Launches run in the emulator of simt.h. A context is a handle and
 * no more: which are made and which is current is what the real runtime and driver do.
 *
 * Each call of the API counts, a launch as cudaLaunchKernelExC; cudaGetErrorName() and
 * cudaGetErrorString() do not, as they cannot fail. Everything below may be called from
 * any thread, but the last error and the current device are those of the calling thread.
 */
#ifndef CUDROP_FAKE_CUDART_H
#define CUDROP_FAKE_CUDART_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct CUctx_st;
struct CUstream_st;

/* How many devices there are from now on; 2 to begin with. With 0 every call that needs a
 * device fails with cudaErrorNoDevice, with a negative number with
 * cudaErrorInsufficientDriver, and cudaGetDeviceCount leaves its argument alone. */
void fake_cuda_set_devices(int n);

/* What cudaDeviceGetAttribute gives for `attribute`, a cudaDeviceAttr, on any device. */
void fake_cuda_set_attribute(int attribute, int value);

/* The k-th call from now, 0 for the next, fails with `cuda_error` and has no effect; with
 * k < 0 none does. */
void fake_cuda_fail(long k, int cuda_error);

/* The name of the call that fake_cuda_fail() made fail, NULL while it has not come. */
const char *fake_cuda_failed_call(void);

/* From now on every call that touches a device fails with cudaErrorDevicesUnavailable. */
void fake_cuda_lose_device(void);

/* From now on the driver has no function of that name. */
void fake_cuda_hide_driver_function(const char *name);

/* The calling thread's current context, NULL if there is none; whether a device has a primary
 * context. */
struct CUctx_st *fake_cuda_current_context(void);
bool fake_cuda_has_primary_context(int device);

/* Make a context beside the primary one, current in the calling thread, as cuCtxCreate() does. */
struct CUctx_st *fake_cuda_push_new_context(int device);

/* How many calls there were since the last reset; blocks of device and pinned memory that
 * have not been freed; streams, events, graphs and executable graphs not destroyed. */
long fake_cuda_calls(void);
size_t fake_cuda_live_blocks(void);
size_t fake_cuda_live_objects(void);

/* Let a stream do `task` on a copy of its arguments, now or whenever a graph that the stream
 * records is launched: work that is no kernel, for libraries beside the runtime. A call that
 * counts; returns a cudaError_t. */
int fake_cuda_do(struct CUstream_st *stream, void (*task)(const void *arguments),
                 const void *arguments, size_t bytes);

/* Everything as in the beginning: all memory is freed, all objects are destroyed. */
void fake_cuda_reset(void);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_FAKE_CUDART_H */
