/* order.cpp - forward, reverse and shuffled. */
#include "order.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>

namespace simt {
namespace {

std::mutex mutex;

order &current() {
  static order value = order::from_environment();
  return value;
}

}  // namespace

order order::from_environment() {
  const char *const value = std::getenv("SIMT_ORDER");
  const std::string text = value == nullptr ? "forward" : value;
  if (text == "forward") return forward();
  if (text == "reverse") return reverse();
  if (text.empty() || text.size() > 9 ||
      text.find_first_not_of("0123456789") != std::string::npos)
    throw std::invalid_argument("SIMT_ORDER = " + text +
                                " is neither forward, reverse nor a number");
  return shuffled(static_cast<unsigned>(std::stoul(text)));
}

void set_order(order wanted) {
  const std::lock_guard<std::mutex> held(mutex);
  current() = wanted;
}

order current_order() {
  const std::lock_guard<std::mutex> held(mutex);
  return current();
}

void sequencer::arrange(std::vector<unsigned> &threads) {
  if (order_.kind == order::REVERSE) std::reverse(threads.begin(), threads.end());
  if (order_.kind == order::SHUFFLED)
    std::shuffle(threads.begin(), threads.end(), random_);
}

sequencer::walk sequencer::walk_through(std::uint64_t n) {
  if (n == 1 || order_.kind == order::FORWARD) return {0, 1};
  if (order_.kind == order::REVERSE) return {n - 1, n - 1};
  std::uint64_t step;
  do step = random_() % n;
  while (std::gcd(step, n) != 1); /* else the walk leaves some out */
  return {random_() % n, step};
}

}  // namespace simt
