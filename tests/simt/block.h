/*
 * block.h - one block of CUDA threads, while it runs.
 *
 *   runnable --> runs --> waits in a barrier or a meeting of its warp --> runnable
 *                  |
 *                  +--> returns; the fiber it had goes to a thread that has not begun
 *
 * The block lives on the heap for as long as it runs, and so do the edges that TSan knows
 * by their address: those of one block say nothing about the next.
 */
#ifndef CUDROP_BLOCK_H
#define CUDROP_BLOCK_H

#include <cstdlib>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "fiber.h"
#include "sanitizers.h"
#include "simt.h"

namespace simt {

constexpr unsigned MAX_THREADS = 1024;
constexpr std::size_t MAX_STATIC_SHARED = 48 << 10, MAX_SHARED = 227 << 10;

std::string to_text(const site &at);
std::string hexadecimal(unsigned mask);
bool same(const site &a, const site &b);

/* A private run of bytes, to the byte, so that ASan sees where it ends; all 0xff, which
 * is a NaN in every format. */
class shared_bytes {
 public:
  explicit shared_bytes(std::size_t bytes);
  void *get() const { return bytes_.get(); }

 private:
  struct release_bytes {
    void operator()(void *bytes) const { std::free(bytes); }
  };
  std::unique_ptr<void, release_bytes> bytes_;
};

class block {
 public:
  block(const kernel_launch &launch, sequencer &sequence, uint3 index);
  ~block();
  block(const block &) = delete;
  block &operator=(const block &) = delete;

  /* Run every thread to its end; "" or the defect that ended it sooner. `finished` is an
   * edge that each thread releases at its end. */
  std::string run(void *finished);

  /* What the thread that runs asks for. A defect unwinds its fiber. */
  int barrier(int vote, site at);
  std::uint64_t meet(const meeting &what, site at);
  void *shared_array(const void *key, std::size_t bytes, site at);
  void *dynamic_shared() { return dynamic_.get(); }
  unsigned lane() const { return me_ % warpSize; }
  [[noreturn]] void fail(site at, const std::string &what);

  /* The block that runs on this thread of the CPU. */
  static block *current();

  /* The body of every fiber: threads of the block that runs, without end. */
  static void serve();

 private:
  struct abandonment {}; /* is thrown on the fibers of a block that has a defect */

  struct thread {
    fiber *stack = nullptr; /* while it has begun and has not returned */
    identity id = identity::create();
    bool waits = false;
    site waits_in = {};
    std::uint64_t received = 0; /* from a meeting */
  };

  /* The lanes of one mask come together here again and again. */
  struct gathering {
    explicit gathering(unsigned lanes) : mask(lanes) {}
    char edge[2] = {}; /* in turn, as a lane can be back before another has left */
    unsigned mask, arrived = 0, turn = 0;
    site at = {};
    std::uint64_t value[warpSize] = {};
    unsigned source[warpSize] = {};
  };

  struct warp {
    unsigned gone = 0; /* lanes that have returned, or do not exist */
    std::list<gathering> gatherings;
  };

  struct shared_variable {
    const void *key;
    shared_bytes bytes;
  };

  fiber *pick(fiber *free);
  thread *next_thread(fiber *free);
  void wait(site at);
  void wake(std::vector<unsigned> &threads);
  void run_threads();
  void run_thread();
  void check_return();
  void conclude(gathering &lanes, const meeting &what);
  gathering &gathering_of(warp &own, unsigned mask);
  void give_up(site at, const std::string &what);
  std::string waiting_threads() const;

  const kernel_launch &launch_;
  sequencer &sequence_;
  const uint3 index_;
  fiber host_;
  identity host_id_ = identity::current();
  void *finished_ = nullptr;

  std::vector<thread> threads_;
  std::vector<warp> warps_;
  std::vector<unsigned> runnable_; /* the last one runs next */
  unsigned me_ = 0, live_ = 0;
  std::string defect_;

  char barrier_edge_[2] = {};
  unsigned arrived_ = 0, turn_ = 0;
  int votes_ = 0, result_ = 0;
  site barrier_ = {};

  shared_bytes dynamic_;
  std::vector<shared_variable> variables_;
  std::size_t static_bytes_ = 0;
};

}  // namespace simt

#endif /* CUDROP_BLOCK_H */
