/* curand_device.cpp - cuRAND's device generator, compiled for the host. */
#include <cstdint>

#define QUALIFIERS static inline
#include <curand_kernel.h>

extern "C" void curand_device_block(uint64_t seed, uint64_t subsequence, uint64_t offset,
                                    uint32_t block[4]);

/* What curand4 returns first after curand_init(seed, subsequence, offset). */
void curand_device_block(uint64_t seed, uint64_t subsequence, uint64_t offset,
                         uint32_t block[4]) {
  curandStatePhilox4_32_10_t state;
  curand_init(seed, subsequence, offset, &state);
  const uint4 words = curand4(&state);
  block[0] = words.x;
  block[1] = words.y;
  block[2] = words.z;
  block[3] = words.w;
}
