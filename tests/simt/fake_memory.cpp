/* fake_memory.cpp - blocks of device and pinned memory, and copies between them. */
#include <cstring>

#include "fake_runtime.h"

using namespace fake;

namespace {

constexpr std::size_t DEVICE_BYTES = std::size_t{4} << 30; /* no block is larger */
constexpr unsigned char POISON = 0xca;

cudaError_t allocate(void **pointer, std::size_t bytes, cudaMemoryType type) {
  FAKE_REQUIRE(pointer != nullptr, cudaErrorInvalidValue);
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  void *block = nullptr;
  if (bytes > DEVICE_BYTES || posix_memalign(&block, 256, bytes) != 0)
    return cudaErrorMemoryAllocation;
  std::memset(block, POISON, bytes);
  char *const first = static_cast<char *>(block);
  memory_block owned = {{}, bytes, type, current_device()};
  owned.bytes.reset(first);
  state().blocks.emplace(first, std::move(owned));
  *pointer = block;
  return cudaSuccess;
}

cudaError_t release(const void *pointer, cudaMemoryType type) {
  if (pointer == nullptr) return cudaSuccess;
  const auto block = state().blocks.find(static_cast<const char *>(pointer));
  FAKE_REQUIRE(block != state().blocks.end() && block->second.type == type,
               cudaErrorInvalidValue);
  state().blocks.erase(block);
  return cudaSuccess;
}

/* The block that holds the byte at `pointer`, or null. */
const memory_block *find_block(const void *pointer) {
  const char *const at = static_cast<const char *>(pointer);
  auto after = state().blocks.upper_bound(at);
  if (after == state().blocks.begin()) return nullptr;
  const memory_block &block = (--after)->second;
  return at < after->first + block.size ? &block : nullptr;
}

/* Which side a range is on; refused if it leaves the block that it begins in. */
cudaError_t find_side(const void *pointer, std::size_t bytes, bool *on_device) {
  const memory_block *const block = find_block(pointer);
  *on_device = block != nullptr && block->type == cudaMemoryTypeDevice;
  if (block == nullptr) return pointer != nullptr ? cudaSuccess : cudaErrorInvalidValue;
  const char *const at = static_cast<const char *>(pointer);
  const std::size_t left =
      block->size - static_cast<std::size_t>(at - block->bytes.get());
  return bytes <= left ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t check_copy(const void *to, const void *from, std::size_t bytes,
                       cudaMemcpyKind kind) {
  FAKE_REQUIRE(kind >= cudaMemcpyHostToHost && kind <= cudaMemcpyDefault,
               cudaErrorInvalidMemcpyDirection);
  if (bytes == 0) return cudaSuccess;
  bool to_device, from_device;
  FAKE_TRY(find_side(to, bytes, &to_device));
  FAKE_TRY(find_side(from, bytes, &from_device));
  if (kind == cudaMemcpyDefault) return cudaSuccess;
  const bool wants_to_device =
      kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool wants_from_device =
      kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return to_device == wants_to_device && from_device == wants_from_device
             ? cudaSuccess
             : cudaErrorInvalidValue;
}

cudaError_t copy(void *to, const void *from, std::size_t bytes, cudaMemcpyKind kind) {
  FAKE_TRY(check_copy(to, from, bytes, kind));
  if (bytes != 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}

/* Whether a device reaches what is no memory of a device. */
bool is_within_reach(const void *pointer) {
  const auto &attributes = state().attributes;
  const auto pageable = attributes.find(cudaDevAttrPageableMemoryAccess);
  return find_block(pointer) != nullptr ||
         (pageable != attributes.end() && pageable->second != 0);
}

cudaError_t check_set(const void *to, std::size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  bool on_device;
  FAKE_TRY(find_side(to, bytes, &on_device));
  return on_device || is_within_reach(to) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t set(void *to, int value, std::size_t bytes) {
  FAKE_TRY(check_set(to, bytes));
  if (bytes != 0) std::memset(to, value, bytes);
  return cudaSuccess;
}

/* What works on the default stream and waits for it. */
cudaError_t use_default_stream() {
  CUstream_st *stream;
  FAKE_TRY(find_stream(nullptr, &stream));
  return break_captures_around();
}

/* A stream that records takes no memory from a pool, as a real one would. */
cudaError_t check_pool(cudaStream_t handle) {
  CUstream_st *stream;
  FAKE_TRY(find_stream(handle, &stream));
  return stream->capture ? break_capture(stream) : cudaSuccess;
}

}  // namespace

/* ---- Blocks ------------------------------------------------------------------------ */

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
  return call("cudaMalloc", needs::CONTEXT, [&] {
    FAKE_TRY(break_captures_around());
    return allocate(pointer, bytes, cudaMemoryTypeDevice);
  });
}

cudaError_t cudaFree(void *pointer) {
  return call("cudaFree", needs::CONTEXT, [&] {
    FAKE_TRY(break_captures_around());
    return release(pointer, cudaMemoryTypeDevice);
  });
}

cudaError_t cudaMallocAsync(void **pointer, size_t bytes, cudaStream_t stream) {
  return call("cudaMallocAsync", needs::CONTEXT, [&] {
    const auto pools = state().attributes.find(cudaDevAttrMemoryPoolsSupported);
    FAKE_REQUIRE(pools == state().attributes.end() || pools->second != 0,
                 cudaErrorNotSupported);
    FAKE_TRY(check_pool(stream));
    return allocate(pointer, bytes, cudaMemoryTypeDevice);
  });
}

cudaError_t cudaFreeAsync(void *pointer, cudaStream_t stream) {
  return call("cudaFreeAsync", needs::CONTEXT, [&] {
    FAKE_TRY(check_pool(stream));
    return release(pointer, cudaMemoryTypeDevice);
  });
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
  return call("cudaMallocHost", needs::CONTEXT, [&] {
    FAKE_TRY(break_captures_around());
    return allocate(pointer, bytes, cudaMemoryTypeHost);
  });
}

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned) {
  return call("cudaHostAlloc", needs::CONTEXT, [&] {
    FAKE_TRY(break_captures_around());
    return allocate(pointer, bytes, cudaMemoryTypeHost);
  });
}

cudaError_t cudaFreeHost(void *pointer) {
  return call("cudaFreeHost", needs::CONTEXT, [&] {
    FAKE_TRY(break_captures_around());
    return release(pointer, cudaMemoryTypeHost);
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes,
                                     const void *pointer) {
  return call("cudaPointerGetAttributes", needs::CONTEXT, [&] {
    FAKE_REQUIRE(attributes != nullptr, cudaErrorInvalidValue);
    *attributes = cudaPointerAttributes();
    attributes->type = cudaMemoryTypeUnregistered;
    attributes->device = cudaInvalidDeviceId;
    const memory_block *const block = find_block(pointer);
    if (block == nullptr) return cudaSuccess;
    attributes->type = block->type;
    attributes->device = block->device;
    attributes->devicePointer = const_cast<void *>(pointer);
    if (block->type == cudaMemoryTypeHost)
      attributes->hostPointer = attributes->devicePointer;
    return cudaSuccess;
  });
}

/* ---- Copies ------------------------------------------------------------------------ */

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  return call("cudaMemcpy", needs::CONTEXT, [&] {
    FAKE_TRY(use_default_stream());
    return copy(to, from, bytes, kind);
  });
}

cudaError_t cudaMemset(void *to, int value, size_t bytes) {
  return call("cudaMemset", needs::CONTEXT, [&] {
    FAKE_TRY(use_default_stream());
    return set(to, value, bytes);
  });
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call_on_stream(
      "cudaMemcpyAsync", stream,
      [=](const CUstream_st &) { return check_copy(to, from, bytes, kind); },
      [=] {
        const std::lock_guard<std::mutex> held(mutex());
        return copy(to, from, bytes, kind);
      });
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  return call_on_stream(
      "cudaMemsetAsync", stream,
      [=](const CUstream_st &) { return check_set(to, bytes); },
      [=] {
        const std::lock_guard<std::mutex> held(mutex());
        return set(to, value, bytes);
      });
}
