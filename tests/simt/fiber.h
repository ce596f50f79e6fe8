/*
 * fiber.h - stacks that one thread of the CPU goes to and fro between.
 *
 * On x86-64 a switch is six pushes and pops; elsewhere, or with SIMT_UCONTEXT defined, it
 * is swapcontext().
 */
#ifndef CUDROP_FIBER_H
#define CUDROP_FIBER_H

#include <cstddef>

#if !defined(__x86_64__) && !defined(SIMT_UCONTEXT)
#define SIMT_UCONTEXT 1
#endif
#if defined(SIMT_UCONTEXT)
#include <ucontext.h>
#endif

namespace simt {

class fiber {
 public:
  /* The stack that the caller is on. */
  fiber() = default;

  /* A stack of its own, below it a page that faults. `body` begins with the first switch
   * to the fiber, and never returns. */
  explicit fiber(void (*body)());

  /* Gives the stack back; nothing may be on it that still has a destructor to run. */
  ~fiber();

  fiber(const fiber &) = delete;
  fiber &operator=(const fiber &) = delete;

  /* Leave this fiber, on which the caller is, and go on where `other` was left. Returns
   * when someone switches back. */
  void switch_to(fiber &other);

 private:
  [[noreturn]] static void begin();
  void arrive();

  void (*body_)() = nullptr;
  void *mapping_ = nullptr;      /* the guard page and the stack */
  const void *bottom_ = nullptr; /* of the stack; of a caller's, known once it was left */
  std::size_t size_ = 0;
  [[maybe_unused]] void *asan_frames_ = nullptr; /* ASan's own stack beside this one */
#if defined(SIMT_UCONTEXT)
  ucontext_t context_ = {};
#else
  void *top_ = nullptr; /* where the registers lie while the fiber is left */
#endif
};

}  // namespace simt

#endif /* CUDROP_FIBER_H */
