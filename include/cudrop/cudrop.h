/*
 * cudrop.h - dropout for C programs, on NVIDIA GPUs and on the host.
 *
 * Introduction
 *
 *   Dropout sets each element of a tensor to zero with probability p and multiplies the
 *   survivors by 1 / (1 - p). Training does it in the forward pass and once more, to the
 *   same elements, in the backward pass. Other libraries store which elements those
 *   were; here the mask is a VALUE, not a tensor: a cudrop_mask_t holds a seed, an
 *   offset and p, and every call that is given an equal value drops equal elements.
 *   Nothing is stored between forward and backward, and a checkpoint needs three
 *   numbers.
 *
 *     cudrop_context_t *ctx = NULL;
 *     cudrop_status_t status = cudrop_create(&ctx, CUDROP_AUTO, 0);
 *     cudrop_tensor_t x = cudrop_matrix(x_data, CUDROP_F32, rows, cols);
 *     cudrop_tensor_t y = cudrop_matrix(y_data, CUDROP_F32, rows, cols);
 *     cudrop_mask_t mask = cudrop_mask(42, step, 0.1);       // seed, offset, p
 *     status = cudrop_forward(ctx, &x, &mask, &y);           // y = drop(x)
 *     ...
 *     status = cudrop_backward(ctx, &dy, &mask, &dy);        // same elements, in place
 *
 *   x_data and y_data are memory of the context, as cudrop_alloc() gives it: with CUDA the
 *   GPU's. A network with more than one dropout gives each an offset of its own, from
 *   cudrop_offset(). Inference is no call at all: without dropout y is x. p = 0 copies x
 *   bit for bit, and in place it leaves x as it is, so that one code can serve with and
 *   without dropout.
 *
 * What the mask depends on
 *
 *   Whether element i is kept is a function of (seed, offset, i, p) alone: not of the
 *   GPU, its driver or grid, the type, the alignment or layout of the memory, the number
 *   of threads, the backend, or the operator. mask.h defines it and can be used without
 *   the library. `i` is the logical index of the element; the index map (section 6) says
 *   which i a shard, a transposed tensor or a shared mask has.
 *
 * Sections, from simple to advanced
 *
 *   1 versions   2 statuses   3 contexts   4 buffers   5 tensors   6 masks
 *   7 dropout    8 alpha dropout    9 writing the mask out    10 masks from elsewhere
 *   11 prepared masks, for CUDA graphs
 *   and in headers that this one includes:
 *   12 operators on rows    13 bias, activation, dropout and residual in one
 *   14 bias, dropout, residual and a norm in one    16 embedding     (transformer.h)
 *   15 attention weights                                             (attention.h)
 *   17 attention with dropout and no matrix of weights               (attend.h)
 *
 * Rules that hold for every operator (sections 7 to 17)
 *
 *   Streams      A CUDA context works asynchronously on its stream; a host context has
 *                done the work when the call returns. No operator allocates memory,
 *                synchronises, prints, or keeps state; each may be captured in a CUDA
 *                graph. The current device, and the CUDA driver's current context, are
 *                after a call what they were before, and no other device than the
 *                context's is touched.
 *   Memory       Tensors lie in the memory of the context's backend: on the context's
 *                device, or managed or page-locked and so within reach of both. A device
 *                that reads pageable memory (cudaDevAttrPageableMemoryAccess) takes any
 *                memory of the host. The caller owns tensors; they must live until the
 *                work is done. Data is aligned to its element; more is not needed, 16
 *                bytes are fastest.
 *   Layout       Any strides, in elements, negative ones too. An input may repeat
 *                elements (stride 0); an output may not hold two elements in the same
 *                place.
 *   Aliasing     An output may be the very tensor of the input (same data, strides and
 *                type): in place. Any other overlap is refused; slices that interleave
 *                in memory without sharing a byte are accepted.
 *   Arithmetic   All types but F64 compute in float and round once, to nearest even, at
 *                the store; F64 computes in double. Past the largest value F8E4M3, which
 *                has no infinity, stays there; the others become infinite. A dropped
 *                element is selected, not multiplied: it becomes +0 even where x is NaN,
 *                infinite or negative. No fused multiply-add, no fast-math.
 *   NaN          A NaN that is kept or computed is a NaN; its sign and payload are unspecified.
 *                The host keeps them where it can, a GPU has one NaN for all. "Equal bits" are
 *                equal but for that. What is moved and not computed keeps the bits
 *                of a NaN: what p = 0 copies (sections 7, 8 and 10), in every type, and what
 *                nothing is added to.
 *   Environment  Operators compute in the default floating-point environment, in every thread:
 *                rounding is to nearest even, subnormals are numbers, no exception traps. The
 *                caller's own (a rounding mode, FTZ, DAZ, traps, raised flags) changes no
 *                result, and is put back to the bit.
 *   Mask         NULL keeps every element, as p = 0 does. (A prepared one is made of a mask.)
 *   Empty        A tensor without elements is success, and its data may be NULL.
 *   Bad input    Every argument is checked before anything is written: a call that refuses
 *                one has written nothing and launched nothing.
 *   CUDA errors  The library neither reads nor clears CUDA's last error. The shared library
 *                has a CUDA runtime of its own inside; the static one uses the program's,
 *                where an ERROR_CUDA is the last error as after a call of the program's own.
 *   Threads      Contexts share nothing. A context is not thread-safe; any thread may use it, one
 *                at a time. Host work runs in the calling thread and in the threads set by
 *                cudrop_set_threads().
 *   Stack        An operator takes up to 64 KiB of the stack of the thread that calls it, and
 *                with CUDA what the CUDA runtime takes. Threads of a context have 1 MiB or more.
 *   Fork         A child process may use the host contexts that it inherits, also one with
 *                which another thread of the parent was in the middle of an operator, and
 *                may make others. It destroys its copies; the parent's stay as they are.
 *                CUDA does not survive a fork: a program that forks makes its CUDA contexts
 *                afterwards.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_H
#define CUDROP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CUDROP_API: exported. CUDROP_CHECKED: exported, and its status must be looked at. */
#if defined(__GNUC__)
#define CUDROP_API __attribute__((visibility("default")))
#define CUDROP_CHECKED __attribute__((visibility("default"), warn_unused_result))
#else
#define CUDROP_API
#define CUDROP_CHECKED
#endif

/* ---- 1. Versions ------------------------------------------------------------------ */

/*
 * The major version changes when a call, a struct or one bit of a mask does. Until 1.0.0
 * calls and structs may change with the minor version; the bits of the mask are fixed.
 */
#define CUDROP_VERSION_MAJOR 0
#define CUDROP_VERSION_MINOR 2
#define CUDROP_VERSION_PATCH 0
#define CUDROP_VERSION \
  (CUDROP_VERSION_MAJOR * 10000 + CUDROP_VERSION_MINOR * 100 + CUDROP_VERSION_PATCH)

/* The CUDROP_VERSION of the library that is linked. */
CUDROP_API int cudrop_version(void);

/* How that library was built: compiler and backends, as one line of text. Static. */
CUDROP_API const char *cudrop_build_info(void);

/* ---- 2. Statuses ------------------------------------------------------------------ */

/*
 * Every call that can fail returns a status. Each line below is a name (with CUDROP_ in
 * front), its value and its text. Values are fixed; new ones may be added at the end.
 *
 * Any call may answer ERROR_NULL_POINTER to a NULL that it needs, and ERROR_INVALID_ARGUMENT
 * to a value that is none of its enum's. The comments below name what is a call's own.
 */
#define CUDROP_STATUS_LIST(X)                                                      \
  X(OK, 0, "success")                                                              \
  X(ERROR_INVALID_ARGUMENT, 1, "an argument is outside the values the call takes") \
  X(ERROR_NULL_POINTER, 2, "a pointer that the call needs is NULL")                \
  X(ERROR_DTYPE, 3, "an element type that the call does not take, or mixed types") \
  X(ERROR_SHAPE, 4, "shapes or ranks that do not fit each other")                  \
  X(ERROR_OVERLAP, 5, "an output shares memory with itself or with an input")      \
  X(ERROR_OVERFLOW, 6, "a size or an index is larger than the library can count")  \
  X(ERROR_OUT_OF_MEMORY, 7, "the backend has not enough memory")                   \
  X(ERROR_NOT_BUILT, 8, "this library was built without that backend")             \
  X(ERROR_NO_DEVICE, 9, "there is no such device on this machine")                 \
  X(ERROR_WRONG_MEMORY, 10, "memory that the context's backend cannot reach")      \
  X(ERROR_CUDA, 11, "the CUDA runtime reported an error")                          \
  X(ERROR_WORKSPACE, 12, "a workspace that is smaller than the call needs")

typedef enum {
#define CUDROP_STATUS_ENUM(name, value, text) CUDROP_##name = value,
  CUDROP_STATUS_LIST(CUDROP_STATUS_ENUM)
#undef CUDROP_STATUS_ENUM
} cudrop_status_t;

/* "CUDROP_ERROR_SHAPE" and the like, "unknown status" for a value not in the list. */
CUDROP_API const char *cudrop_status_name(cudrop_status_t status);

/* The status's text from the list, "unknown status" for a value not in it. */
CUDROP_API const char *cudrop_status_text(cudrop_status_t status);

/*
 * The last error of the calling thread, in words: the function, the value and the rule,
 * as in "cudrop_forward: p = 1.5 is outside [0, 1]". Empty before the first error. The
 * text belongs to the library and changes with the thread's next error; a success leaves
 * it as it is.
 */
CUDROP_API const char *cudrop_last_error(void);

/* ---- 3. Contexts ------------------------------------------------------------------ */

typedef enum {
  CUDROP_AUTO = 0, /* CUDA where it is built in and a device is present, else the host */
  CUDROP_HOST = 1, /* the CPU; always there */
  CUDROP_CUDA = 2  /* an NVIDIA GPU */
} cudrop_backend_t;

/* A backend, a device and a stream; nothing else, and no state between calls. */
typedef struct cudrop_context cudrop_context_t;

/* The same type as cudaStream_t and CUstream; no CUDA header is needed to name it. */
typedef struct CUstream_st *cudrop_stream_t;

/*
 * Write to *count how many devices a backend has; CUDROP_HOST has 1, CUDROP_AUTO as many
 * as the backend it would choose.
 *   ERROR_NOT_BUILT  CUDROP_CUDA, in a library without it (see cudrop_build_info())
 *   ERROR_NO_DEVICE  CUDROP_CUDA, on a machine without a driver or a GPU
 *   ERROR_CUDA       here and below: anything else that the CUDA runtime reports, with its
 *                    words in the last error
 */
CUDROP_CHECKED cudrop_status_t cudrop_device_count(cudrop_backend_t backend, int *count);

/*
 * Write to name[0..size) what device `device` of a backend is called, as in "NVIDIA H200" or,
 * with the instructions that are used, "host, avx2"; cut to size - 1 characters. Errors as
 * cudrop_device_count(), and for a device number that does not exist; size 0 is
 * ERROR_INVALID_ARGUMENT.
 */
CUDROP_CHECKED cudrop_status_t cudrop_device_name(cudrop_backend_t backend, int device,
                                                  char *name, size_t size);

/*
 * Make a context for device `device` (from 0) of a backend, and write it to *context,
 * which is NULL after an error. Host contexts take device 0. Give it to cudrop_destroy()
 * when no call needs it. (For measurements: a host context uses the vector instructions that
 * the environment variable CUDROP_HOST_PATH names, sse2, avx2, avx512 or scalar, and without
 * it the best of the processor. Results do not depend on them.) A CUDA context makes the device's
 * primary context if nothing has made it yet, as the CUDA runtime does; cudrop_destroy() does
 * not release it, because buffers outlive the context. Calls work in the driver's current context
 * if that is one of the device, else in the primary one.
 *   ERROR_NOT_BUILT      as above
 *   ERROR_NO_DEVICE      as above, and for a device number that does not exist
 *   ERROR_OUT_OF_MEMORY  no memory for the context itself, or for the device's
 *   ERROR_CUDA           the CUDA runtime or its driver refused the device
 */
CUDROP_CHECKED cudrop_status_t cudrop_create(cudrop_context_t **context,
                                             cudrop_backend_t backend, int device);

/*
 * Free a context and set *context to NULL. If it is NULL already that is success; only
 * `context` itself must not be NULL, so that clean-up paths may ignore the status. Buffers
 * of the context stay valid; another context of the same backend and device frees them.
 */
CUDROP_API cudrop_status_t cudrop_destroy(cudrop_context_t **context);

/* Write the context's backend to *backend: after CUDROP_AUTO, the one that was chosen. */
CUDROP_CHECKED cudrop_status_t cudrop_get_backend(const cudrop_context_t *context,
                                                  cudrop_backend_t *backend);

/*
 * Let later calls run on `stream`, which stays the caller's and belongs to the context's
 * device. NULL is CUDA's default stream (the legacy one), which a new context uses. A host
 * context has no streams: it takes NULL only, and answers ERROR_INVALID_ARGUMENT to another.
 */
CUDROP_CHECKED cudrop_status_t cudrop_set_stream(cudrop_context_t *context,
                                                 cudrop_stream_t stream);

/*
 * Let later calls of a host context use up to `threads` threads, the caller's among them; 0
 * stands for as many as the process may use processors. A new context uses 1. Tensors below
 * some hundred thousand elements are not worth a second one. The threads are the context's, sleep
 * between calls, take no signals, and are gone when it is destroyed; a forked child has none
 * of them, and starts its own in the first call that is worth it. Results do not depend on
 * their number.
 *   ERROR_INVALID_ARGUMENT  threads outside [0, 1024]; a CUDA context
 *   ERROR_OUT_OF_MEMORY     no memory for the list of them
 */
CUDROP_CHECKED cudrop_status_t cudrop_set_threads(cudrop_context_t *context, int threads);

/* Wait until all work of the context's stream is done. At once on the host. */
CUDROP_CHECKED cudrop_status_t cudrop_synchronize(cudrop_context_t *context);

/* ---- 4. Buffers ------------------------------------------------------------------- */

/*
 * Memory of the context's backend, for programs that want one code for both. Operators
 * take any pointer of the right memory; it need not come from here.
 *
 * cudrop_alloc() writes to *buffer a buffer of `bytes`, aligned to 256 bytes, contents
 * unspecified; 0 bytes give NULL and success. *buffer is NULL after an error.
 * cudrop_free() takes a buffer back and sets *buffer to NULL; a NULL buffer is success, and
 * what could not be taken back stays in *buffer. On CUDA both keep to the order of the context's
 * stream where the device has memory pools, else they wait for the device: a buffer that
 * another stream uses must be done with there before it is freed.
 * cudrop_upload() copies from host memory into a buffer, cudrop_download() the other way,
 * both in the order of the stream; they wait for the copy, so host memory may be reused
 * when they return, and a stream that is being captured cannot have them. Ranges must not
 * overlap.
 *   ERROR_OUT_OF_MEMORY  cudrop_alloc(): the backend has no `bytes` left
 *   ERROR_WRONG_MEMORY   copies: the buffer is not memory of the context's backend
 */
CUDROP_CHECKED cudrop_status_t cudrop_alloc(cudrop_context_t *context, size_t bytes,
                                            void **buffer);
CUDROP_API cudrop_status_t cudrop_free(cudrop_context_t *context, void **buffer);
CUDROP_CHECKED cudrop_status_t cudrop_upload(cudrop_context_t *context, void *buffer,
                                             const void *host, size_t bytes);
CUDROP_CHECKED cudrop_status_t cudrop_download(cudrop_context_t *context, void *host,
                                               const void *buffer, size_t bytes);

/* ---- 5. Tensors ------------------------------------------------------------------- */

/*
 * Element types: name, value, bytes. U8 is for byte masks (sections 9 and 10) alone, I32 and I64
 * for lengths and ids (sections 15 and 16). The F8 types are for what moves data: forward,
 * backward, cudrop_export_scale() and cudrop_apply_...(); the host does them in tiles, some ten
 * times slower than F32. 0 is no type, so that a tensor that was never filled
 * in is noticed. Programs in C hold the narrow types as bits, in uint16_t and uint8_t.
 */
#define CUDROP_DTYPE_LIST(X)                                        \
  X(F32, 1, 4)    /* IEEE binary32 */                               \
  X(F16, 2, 2)    /* IEEE binary16 */                               \
  X(BF16, 3, 2)   /* the upper half of binary32 */                  \
  X(F64, 4, 8)    /* IEEE binary64 */                               \
  X(U8, 5, 1)     /* one byte */                                    \
  X(F8E4M3, 6, 1) /* OCP FP8 E4M3: to 448, NaN 0x7f, no infinity */ \
  X(F8E5M2, 7, 1) /* OCP FP8 E5M2: the upper half of binary16 */    \
  X(I32, 8, 4)    /* signed; lengths and ids alone */               \
  X(I64, 9, 8)    /* likewise */

typedef enum {
#define CUDROP_DTYPE_ENUM(name, value, bytes) CUDROP_##name = value,
  CUDROP_DTYPE_LIST(CUDROP_DTYPE_ENUM)
#undef CUDROP_DTYPE_ENUM
} cudrop_dtype_t;

/* Bytes of one element of a type, 0 for a value that is no type. */
CUDROP_API size_t cudrop_dtype_bytes(cudrop_dtype_t dtype);

enum { CUDROP_MAX_RANK = 8 };

/*
 * A view of memory, as in DLPack: element (c0, c1, ...) lies at data + c0 * stride[0] +
 * c1 * stride[1] + ..., counted in elements. Plain data: copy it, fill it in by hand,
 * slice it. Rank 0 is one element. The stride of a dimension of size 1 means nothing.
 */
typedef struct {
  void *data;
  cudrop_dtype_t dtype;
  int rank;                        /* 0 to CUDROP_MAX_RANK */
  int64_t shape[CUDROP_MAX_RANK];  /* sizes, from 0 */
  int64_t stride[CUDROP_MAX_RANK]; /* elements between neighbours of a dimension */
} cudrop_tensor_t;

/*
 * Dense row-major tensors. Data is taken as const void * so that inputs need no cast; an
 * operator writes only to what it calls an output. Nothing is checked here: the call that
 * uses the tensor does it.
 */
CUDROP_API cudrop_tensor_t cudrop_vector(const void *data, cudrop_dtype_t dtype,
                                         int64_t n);
CUDROP_API cudrop_tensor_t cudrop_matrix(const void *data, cudrop_dtype_t dtype,
                                         int64_t rows, int64_t cols);
CUDROP_API cudrop_tensor_t cudrop_tensor(const void *data, cudrop_dtype_t dtype, int rank,
                                         const int64_t *shape);

/* ---- 6. Masks --------------------------------------------------------------------- */

/* A mask whose seed, offset and p lie in the backend's memory; section 11. */
typedef struct cudrop_prepared cudrop_prepared_t;

/*
 * A mask as a value, from cudrop_mask(). Plain data, to copy and store; a checkpoint needs seed,
 * offset and p.
 * (Compare masks member by member, not as bytes; different maps may mean the same mask.)
 *
 * seed    names the experiment; any 64 bits. Seed 0 is a seed like any other.
 * offset  names the call; any 64 bits. Different offsets under one seed never share
 *         random bits, whatever the sizes of the tensors. Use each offset for one
 *         dropout: one step, one micro-batch, one site of the network; cudrop_offset()
 *         numbers them.
 * p       the probability to drop, 0 <= p <= 1, exact for every double (see mask.h).
 *
 * The index map gives the mask index of the element at coordinates c:
 *
 *   i = index_base + c[0] * index_stride[0] + c[1] * index_stride[1] + ...
 *
 * index_rank 0 is the plain map: the row-major position in the tensor's shape, whatever
 * its strides in memory, plus index_base. Otherwise index_rank is the rank of the tensors
 * and every stride counts as it stands, zeros too. Strides are not negative; every i is
 * below 2^59. Elements with the same i are kept or dropped together.
 *
 *   want                                                index_stride
 *   plain                                               row-major strides of the shape
 *   rows from r0, columns from c0 of a whole [R, C]     {C, 1}, base r0 * C + c0
 *   a transposed or sliced tensor                       plain: only data strides differ
 *   Dropout2d of [N, C, H, W]: whole channels           {C, 1, 0, 0}
 *   DropPath of [N, ...]: whole samples                 {1, 0, ...}
 *   T Monte-Carlo samples of one x, as [T, ...]         plain; x has stride 0 along T
 */
typedef struct {
  uint64_t seed;
  uint64_t offset;
  double p;
  uint64_t index_base;
  int index_rank;
  int64_t index_stride[CUDROP_MAX_RANK];
  const cudrop_prepared_t *prepared; /* NULL, or what section 11 says */
} cudrop_mask_t;

/*
 * The mask of (seed, offset, p), with the plain index map. Its use checks p. In C11 a seed or an
 * offset that is a floating-point number, as in cudrop_mask(0.1, 42, 0), does not compile.
 */
CUDROP_API cudrop_mask_t cudrop_mask(uint64_t seed, uint64_t offset, double p);

#if !defined(__cplusplus) && __STDC_VERSION__ >= 201112L
typedef struct {
  int unused;
} cudrop_seed_and_offset_are_integers_t;
#define CUDROP_INTEGER(value)                                        \
  _Generic((value), float                                            \
           : (cudrop_seed_and_offset_are_integers_t){0}, double      \
           : (cudrop_seed_and_offset_are_integers_t){0}, long double \
           : (cudrop_seed_and_offset_are_integers_t){0}, default     \
           : (value))
#define cudrop_mask(seed, offset, p) \
  cudrop_mask(CUDROP_INTEGER(seed), CUDROP_INTEGER(offset), (p))
#endif

/*
 * Give *mask the index map of tensors that are a part of a whole of shape whole[0..rank):
 * the part begins at start[d] in dimension d. All parts together then drop what the whole,
 * masked by the plain map, would, whatever the split. The map that *mask had is replaced;
 * after an error it is as it was. The sizes of the part come with the tensors: that it ends
 * inside the whole is not checked, and beyond it would take the indices of other elements.
 *   ERROR_NULL_POINTER      mask, whole or start
 *   ERROR_INVALID_ARGUMENT  rank outside 0..CUDROP_MAX_RANK, a negative size, a start
 *                           outside 0..whole[d]
 *   ERROR_OVERFLOW          the whole has more than 2^59 elements
 */
CUDROP_CHECKED cudrop_status_t cudrop_mask_shard(cudrop_mask_t *mask, int rank,
                                                 const int64_t *whole,
                                                 const int64_t *start);

/*
 * Give *mask an index map by which all elements along the shared dimensions (bit d of
 * `shared` for dimension d) are kept or dropped together; it is row-major over the others.
 * `start` places a part in the whole, as above; NULL is a tensor that is the whole.
 *
 *   int64_t shape[] = {N, C, H, W};
 *   status = cudrop_mask_share(&mask, 4, shape, NULL, 1u << 2 | 1u << 3);   // Dropout2d
 *
 *   as cudrop_mask_shard(); also ERROR_INVALID_ARGUMENT for a bit at or above rank
 */
CUDROP_CHECKED cudrop_status_t cudrop_mask_share(cudrop_mask_t *mask, int rank,
                                                 const int64_t *whole,
                                                 const int64_t *start, uint32_t shared);

/*
 * An offset from a formula in place of a counter, so that recomputation, reordering and
 * resuming need no saved state:
 *
 *   *offset = (step * microbatches + microbatch) * sites + site
 *
 * A training loop without micro-batches may ask for (step, 1, 0, sites, 0) once a step
 * and add the number of the site itself. Keep `microbatches` and `sites` for all of a run:
 * with others the formula meets offsets that it has given before, and the run needs another
 * seed (cudrop_child_seed()).
 *   ERROR_INVALID_ARGUMENT  microbatch >= microbatches or site >= sites: two calls would
 *                           share random bits
 *   ERROR_OVERFLOW          the result needs more than 64 bits
 */
CUDROP_CHECKED cudrop_status_t cudrop_offset(uint64_t step, uint64_t microbatches,
                                             uint64_t microbatch, uint64_t sites,
                                             uint64_t site, uint64_t *offset);

/*
 * The seed of child `id`: of a rank that must drop differently, of an experiment in a
 * sweep, of another random stream of one run. A hash: ids of one seed never give the same
 * child, children of different seeds coincide no more often than random 64-bit numbers.
 * Use it in place of seed + id, whose streams are those of the neighbouring seeds. Any
 * other randomness of a program can come from cudrop_philox() under a child's key.
 */
CUDROP_API uint64_t cudrop_child_seed(uint64_t seed, uint64_t id);

/* ---- 7. Dropout ------------------------------------------------------------------- */

/*
 * y = keep ? x * scale : 0        scale = (float)(1 / (1 - p)), not rounded for F64
 *
 * x, y: equal types (any but U8, I32 and I64) and shapes. p = 0 copies x bit for bit; p = 1 writes
 * zeros.
 *
 * Statuses of this and of every operator below:
 *   ERROR_NULL_POINTER      a NULL argument, or NULL data with elements
 *   ERROR_INVALID_ARGUMENT  p outside [0, 1] or NaN; a rank, size or index stride out of
 *                           range; data that is not aligned to its element
 *   ERROR_DTYPE             a type that the operator does not take; types that differ
 *   ERROR_SHAPE             shapes that differ; an index_rank that is neither 0 nor the
 *                           tensors' rank
 *   ERROR_OVERLAP           see "Aliasing" and "Layout" above
 *   ERROR_OVERFLOW          more elements or bytes than 63 bits count; a mask index at or
 *                           above 2^59
 *   ERROR_WRONG_MEMORY      a CUDA context and memory that its device cannot reach; a host
 *                           context and memory of a GPU. The latter is looked for once the
 *                           process has made a CUDA context of this library
 *   ERROR_CUDA              the CUDA runtime refused the launch. What fails later, while the
 *                           work runs, is reported by cudrop_synchronize() or any later call
 */
CUDROP_CHECKED cudrop_status_t cudrop_forward(cudrop_context_t *context,
                                              const cudrop_tensor_t *x,
                                              const cudrop_mask_t *mask,
                                              const cudrop_tensor_t *y);

/* dx = keep ? dy * scale : 0        with the mask value of the forward call */
CUDROP_CHECKED cudrop_status_t cudrop_backward(cudrop_context_t *context,
                                               const cudrop_tensor_t *dy,
                                               const cudrop_mask_t *mask,
                                               const cudrop_tensor_t *dx);

/*
 * dx = keep ? dx + dy * scale : dx
 *
 * dy, dx: F32, F16, BF16 or F64. The product is rounded before the sum (to float; F64 to
 * double). dx of a dropped element keeps its bits.
 */
CUDROP_CHECKED cudrop_status_t cudrop_backward_accumulate(cudrop_context_t *context,
                                                          const cudrop_tensor_t *dy,
                                                          const cudrop_mask_t *mask,
                                                          const cudrop_tensor_t *dx);

/* ---- 8. Alpha dropout ------------------------------------------------------------- */

/*
 * Dropout that keeps mean 0 and variance 1, for networks of SELU units:
 *
 *   y = a * (keep ? x : alpha') + b         alpha' = -1.7580993408473766
 *   a = ((1 - p) * (1 + p * alpha'^2))^(-1/2)        b = -a * alpha' * p
 *
 * a and b are rounded to float once (double for F64); product and sum are rounded
 * separately. p = 0 copies x bit for bit; p = 1 writes zeros. x, y: F32, F16, BF16 or F64,
 * equal types and shapes. Source: G. Klambauer et al., "Self-normalizing neural networks".
 */
CUDROP_CHECKED cudrop_status_t cudrop_alpha_forward(cudrop_context_t *context,
                                                    const cudrop_tensor_t *x,
                                                    const cudrop_mask_t *mask,
                                                    const cudrop_tensor_t *y);

/* dx = keep ? a * dy : 0 */
CUDROP_CHECKED cudrop_status_t cudrop_alpha_backward(cudrop_context_t *context,
                                                     const cudrop_tensor_t *dy,
                                                     const cudrop_mask_t *mask,
                                                     const cudrop_tensor_t *dx);

/* ---- 9. Writing the mask out ------------------------------------------------------ */

/*
 * For tests, for other programs, and for engines that can only multiply. Nothing in this
 * library needs a mask written out.
 *
 * cudrop_export_bits() writes the keep bits of a tensor of shape[0..rank), packed:
 *
 *   element e, counted row-major in the shape, is bit e & 7 of byte e >> 3; 1 is kept
 *
 * `bits` takes (n + 7) / 8 bytes; unused bits of the last byte become 0.
 */
CUDROP_CHECKED cudrop_status_t cudrop_export_bits(cudrop_context_t *context,
                                                  const cudrop_mask_t *mask, int rank,
                                                  const int64_t *shape, void *bits);

/* keep = 1 where kept, 0 where dropped; a U8 tensor. */
CUDROP_CHECKED cudrop_status_t cudrop_export_bytes(cudrop_context_t *context,
                                                   const cudrop_mask_t *mask,
                                                   const cudrop_tensor_t *keep);

/*
 * scale = kept ? 1 / (1 - p) : 0; a tensor of any type but U8, I32 and I64. For finite x, x * scale
 * is then cudrop_forward(), up to the sign of dropped zeros and, in types narrower than F32,
 * up to the rounding of the scale.
 */
CUDROP_CHECKED cudrop_status_t cudrop_export_scale(cudrop_context_t *context,
                                                   const cudrop_mask_t *mask,
                                                   const cudrop_tensor_t *scale);

/*
 * Write to *kept, in the memory of the context's backend (with CUDA not a variable of the
 * host), how many elements of a tensor of shape[0..rank) are kept; 0 for a tensor without
 * elements.
 */
CUDROP_CHECKED cudrop_status_t cudrop_count_kept(cudrop_context_t *context,
                                                 const cudrop_mask_t *mask, int rank,
                                                 const int64_t *shape, uint64_t *kept);

/* ---- 10. Masks from elsewhere ----------------------------------------------------- */

/*
 * y = keep ? x * scale : 0 with a mask that the caller brings, whoever drew it: for
 * replaying another framework's mask, and for masks drawn ahead. Backward is the same
 * call on dy. p gives the scale alone; p = 0 copies what is kept, p = 1 writes zeros.
 *
 * cudrop_apply_bytes(): a U8 tensor of x's shape and any strides; every byte but 0 keeps.
 * cudrop_apply_bits(): (n + 7) / 8 bytes as cudrop_export_bits() writes them.
 */
CUDROP_CHECKED cudrop_status_t cudrop_apply_bytes(cudrop_context_t *context,
                                                  const cudrop_tensor_t *x,
                                                  const cudrop_tensor_t *keep, double p,
                                                  const cudrop_tensor_t *y);
CUDROP_CHECKED cudrop_status_t cudrop_apply_bits(cudrop_context_t *context,
                                                 const cudrop_tensor_t *x,
                                                 const void *bits, double p,
                                                 const cudrop_tensor_t *y);

/* ---- 11. Prepared masks ----------------------------------------------------------- */

/*
 * A captured CUDA graph replays the arguments it was captured with: a mask by value would
 * drop the same elements at every replay. A prepared mask is a block in the backend's memory
 * that operators read when they run, so that between replays seed, offset and p can change
 * while the graph stays.
 *
 *   cudrop_prepared_t *block = NULL;
 *   const cudrop_mask_t first = cudrop_mask(seed, 0, 0.1);
 *   status = cudrop_prepared_create(ctx, &first, &block); // before the capture
 *
 *   cudrop_mask_t site0 = cudrop_prepared_mask(block, 0); // captured: offsets 0 and 1
 *   cudrop_mask_t site1 = cudrop_prepared_mask(block, 1); // behind the block's
 *   status = cudrop_forward(ctx, &x, &site0, &y);
 *   ...
 *   status = cudrop_backward(ctx, &dy, &site0, &dx);      // what forward dropped
 *   status = cudrop_advance(ctx, block, 2);               // last: the block's offset += 2
 *
 * After k replays the masks are those of cudrop_mask(seed, 2 * k + site, p). A new p: call
 * cudrop_prepare() between two replays. Host contexts have prepared masks too, so that one
 * code serves both.
 *
 * The contents of a block are the library's, except that device.cuh lets a kernel of the caller's
 * read it. Blocks are written and read in the order of the stream, and by one stream at a time.
 * Only cudrop_prepared_create() makes a block.
 */

/*
 * cudrop_prepared_create() allocates a block, writes *mask to it and its address to *prepared,
 * which is NULL after an error. cudrop_prepared_destroy() gives a block back and sets *prepared to
 * NULL, and a NULL *prepared is success. Both allocate and free in the order of the stream, and so
 * may not be captured.
 *   as cudrop_alloc(), cudrop_free() and cudrop_prepare()
 */
CUDROP_CHECKED cudrop_status_t cudrop_prepared_create(cudrop_context_t *context,
                                                      const cudrop_mask_t *mask,
                                                      cudrop_prepared_t **prepared);
CUDROP_API cudrop_status_t cudrop_prepared_destroy(cudrop_context_t *context,
                                                   cudrop_prepared_t **prepared);

/*
 * Write seed, offset, p and index_base of *mask to the block `prepared`; its index strides are not
 * used. May be captured; a replay then writes the same values again.
 *   ERROR_NULL_POINTER, ERROR_WRONG_MEMORY, ERROR_CUDA  as in every operator
 *   ERROR_INVALID_ARGUMENT  p outside [0, 1] or NaN; a block that is not aligned to 16
 *                           bytes; a mask that is a prepared one itself; an index_base that is
 *                           not a multiple of 8
 *   ERROR_OVERFLOW          an index_base of 2^59 or more
 */
CUDROP_CHECKED cudrop_status_t cudrop_prepare(cudrop_context_t *context,
                                              const cudrop_mask_t *mask,
                                              cudrop_prepared_t *prepared);

/* Add `offsets` to the block's offset, modulo 2^64. May be captured. Errors as above. */
CUDROP_CHECKED cudrop_status_t cudrop_advance(cudrop_context_t *context,
                                              cudrop_prepared_t *prepared,
                                              uint64_t offsets);

/*
 * The mask, with the plain index map, whose seed and p are those of the block and whose
 * offset is the block's plus `offset` (modulo 2^64) when the work runs. The block's index_base is
 * added to the map's, so that a captured graph takes one shard after another; that both together
 * stay below 2^59 cannot be checked. Leave the seed and the p of the mask at 0: an operator refuses
 * others. Without a block, of NULL, it is a mask whose p is NaN, which every operator refuses.
 */
CUDROP_API cudrop_mask_t cudrop_prepared_mask(const cudrop_prepared_t *prepared,
                                              uint64_t offset);

#ifdef __cplusplus
}
#endif

#include "transformer.h" /* sections 12 to 17 */

#endif /* CUDROP_H */
