/* bits.cu - the launch of bits.cuh. */
#include "drop/bits.cuh"

#include "ops/drop/drop.h"

int cudropi_launch_bits(const cudropi_work_t *work) {
  return cudropi_launch_packed(work, cudropi_bits<true>, cudropi_bits<false>);
}
