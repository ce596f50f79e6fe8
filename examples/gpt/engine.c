/* engine.c - choosing the table. */
#include "engine.h"

static const engine_table_t *find_table(cudrop_backend_t backend) {
  if (backend == CUDROP_HOST) return &engine_host;
#if defined(GPT_WITH_CUDA)
  if (backend == CUDROP_CUDA) return &engine_cuda;
#endif
  return NULL;
}

cudrop_backend_t engine_backend(cudrop_backend_t wanted) {
  const bool has_cuda = find_table(CUDROP_CUDA) != NULL;
  return wanted == CUDROP_AUTO && !has_cuda ? CUDROP_HOST : wanted;
}

cudrop_status_t engine_open(engine_t *engine, const cudrop_context_t *context) {
  cudrop_backend_t backend = CUDROP_HOST;
  *engine = (engine_t){.table = NULL};
  TRY(cudrop_get_backend(context, &backend));
  engine->table = find_table(backend);
  if (engine->table == NULL)
    return failure_say(&engine->failure, CUDROP_ERROR_NOT_BUILT,
                       "this program is built without cuBLAS, so that it has no products "
                       "for the GPU");
  return engine->table->open(engine);
}

cudrop_status_t engine_close(engine_t *engine) {
  return engine->table == NULL ? CUDROP_OK : engine->table->close(engine);
}
