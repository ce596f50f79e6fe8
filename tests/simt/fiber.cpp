/* fiber.cpp - making stacks and switching between them. */
#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "sanitizers.h"

namespace simt {
namespace {

/* Kernels keep little on the stack; ASan's red zones and unoptimised frames keep more. */
constexpr std::size_t STACK_BYTES = 256 << 10;

std::size_t page_bytes() {
  static const std::size_t bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

/* The two ends of the switch that is under way. */
thread_local fiber *left, *entered;

}  // namespace

#if !defined(SIMT_UCONTEXT)
/*
 * Push the registers that a function must preserve, store the stack pointer in *from,
 * take `to` for it, and pop what was pushed there, the return address last.
 */
extern "C" void simt_switch_stack(void **from, void *to);
asm(R"(
.text
.globl simt_switch_stack
.hidden simt_switch_stack
.type simt_switch_stack, @function
simt_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch_stack, .-simt_switch_stack
)");
#endif

fiber::fiber(void (*body)()) : body_(body), size_(STACK_BYTES) {
  const std::size_t guard = page_bytes();
  void *const mapping = mmap(nullptr, guard + size_, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "the stack of a fiber");
  mapping_ = mapping;
  mprotect(mapping_, guard, PROT_NONE);
  unsigned char *const bottom = static_cast<unsigned char *>(mapping_) + guard;
  bottom_ = bottom;
  allow_reuse(bottom, size_);
#if defined(SIMT_UCONTEXT)
  getcontext(&context_);
  context_.uc_stack.ss_sp = bottom;
  context_.uc_stack.ss_size = size_;
  makecontext(&context_, begin, 0);
#else
  /* Six registers, the address that the switch returns to, and a return address of 0 for
   * begin(), at which whoever walks the stack stops. */
  void (*const start)() = begin;
  void **const frame = reinterpret_cast<void **>(bottom + size_) - 8;
  std::memset(frame, 0, 8 * sizeof *frame);
  std::memcpy(frame + 6, &start, sizeof start);
  top_ = frame;
#endif
}

fiber::~fiber() {
  if (mapping_ == nullptr) return;
#if defined(SIMT_ASAN)
  __asan_unpoison_memory_region(bottom_, size_);
#endif
  munmap(mapping_, page_bytes() + size_);
}

/* The first thing on the stack that a switch has come to. */
void fiber::arrive() {
#if defined(SIMT_ASAN)
  __sanitizer_finish_switch_fiber(asan_frames_, &left->bottom_, &left->size_);
#endif
}

void fiber::begin() {
  entered->arrive();
  entered->body_();
  std::abort();
}

void fiber::switch_to(fiber &other) {
  left = this;
  entered = &other;
#if defined(SIMT_ASAN)
  __sanitizer_start_switch_fiber(&asan_frames_, other.bottom_, other.size_);
#endif
#if defined(SIMT_UCONTEXT)
  swapcontext(&context_, &other.context_);
#else
  simt_switch_stack(&top_, other.top_);
#endif
  arrive();
}

}  // namespace simt
