/* block.cpp - the threads of a block take turns on fibers. */
#include "block.h"

namespace simt {
namespace {

thread_local block *running;

/* Fibers outlive the block that they were made for: making one costs two system calls. */
class fiber_pool {
 public:
  fiber *take() {
    if (idle_.empty()) {
      all_.push_back(std::make_unique<fiber>(block::serve));
      return all_.back().get();
    }
    fiber *const free = idle_.back();
    idle_.pop_back();
    return free;
  }
  void give_back(fiber *free) { idle_.push_back(free); }

 private:
  std::vector<std::unique_ptr<fiber>> all_;
  std::vector<fiber *> idle_;
};
thread_local fiber_pool fibers;

std::string to_text(uint3 at) {
  return "(" + std::to_string(at.x) + "," + std::to_string(at.y) + "," +
         std::to_string(at.z) + ")";
}

uint3 thread_index(unsigned thread, dim3 size) {
  return {thread % size.x, thread / size.x % size.y, thread / (size.x * size.y)};
}

}  // namespace

block::block(const kernel_launch &launch, sequencer &sequence, uint3 index)
    : launch_(launch),
      sequence_(sequence),
      index_(index),
      threads_(launch.block.x * launch.block.y * launch.block.z),
      warps_((threads_.size() + warpSize - 1) / warpSize),
      live_(static_cast<unsigned>(threads_.size())),
      dynamic_(launch.shared) {
  const unsigned in_last_warp = live_ % warpSize;
  if (in_last_warp != 0) warps_.back().gone = ~0u << in_last_warp;
  std::vector<unsigned> all(live_);
  for (unsigned each = 0; each < live_; ++each) all[each] = each;
  wake(all);
}

block::~block() {
  for (thread &each : threads_) each.id.destroy();
}

std::string block::run(void *finished) {
  finished_ = finished;
  running = this;
  blockIdx = index_;
  host_.switch_to(*pick(nullptr));
  running = nullptr;
  return defect_;
}

/* ---- Taking turns ------------------------------------------------------------------ */

/* Make the next runnable thread the one that runs; null when there is none. One that
 * begins gets a fiber: `free`, unless that is null. */
block::thread *block::next_thread(fiber *free) {
  const quiet hush;
  if (runnable_.empty()) return nullptr;
  me_ = runnable_.back();
  runnable_.pop_back();
  thread &next = threads_[me_];
  if (next.stack == nullptr) next.stack = free != nullptr ? free : fibers.take();
  threadIdx = thread_index(me_, launch_.block);
  return &next;
}

/* The fiber to switch to: the next thread's, or the host's. */
fiber *block::pick(fiber *free) {
  thread *const next = next_thread(free);
  (next != nullptr ? next->id : host_id_).assume();
  return next != nullptr ? next->stack : &host_;
}

void block::wait(site at) {
  thread &self = threads_[me_];
  self.waits = true;
  self.waits_in = at;
  if (runnable_.empty()) fail(at, "deadlock: " + waiting_threads());
  self.stack->switch_to(*pick(nullptr));
  if (!defect_.empty()) throw abandonment();
}

/* `threads` run next, in the order that the launch has. */
void block::wake(std::vector<unsigned> &threads) {
  sequence_.arrange(threads);
  for (const unsigned each : threads) threads_[each].waits = false;
  runnable_.insert(runnable_.end(), threads.rbegin(), threads.rend());
}

block *block::current() {
  return running;
}

void block::serve() {
  for (;;) running->run_threads();
}

/* Begins on a fiber for the thread that was picked; goes on with others that begin. */
void block::run_threads() {
  fiber *const stack = threads_[me_].stack;
  fiber *next = nullptr;
  do {
    run_thread();
    next = pick(stack);
  } while (next == stack);
  {
    const quiet hush;
    fibers.give_back(stack);
  }
  stack->switch_to(*next); /* comes back when another block may run */
}

void block::run_thread() {
  try {
    launch_.thread();
  } catch (const abandonment &) {
  }
  const quiet hush;
  release(finished_);
  threads_[me_].stack = nullptr;
  warps_[me_ / warpSize].gone |= 1u << lane();
  --live_;
  if (defect_.empty()) check_return();
}

/* A thread has returned. The kernel is wrong if others wait for it. */
void block::check_return() {
  if (arrived_ != 0)
    return give_up(barrier_, "others wait, and this thread has returned");
  for (const gathering &each : warps_[me_ / warpSize].gatherings)
    if (each.arrived != 0 && (each.mask >> lane() & 1) != 0)
      return give_up(each.at, "others wait with mask " + hexadecimal(each.mask) +
                                  ", and this lane has returned");
  if (live_ != 0 && runnable_.empty())
    give_up(launch_.from, "deadlock: " + waiting_threads());
}

/* ---- Defects ----------------------------------------------------------------------- */

/* The threads that are on a fiber are all resumed, to unwind it; no other begins. */
void block::give_up(site at, const std::string &what) {
  defect_ = std::string("kernel ") + launch_.kernel + ", block " + to_text(index_) +
            ", thread " + to_text(thread_index(me_, launch_.block)) + ": " + to_text(at) +
            ": " + what;
  runnable_.clear();
  for (unsigned each = 0; each < threads_.size(); ++each)
    if (threads_[each].stack != nullptr && each != me_) runnable_.push_back(each);
}

void block::fail(site at, const std::string &what) {
  give_up(at, what);
  throw abandonment();
}

/* How many threads wait at each place, as far as there are not too many places. */
std::string block::waiting_threads() const {
  std::vector<std::pair<site, unsigned>> places;
  for (const thread &each : threads_) {
    if (!each.waits) continue;
    std::size_t k = 0;
    while (k < places.size() && !same(places[k].first, each.waits_in)) ++k;
    if (k == places.size()) places.push_back({each.waits_in, 0});
    ++places[k].second;
  }
  std::string text;
  for (std::size_t k = 0; k < places.size() && k < 8; ++k)
    text += (k == 0 ? "" : ", ") + std::to_string(places[k].second) + " wait at " +
            to_text(places[k].first);
  return text;
}

}  // namespace simt
