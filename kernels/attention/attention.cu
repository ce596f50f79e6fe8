/* attention.cu - attention.cuh in each type and walk, and the launch. */
#include "attention/attention.cuh"

static const cudropi_attention_instance_t one_turn[] =
    CUDROPI_ATTENTION_INSTANCES(cudropi_attention, 1);
static const cudropi_attention_instance_t all_turns[] =
    CUDROPI_ATTENTION_INSTANCES(cudropi_attention, CUDROPI_ROW_TURNS);

int cudropi_launch_attention(const cudropi_work_t *work) {
  return cudropi_attention_launch(one_turn, all_turns, work);
}
