/* attention_gradient.cu - attention_gradient.cuh in each type and walk, and the launch. */
#include "attention/attention_gradient.cuh"

static const cudropi_attention_instance_t one_turn[] =
    CUDROPI_ATTENTION_INSTANCES(cudropi_attention_gradient, 1);
static const cudropi_attention_instance_t all_turns[] =
    CUDROPI_ATTENTION_INSTANCES(cudropi_attention_gradient, CUDROPI_ROW_TURNS);

int cudropi_launch_attention_gradient(const cudropi_work_t *work) {
  return cudropi_attention_launch(one_turn, all_turns, work);
}
