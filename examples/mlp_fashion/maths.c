/* maths.c - choosing the table. */
#include "maths.h"

static const maths_table_t *find_table(cudrop_backend_t backend) {
  if (backend == CUDROP_HOST) return &maths_host;
#if defined(MLP_WITH_CUDA)
  if (backend == CUDROP_CUDA) return &maths_cuda;
#endif
  return NULL;
}

cudrop_backend_t maths_backend(cudrop_backend_t wanted) {
  const bool has_cuda = find_table(CUDROP_CUDA) != NULL;
  return wanted == CUDROP_AUTO && !has_cuda ? CUDROP_HOST : wanted;
}

cudrop_status_t maths_open(maths_t *maths, const cudrop_context_t *context) {
  cudrop_backend_t backend = CUDROP_HOST;
  *maths = (maths_t){.table = NULL};
  TRY(cudrop_get_backend(context, &backend));
  maths->table = find_table(backend);
  if (maths->table == NULL)
    return failure_say(
        &maths->failure, CUDROP_ERROR_NOT_BUILT,
        "this program is built without cuBLAS, so that it has no maths for "
        "the GPU");
  return maths->table->open(maths);
}

cudrop_status_t maths_close(maths_t *maths) {
  return maths->table == NULL ? CUDROP_OK : maths->table->close(maths);
}

cudrop_status_t maths_set_stream(maths_t *maths, cudrop_stream_t stream) {
  maths->stream = stream;
  return maths->table->set_stream(maths, stream);
}
