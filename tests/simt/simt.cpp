/* simt.cpp - a launch: its configuration, its blocks one after another, its defect. */
#include "simt.h"

#include <memory>
#include <mutex>
#include <stdexcept>

#include "block.h"

__thread uint3 threadIdx, blockIdx;
__thread dim3 blockDim, gridDim;

namespace simt {
namespace {

/* ---- Defects ----------------------------------------------------------------------- */

struct {
  std::mutex mutex;
  std::string text;
} first_defect;

void record(const std::string &text) {
  const std::lock_guard<std::mutex> held(first_defect.mutex);
  if (first_defect.text.empty()) first_defect.text = text;
}

}  // namespace

std::string defect() {
  const std::lock_guard<std::mutex> held(first_defect.mutex);
  return first_defect.text;
}

void forget_defect() {
  const std::lock_guard<std::mutex> held(first_defect.mutex);
  first_defect.text.clear();
}

/* ---- Launching --------------------------------------------------------------------- */

namespace {

std::string to_text(dim3 size) {
  return std::to_string(size.x) + " x " + std::to_string(size.y) + " x " +
         std::to_string(size.z);
}

/* What is wrong with the configuration; "" if nothing is. A zero less 1 is large, too. */
std::string find_mistake(const kernel_launch &launch) {
  const dim3 grid = launch.grid, block = launch.block;
  if (grid.x - 1 >= 0x7fffffff || grid.y - 1 >= 65535 || grid.z - 1 >= 65535)
    return "a grid of " + to_text(grid) + " blocks";
  if (block.x - 1 >= 1024 || block.y - 1 >= 1024 || block.z - 1 >= 64 ||
      block.x * block.y * block.z > MAX_THREADS)
    return "a block of " + to_text(block) + " threads";
  if (launch.shared > MAX_SHARED)
    return std::to_string(launch.shared) + " bytes of dynamic shared memory";
  return "";
}

uint3 block_index(std::uint64_t block, dim3 grid) {
  return {static_cast<unsigned>(block % grid.x),
          static_cast<unsigned>(block / grid.x % grid.y),
          static_cast<unsigned>(block / grid.x / grid.y)};
}

/* "" or the defect of the first block that has one. */
std::string run_blocks(const kernel_launch &launch) {
  const std::uint64_t n = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  sequencer sequence(current_order());
  sequencer::walk walk = sequence.walk_through(n);
  const std::unique_ptr<char> finished(new char);
  std::string defect;
  for (std::uint64_t k = 0; k < n && defect.empty(); ++k) {
    const auto running =
        std::make_unique<block>(launch, sequence, block_index(walk.at, launch.grid));
    defect = running->run(finished.get());
    walk.at = (walk.at + walk.step) % n;
  }
  acquire(finished.get());
  return defect;
}

}  // namespace

cudaError_t check(const kernel_launch &launch) {
  const quiet hush;
  const std::string mistake = find_mistake(launch);
  if (mistake.empty()) return cudaSuccess;
  record(std::string("kernel ") + launch.kernel + ": " + to_text(launch.from) + ": " +
         mistake + " cannot be launched");
  return cudaErrorInvalidConfiguration;
}

cudaError_t run(const kernel_launch &launch) {
  const quiet hush;
  if (block::current() != nullptr) throw std::logic_error("a kernel launches a kernel");
  blockDim = launch.block;
  gridDim = launch.grid;
  const std::string defect = run_blocks(launch);
  if (defect.empty()) return cudaSuccess;
  record(defect);
  return cudaErrorLaunchFailure;
}

/* ---- What the thread that runs asks its block for ---------------------------------- */

namespace {

block &own_block(const site &at) {
  if (block::current() == nullptr) throw std::logic_error(to_text(at) + " in no kernel");
  return *block::current();
}

/* The first lane of the caller's group of `width` lanes. */
unsigned first_lane(int width, const site &at) {
  block &own = own_block(at);
  if (width <= 0 || width > warpSize || (width & (width - 1)) != 0)
    own.fail(at, "width " + std::to_string(width) + " is not a power of 2 up to 32");
  return own.lane() & ~static_cast<unsigned>(width - 1);
}

void check_distance(unsigned distance, const site &at) {
  if (distance >= warpSize)
    own_block(at).fail(at, "distance " + std::to_string(distance) + " is above 31");
}

}  // namespace

int barrier(int vote, site at) {
  const quiet hush;
  return own_block(at).barrier(vote, at);
}

std::uint64_t meet(const meeting &what, site at) {
  const quiet hush;
  return own_block(at).meet(what, at);
}

void *shared_array(const void *key, std::size_t bytes, site at) {
  const quiet hush;
  return own_block(at).shared_array(key, bytes, at);
}

void *dynamic_shared(site at) {
  return own_block(at).dynamic_shared();
}

unsigned lane_at(int lane, int width, site at) {
  const quiet hush;
  const unsigned first = first_lane(width, at);
  return first + (static_cast<unsigned>(lane) & static_cast<unsigned>(width - 1));
}

/* A lane that would lie outside the group is the caller itself. */
unsigned lane_before(unsigned distance, int width, site at) {
  const quiet hush;
  const unsigned first = first_lane(width, at), own = own_block(at).lane();
  check_distance(distance, at);
  return own - first < distance ? own : own - distance;
}

unsigned lane_behind(unsigned distance, int width, site at) {
  const quiet hush;
  const unsigned first = first_lane(width, at), own = own_block(at).lane();
  check_distance(distance, at);
  return own + distance >= first + static_cast<unsigned>(width) ? own : own + distance;
}

/* This one may also look into the groups before its own. */
unsigned lane_across(int bits, int width, site at) {
  const quiet hush;
  const unsigned first = first_lane(width, at), own = own_block(at).lane();
  check_distance(static_cast<unsigned>(bits), at);
  const unsigned other = own ^ static_cast<unsigned>(bits);
  return other >= first + static_cast<unsigned>(width) ? own : other;
}

}  // namespace simt
