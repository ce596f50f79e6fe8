/* attention.cu - attention.cuh in each type and walk, and the launch. */
#include "attention/attention.cuh"

static const cudropi_attention_instance_t one_turn[] =
    CUDROPI_ATTENTION_INSTANCES(cudropi_attention, 1);
static const cudropi_attention_instance_t two_turns[] =
    CUDROPI_ATTENTION_INSTANCES(cudropi_attention, 2);

int cudropi_launch_attention(const cudropi_work_t *work) {
  return cudropi_attention_launch(one_turn, two_turns, work);
}
