/* rendezvous.cpp - what threads do together: barriers, meetings, shared memory. */
#include <new>

#include "block.h"

namespace simt {

/* ---- Texts ------------------------------------------------------------------------- */

std::string to_text(const site &at) {
  return std::string(at.file) + ":" + std::to_string(at.line) + ": " + at.call;
}

std::string hexadecimal(unsigned mask) {
  static const char digits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int at = 28; at >= 0; at -= 4) text += digits[mask >> at & 15];
  return text;
}

bool same(const site &a, const site &b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0 &&
         std::strcmp(a.call, b.call) == 0;
}

/* ---- Waiting for each other -------------------------------------------------------- */

int block::barrier(int vote, site at) {
  const unsigned n = static_cast<unsigned>(threads_.size());
  if (live_ != n)
    fail(at, std::to_string(n - live_) + " threads have returned before it");
  if (arrived_ == 0) {
    barrier_ = at;
    votes_ = 0;
  }
  if (!same(at, barrier_)) fail(at, "others wait at " + to_text(barrier_));
  /* Two edges in turn: a thread can be at the next barrier before all have left this. */
  void *const edge = &barrier_edge_[turn_];
  release(edge);
  votes_ += vote != 0;
  if (++arrived_ < n) {
    wait(at);
  } else {
    std::vector<unsigned> others;
    for (unsigned each = 0; each < n; ++each)
      if (each != me_) others.push_back(each);
    arrived_ = 0;
    turn_ ^= 1;
    result_ = votes_;
    wake(others);
  }
  acquire(edge);
  return result_;
}

block::gathering &block::gathering_of(warp &own, unsigned mask) {
  for (gathering &each : own.gatherings)
    if (each.mask == mask) return each;
  return own.gatherings.emplace_back(mask);
}

std::uint64_t block::meet(const meeting &what, site at) {
  warp &own = warps_[me_ / warpSize];
  const unsigned mask = what.mask;
  if ((mask >> lane() & 1) == 0)
    fail(at, "lane " + std::to_string(lane()) + " is not in mask " + hexadecimal(mask));
  if ((mask & own.gone) != 0)
    fail(at, "mask " + hexadecimal(mask) + " names lanes " +
                 hexadecimal(mask & own.gone) + ", which have returned or do not exist");
  if (what.kind == meeting::EXCHANGE && (mask >> what.source & 1) == 0)
    fail(at, "lane " + std::to_string(lane()) + " reads lane " +
                 std::to_string(what.source) + ", which is not in mask " +
                 hexadecimal(mask));
  gathering &lanes = gathering_of(own, mask);
  if (lanes.arrived == 0) lanes.at = at;
  if (!same(at, lanes.at)) fail(at, "other lanes wait at " + to_text(lanes.at));
  /* Of these only __syncwarp orders memory. */
  void *const edge = what.kind == meeting::ORDER ? &lanes.edge[lanes.turn] : nullptr;
  if (edge != nullptr) release(edge);
  lanes.value[lane()] = what.value;
  lanes.source[lane()] = what.source;
  lanes.arrived |= 1u << lane();
  if (lanes.arrived == mask)
    conclude(lanes, what);
  else
    wait(at);
  if (edge != nullptr) acquire(edge);
  return threads_[me_].received;
}

/* All have come: every lane receives, and those that wait go on. */
void block::conclude(gathering &lanes, const meeting &what) {
  const unsigned first = me_ - lane();
  std::uint64_t all = 0;
  std::vector<unsigned> others;
  for (unsigned each = 0; each < warpSize; ++each) {
    if ((lanes.mask >> each & 1) == 0) continue;
    if (what.kind == meeting::SUM) all += lanes.value[each];
    if (what.kind == meeting::BALLOT) all |= lanes.value[each] << each;
    if (first + each != me_) others.push_back(first + each);
  }
  for (unsigned each = 0; each < warpSize; ++each)
    if ((lanes.mask >> each & 1) != 0)
      threads_[first + each].received =
          what.kind == meeting::EXCHANGE ? lanes.value[lanes.source[each]] : all;
  lanes.arrived = 0;
  lanes.turn ^= 1;
  wake(others);
}

/* ---- Shared memory ----------------------------------------------------------------- */

shared_bytes::shared_bytes(std::size_t bytes) {
  void *block = nullptr;
  if (posix_memalign(&block, 16, bytes) != 0) throw std::bad_alloc();
  bytes_.reset(block);
  std::memset(block, 0xff, bytes);
}

void *block::shared_array(const void *key, std::size_t bytes, site at) {
  for (const shared_variable &each : variables_)
    if (each.key == key) return each.bytes.get();
  static_bytes_ += bytes;
  if (static_bytes_ > MAX_STATIC_SHARED || static_bytes_ + launch_.shared > MAX_SHARED)
    fail(at, std::to_string(static_bytes_) + " bytes of static and " +
                 std::to_string(launch_.shared) +
                 " of dynamic shared memory are more than a block can have");
  variables_.push_back({key, shared_bytes(bytes)});
  return variables_.back().bytes.get();
}

}  // namespace simt
