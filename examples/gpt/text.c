/* text.c - reading a text, and rows of it. */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cudrop/mask.h"
#include "report.h"

/* ---- Reading ------------------------------------------------------------------------ */

enum { MOST_BYTES = 1 << 30, FIRST_BYTES = 1 << 16 };

/* All that the file has, in *bytes, which the caller frees; the number of them, or -1. */
static long read_all(gzFile file, uint8_t **bytes) {
  size_t room = FIRST_BYTES, size = 0;
  *bytes = NULL;
  while (room <= MOST_BYTES) {
    uint8_t *larger = realloc(*bytes, room);
    if (larger == NULL) return -1;
    *bytes = larger;
    const int gone = gzread(file, larger + size, (unsigned)(room - size));
    if (gone < 0) return -1;
    size += (size_t)gone;
    if (size < room) return (long)size;
    room *= 2;
  }
  errno = EFBIG;
  return -1;
}

/* Of the file's bytes, `all`, the text has the first ones. */
static int divide(text_t *text, const char *path, size_t size, size_t all, int length) {
  const size_t least = (size_t)length + 1;
  text->size[TEXT_VALIDATES] = size / 10;
  text->size[TEXT_TRAINS] = size - size / 10;
  text->checksum = (uint32_t)crc32_z(0, text->bytes, size);
  if (size == 0) return complain(EXIT_FAILED, "'%s' is empty", path);
  if (text->size[TEXT_VALIDATES] >= least) return EXIT_OK;
  if (size < all)
    return complain(EXIT_FAILED,
                    "--bytes %zu, of the %zu of '%s': their last tenth is too short for "
                    "one row of %d",
                    size, all, path, length);
  return complain(EXIT_FAILED,
                  "'%s' has %zu bytes; its last tenth is too short for one row of %d",
                  path, size, length);
}

int text_load(text_t *text, const char *path, int bytes, int length) {
  *text = (text_t){.bytes = NULL};
  errno = 0;
  gzFile file = gzopen(path, "rb");
  if (file == NULL)
    return complain(EXIT_FAILED, "cannot read '%s': %s", path, strerror(errno));
  const long all = read_all(file, &text->bytes);
  const long size = bytes > 0 && all > bytes ? bytes : all;
  int status = EXIT_OK;
  int error = 0;
  const char *words = gzerror(file, &error);
  if (size < 0)
    status = complain(EXIT_FAILED, "cannot read '%s': %s", path,
                      error == Z_OK || error == Z_ERRNO ? strerror(errno) : words);
  else if (error != Z_OK && error != Z_STREAM_END)
    status = complain(EXIT_FAILED, "cannot read '%s': %s", path, words);
  else
    status = divide(text, path, (size_t)size, (size_t)all, length);
  gzclose_r(file);
  return status;
}

void text_free(text_t *text) {
  free(text->bytes);
  text->bytes = NULL;
}

/* ---- Rows --------------------------------------------------------------------------- */

static void copy_row(const uint8_t *bytes, int length, int32_t *ids, int32_t *targets) {
  for (int t = 0; t < length; ++t) {
    ids[t] = bytes[t];
    targets[t] = bytes[t + 1];
  }
}

/* A product in place of a remainder makes a draw from `places` values, with a bias of 2^-32. */
void text_draw(const text_t *text, uint64_t seed, uint64_t step, int64_t row, int length,
               int32_t *ids, int32_t *targets) {
  const cudrop_philox_block_t counter = {
      {(uint32_t)row, (uint32_t)step, (uint32_t)(step >> 32), 0}};
  const uint32_t word = cudrop_philox(counter, cudrop_philox_key(seed)).word[0];
  const uint32_t places = (uint32_t)(text->size[TEXT_TRAINS] - (size_t)length);
  const size_t place = (size_t)(cudrop_multiply_wide(word, places) >> 32);
  copy_row(text->bytes + place, length, ids, targets);
}

int64_t text_count(const text_t *text, int length) {
  return (int64_t)(text->size[TEXT_VALIDATES] - 1) / length;
}

void text_pick(const text_t *text, text_part_t part, int64_t number, int length,
               int32_t *ids, int32_t *targets) {
  const size_t place = part == TEXT_VALIDATES
                           ? text->size[TEXT_TRAINS] + (size_t)(number * length)
                           : (text->size[TEXT_TRAINS] - (size_t)length - 1) *
                                 (size_t)number / (size_t)text_count(text, length);
  copy_row(text->bytes + place, length, ids, targets);
}
