/* replay.c - give every file of the folders that are named to the target of libFuzzer. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 4096 }; /* no input is longer */

static void replay_file(const char *path) {
  static uint8_t bytes[MOST_BYTES];
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(EXIT_FAILURE);
  }
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  uint8_t *input = malloc(size + 1); /* of its own, so that a byte too far is noticed */
  if (input == NULL) exit(EXIT_FAILURE);
  for (size_t k = 0; k < size; ++k) input[k] = bytes[k];
  fprintf(stderr, "%s\r", path); /* the last is the one that failed */
  LLVMFuzzerTestOneInput(input, size);
  free(input);
}

int main(int count, char **arguments) {
  int files = 0;
  for (int k = 1; k < count; ++k) {
    DIR *folder = opendir(arguments[k]);
    if (folder == NULL) {
      perror(arguments[k]);
      return EXIT_FAILURE;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
      char path[4096];
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", arguments[k], entry->d_name);
      replay_file(path);
      ++files;
    }
    closedir(folder);
  }
  printf("\n%d inputs\n", files);
  return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
