/* output.c - opening and closing, with words for what fails. */
#define _GNU_SOURCE /* mkdir */
#include "output.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"

void output_path(const char *folder, const char *name, char path[OUTPUT_PATH_BYTES]) {
  snprintf(path, OUTPUT_PATH_BYTES, "%s/%s", folder, name);
}

/* A folder, and those that it lies in; what cannot be made is noticed where it is used. */
static void make_folder(const char *folder) {
  char path[OUTPUT_PATH_BYTES];
  snprintf(path, sizeof path, "%s", folder);
  for (char *end = path + 1; *path != '\0' && *end != '\0'; ++end) {
    if (*end != '/') continue;
    *end = '\0';
    mkdir(path, 0777);
    *end = '/';
  }
  mkdir(path, 0777);
}

void output_remove(const char *folder, const char *name) {
  char path[OUTPUT_PATH_BYTES];
  output_path(folder, name, path);
  remove(path);
}

FILE *output_open(const char *folder, const char *name) {
  char path[OUTPUT_PATH_BYTES];
  output_path(folder, name, path);
  make_folder(folder);
  FILE *file = fopen(path, "w");
  if (file == NULL) complain(EXIT_FAILED, "cannot write '%s': %s", path, strerror(errno));
  return file;
}

int output_close(FILE *file, const char *folder, const char *name) {
  const bool failed = ferror(file) != 0;
  if (fclose(file) == 0 && !failed) return EXIT_OK;
  return complain(EXIT_FAILED, "cannot write '%s/%s': %s", folder, name, strerror(errno));
}

int output_flush(const char *what) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_OK;
  return complain(EXIT_FAILED, "cannot write %s: %s", what, strerror(errno));
}
