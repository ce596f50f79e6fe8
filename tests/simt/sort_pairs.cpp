/* sort_pairs.cpp - the sort of kernels/sort/pairs.h for emulated GPUs. */
#include "sort/pairs.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "simt.h"

namespace {

struct sort_t {
  cudropi_pairs_t pairs;
  int sorted;
};

/* One thread sorts by the lowest bits, and spoils what a caller may not use: the temporary
 * memory and the other arrays. */
void sort_pairs(const sort_t args) {
  const cudropi_pairs_t &pairs = args.pairs;
  const std::uint64_t below = (std::uint64_t{1} << pairs.bits) - 1;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> list(pairs.n);
  for (std::uint32_t k = 0; k < pairs.n; ++k)
    list[k] = {pairs.key[0][k], pairs.value[0][k]};
  std::stable_sort(list.begin(), list.end(), [below](const auto &a, const auto &b) {
    return (a.first & below) < (b.first & below);
  });
  std::memset(pairs.temporary, 0xca, pairs.temporary_bytes);
  for (std::uint32_t k = 0; k < pairs.n; ++k) {
    pairs.key[1 - args.sorted][k] = pairs.value[1 - args.sorted][k] = 0xcacacacau;
    pairs.key[args.sorted][k] = list[k].first;
    pairs.value[args.sorted][k] = list[k].second;
  }
}

}  // namespace

cudaError_t cudropi_open_sort() {
  return cudaSuccess;
}

/* As CUB does, in one pass up to 4,864 pairs, and above that in passes of 8 bits; without bits
 * there is nothing to do. */
cudaError_t cudropi_sort_pairs(const cudropi_pairs_t *pairs, cudaStream_t stream,
                               int *sorted) {
  const int passes = pairs->n <= 4864 ? 1 : (pairs->bits + 7) / 8;
  *sorted = pairs->bits == 0 ? 0 : passes % 2;
  const sort_t args = {*pairs, *sorted};
  if (pairs->n == 0 || pairs->bits == 0) return cudaSuccess;
  return LAUNCH(sort_pairs, 1, 1, 0, stream, args);
}
