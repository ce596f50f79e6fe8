/*
 * order.h - the order in which CUDA threads that could run do run, and blocks.
 *
 * A kernel that is right gives the same in every order, and so a test that runs in
 * several finds a missing barrier.
 */
#ifndef CUDROP_ORDER_H
#define CUDROP_ORDER_H

#include <cstdint>
#include <random>
#include <vector>

namespace simt {

struct order {
  enum kind_t { FORWARD, REVERSE, SHUFFLED } kind;
  unsigned seed; /* of SHUFFLED */

  static order forward() { return {FORWARD, 0}; }
  static order reverse() { return {REVERSE, 0}; }
  static order shuffled(unsigned seed) { return {SHUFFLED, seed}; }

  /* What SIMT_ORDER says: forward, reverse, or a number, which is a seed. Forward when it
   * is not set; throws std::invalid_argument when it is anything else. */
  static order from_environment();
};

/* The order of all launches from now on; from_environment() to begin with. */
void set_order(order wanted);
order current_order();

/* Puts things in an order. The same calls after the same start give the same. */
class sequencer {
 public:
  explicit sequencer(order which) : order_(which), random_(which.seed) {}

  void arrange(std::vector<unsigned> &threads);

  /* A walk that comes by each of 0 .. n - 1 once: from `at` on by `step`, modulo n. */
  struct walk {
    std::uint64_t at, step;
  };
  walk walk_through(std::uint64_t n);

 private:
  order order_;
  std::mt19937_64 random_;
};

}  // namespace simt

#endif /* CUDROP_ORDER_H */
