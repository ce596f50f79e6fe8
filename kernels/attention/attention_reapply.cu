/* attention_reapply.cu - attention_reapply.cuh in each type and walk, and the launch. */
#include "attention/attention_reapply.cuh"

static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_attention_t>>
    instances[] = CUDROPI_ROWS_INSTANCES(cudropi_attention_reapply);

int cudropi_launch_attention_reapply(const cudropi_work_t *work) {
  return cudropi_rows_launch(instances, work);
}
