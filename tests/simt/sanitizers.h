/*
 * sanitizers.h - what the emulator tells ASan and TSan.
 *
 * ASan must know which stack the program is on: fiber.cpp tells it.
 *
 * TSan is to take every CUDA thread for a thread of its own, ordered after another only
 * by what orders CUDA threads. So the emulator is compiled with -DSIMT_TSAN and without
 * -fsanitize=thread: TSan does not see its memory, and learns from the calls below who
 * runs and who waits for whom. Without SIMT_TSAN they do nothing.
 */
#ifndef CUDROP_SANITIZERS_H
#define CUDROP_SANITIZERS_H

#include <cstddef>

#if defined(__has_feature)
#define SIMT_HAS(feature) __has_feature(feature)
#else
#define SIMT_HAS(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || SIMT_HAS(address_sanitizer)
#define SIMT_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__SANITIZE_THREAD__) || SIMT_HAS(thread_sanitizer)
#error "compile the emulator's sources with -DSIMT_TSAN and without -fsanitize=thread"
#endif

#if defined(SIMT_TSAN)
#include <sanitizer/tsan_interface.h>

extern "C" {
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
void AnnotateBenignRaceSized(const char *file, int line, const volatile void *memory,
                             std::size_t bytes, const char *why);
}
#endif

namespace simt {

/* While one lives, TSan overlooks what its thread does to memory through the C library
 * and through inline functions that the linker took from an instrumented file. */
class quiet {
 public:
#if defined(SIMT_TSAN)
  quiet() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~quiet() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  quiet() {}
  ~quiet() {}
#endif
  quiet(const quiet &) = delete;
  quiet &operator=(const quiet &) = delete;
};

/* What a thread did before a release is before what another does after an acquire. */
#if defined(SIMT_TSAN)
inline void release(void *edge) {
  __tsan_release(edge);
}
inline void acquire(void *edge) {
  __tsan_acquire(edge);
}
#else
inline void release(void *) {}
inline void acquire(void *) {}
#endif

/* Memory that threads use one after another without an edge: a fiber's stack. */
#if defined(SIMT_TSAN)
inline void allow_reuse(void *memory, std::size_t bytes) {
  AnnotateBenignRaceSized(__FILE__, __LINE__, memory, bytes, "a stack");
}
#else
inline void allow_reuse(void *, std::size_t) {}
#endif

/* A thread as TSan sees it. */
class identity {
 public:
#if defined(SIMT_TSAN)
  static identity current() {
    return identity(__tsan_get_current_fiber());
  }
  static identity create() {
    return identity(__tsan_create_fiber(0));
  }
  void destroy() {
    __tsan_destroy_fiber(thread_);
  }
  /* From now on it is this one that runs. */
  void assume() {
    __tsan_switch_to_fiber(thread_, __tsan_switch_to_fiber_no_sync);
  }

 private:
  explicit identity(void *thread) : thread_(thread) {}
  void *thread_;
#else
  static identity current() {
    return {};
  }
  static identity create() {
    return {};
  }
  void destroy() {}
  void assume() {}
#endif
};

}  // namespace simt

#endif /* CUDROP_SANITIZERS_H */
