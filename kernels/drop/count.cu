/* count.cu - the launch of count.cuh. */
#include "drop/count.cuh"

#include "ops/drop/drop.h"

int cudropi_launch_count(const cudropi_work_t *work) {
  return cudropi_launch_packed(work, cudropi_count<true>, cudropi_count<false>);
}
