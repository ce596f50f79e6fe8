/* info.c - cudrop info: version, build, backends and devices. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "cudrop/cudrop.h"

static void print_backend(const char *name, cudrop_backend_t backend) {
  char device[256] = "";
  int count = 0;
  const cudrop_status_t status = cudrop_device_count(backend, &count);
  if (status != CUDROP_OK) printf("  %-5s none: %s\n", name, cudrop_status_text(status));
  for (int k = 0; k < count; ++k) {
    if (cudrop_device_name(backend, k, device, sizeof device) == CUDROP_OK)
      printf("  %-5s device %d: %s\n", name, k, device);
  }
}

int command_info(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    puts("usage: cudrop info");
    return EXIT_OK;
  }
  if (argc > 1)
    return complain(EXIT_BAD_ARGUMENTS, "info: '%s' is one argument too many", argv[1]);

  const int version = cudrop_version();
  printf("cudrop %d.%d.%d\n", version / 10000, version / 100 % 100, version % 100);
  printf("built with %s\n", cudrop_build_info());
  puts("backends");
  print_backend("host", CUDROP_HOST);
  print_backend("cuda", CUDROP_CUDA);
  return EXIT_OK;
}
