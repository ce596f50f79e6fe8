/* mask.c - making mask values. */
#include "cudrop/mask.h"

#include "core/status.h"
#include "core/tensor.h"

cudrop_mask_t(cudrop_mask)(uint64_t seed, uint64_t offset, double p) {
  return (cudrop_mask_t){.seed = seed, .offset = offset, .p = p};
}

uint64_t cudrop_child_seed(uint64_t seed, uint64_t id) {
  return cudrop_mask_child(seed, id);
}

cudrop_status_t cudrop_offset(uint64_t step, uint64_t microbatches, uint64_t microbatch,
                              uint64_t sites, uint64_t site, uint64_t *offset) {
  REQUIRE(offset != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_offset: offset is NULL");
  REQUIRE(microbatch < microbatches, CUDROP_ERROR_INVALID_ARGUMENT,
          "cudrop_offset: microbatch = %llu is not below microbatches = %llu",
          (unsigned long long)microbatch, (unsigned long long)microbatches);
  REQUIRE(site < sites, CUDROP_ERROR_INVALID_ARGUMENT,
          "cudrop_offset: site = %llu is not below sites = %llu",
          (unsigned long long)site, (unsigned long long)sites);
  uint64_t result = 0;
  REQUIRE(!__builtin_mul_overflow(step, microbatches, &result) &&
              !__builtin_add_overflow(result, microbatch, &result) &&
              !__builtin_mul_overflow(result, sites, &result) &&
              !__builtin_add_overflow(result, site, &result),
          CUDROP_ERROR_OVERFLOW,
          "cudrop_offset: step = %llu gives an offset of more than 64 bits",
          (unsigned long long)step);
  *offset = result;
  return CUDROP_OK;
}

/* Give *mask the index map of the part of `whole` that begins at `start`. `shared` has a bit for
 * each dimension that has one index. */
static cudrop_status_t refine(const char *function, cudrop_mask_t *mask, int rank,
                              const int64_t *whole, const int64_t *start,
                              uint32_t shared) {
  REQUIRE(mask != NULL, CUDROP_ERROR_NULL_POINTER, "%s: mask is NULL", function);
  REQUIRE(rank >= 0 && rank <= CUDROP_MAX_RANK, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: rank = %d is outside [0, %d]", function, rank, CUDROP_MAX_RANK);
  REQUIRE(rank == 0 || whole != NULL, CUDROP_ERROR_NULL_POINTER, "%s: whole is NULL",
          function);
  REQUIRE(shared >> rank == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: shared = 0x%x names a dimension that rank = %d does not have", function,
          (unsigned)shared, rank);

  cudrop_mask_t refined = *mask;
  int64_t own[CUDROP_MAX_RANK]; /* the sizes; 1 for a shared dimension */
  int64_t n = 0;
  for (int d = 0; d < rank; ++d) {
    REQUIRE(whole[d] >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
            "%s: whole[%d] = %lld is negative", function, d, (long long)whole[d]);
    REQUIRE(start == NULL || (start[d] >= 0 && start[d] <= whole[d]),
            CUDROP_ERROR_INVALID_ARGUMENT, "%s: start[%d] = %lld is outside [0, %lld]",
            function, d, (long long)start[d], (long long)whole[d]);
    own[d] = shared >> d & 1 ? 1 : whole[d];
  }
  REQUIRE(cudropi_count(rank, own, &n) && n <= (int64_t)1 << 59, CUDROP_ERROR_OVERFLOW,
          "%s: whole has more than 2^59 elements", function);

  cudropi_row_major(rank, own, refined.index_stride);
  refined.index_rank = rank;
  refined.index_base = 0;
  for (int d = 0; d < rank; ++d) {
    if (shared >> d & 1) refined.index_stride[d] = 0;
    if (start != NULL)
      refined.index_base += (uint64_t)start[d] * (uint64_t)refined.index_stride[d];
  }
  *mask = refined;
  return CUDROP_OK;
}

cudrop_status_t cudrop_mask_shard(cudrop_mask_t *mask, int rank, const int64_t *whole,
                                  const int64_t *start) {
  REQUIRE(rank <= 0 || start != NULL, CUDROP_ERROR_NULL_POINTER,
          "cudrop_mask_shard: start is NULL");
  return refine("cudrop_mask_shard", mask, rank, whole, start, 0);
}

cudrop_status_t cudrop_mask_share(cudrop_mask_t *mask, int rank, const int64_t *whole,
                                  const int64_t *start, uint32_t shared) {
  return refine("cudrop_mask_share", mask, rank, whole, start, shared);
}
