/* trained.c - a network's lines and parameters. */
#include "trained.h"

#include <string.h>

#include "network.h"
#include "output.h"
#include "report.h"

/* The weights and biases lie in `staged`, as they lie in the network's memory. */
static bool add_parameters(network_t *network, const mlp_t *mlp, int l) {
  const int in = mlp->width[l], out = mlp->width[l + 1];
  if (!network_add(network, "parameter w%d f32 %d %d", l, in, out) ||
      !network_add(network, "parameter b%d f32 %d", l, out))
    return false;
  const network_value_t *added = &network->value[network->values - 2];
  const real_t *const from[] = {mlp->layer[l].weight, mlp->layer[l].bias};
  for (int k = 0; k < 2; ++k)
    memcpy(added[k].data, mlp->staged + (from[k] - mlp->parameter),
           network_bytes(&added[k]));
  return true;
}

/* a[l] -> drop(a[l]) W + b -> relu, but for the last layer, whose output are the logits. */
static bool add_layer(network_t *network, const options_t *options, int l) {
  const double p = l == 0 ? options->rate_input : options->rate_hidden;
  return network_add(network, "Dropout a%d -> kept%d ratio=%.17g", l, l, p) &&
         network_add(network, "Gemm kept%d w%d b%d -> h%d", l, l, l, l + 1) &&
         (l + 1 == MLP_LAYERS || network_add(network, "Relu h%d -> a%d", l + 1, l + 1));
}

static bool add_lines(network_t *network, const options_t *options, const mlp_t *mlp) {
  static const char *const statistics[] = {
      "Mean probability -> mean",
      "Variance probability -> variance",
      "Entropy mean -> entropy",
      "MutualInformation probability -> information",
      "output mean",
      "output variance",
      "output entropy",
      "output information",
  };
  if (!network_add(network, "input a0 f32 %d", mlp->width[0])) return false;
  for (int l = 0; l < MLP_LAYERS; ++l)
    if (!add_parameters(network, mlp, l)) return false;
  for (int l = 0; l < MLP_LAYERS; ++l)
    if (!add_layer(network, options, l)) return false;
  if (!network_add(network, "Softmax h%d -> probability", MLP_LAYERS)) return false;
  for (size_t k = 0; k < sizeof statistics / sizeof statistics[0]; ++k)
    if (!network_add(network, "%s", statistics[k])) return false;
  return true;
}

int trained_write(experiment_t *experiment) {
  static network_t network;
  char path[OUTPUT_PATH_BYTES];
  mlp_t *mlp = &experiment->mlp;
  int status = EXIT_OK;
  output_path(experiment->options.out, "network", path);
  if (mlp_stage(mlp, 0) != CUDROP_OK)
    return complain(EXIT_FAILED, "cannot write '%s': %s", path, mlp_error(mlp));
  if (!add_lines(&network, &experiment->options, mlp) || !network_save(&network, path))
    status = complain(EXIT_FAILED, "%s", network.error);
  network_free(&network);
  return status;
}
