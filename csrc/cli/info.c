/* info.c - cudrop info: version, build, backends and devices. */
#include <stdio.h>

#include "command.h"
#include "command_line.h"
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
  static const struct option options[] = {{"help", no_argument, NULL, 0},
                                          {NULL, 0, NULL, 0}};
  static const command_line_t line = {"info", "cudrop info", options, NULL};
  command_words_t words;
  const int status = read_command_line(&line, argc, argv, NULL, &words);
  if (status != EXIT_OK) return status;
  if (words.wants_help) {
    puts(
        "usage: cudrop info\n\nPrints the version, how the library was built, and what "
        "it "
        "finds.\n\n  --help");
    return EXIT_OK;
  }

  const int version = cudrop_version();
  printf("cudrop %d.%d.%d\n", version / 10000, version / 100 % 100, version % 100);
  printf("built with %s\n", cudrop_build_info());
  puts("backends");
  print_backend("host", CUDROP_HOST);
  print_backend("cuda", CUDROP_CUDA);
  return EXIT_OK;
}
