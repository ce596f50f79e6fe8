/* fashion.c - reading the idx files of Fashion-MNIST, compressed by gzip or plain. */
#include "fashion.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "report.h"

enum { MOST_ITEMS = 1000000 }; /* in a file; its bytes are then below 2^31 */

/*
 * An idx file is a header of big-endian 32-bit words, then one byte per element:
 *
 *   images   0x803  count  28  28  pixels          labels   0x801  count  labels
 */
typedef struct {
  const char *kind;
  unsigned words; /* in the header */
  uint32_t header[4];
  int item_bytes;
} layout_t;

static const layout_t images = {"images-idx3", 4, {0x803, 0, 28, 28}, FASHION_PIXELS};
static const layout_t labels = {"labels-idx1", 2, {0x801, 0}, 1};

typedef struct {
  gzFile gz;
  char path[4096];
} idx_t;

static int complain_about(const idx_t *file, const char *what) {
  return complain(EXIT_FAILED, "'%s': %s", file->path, what);
}

/* Say why the last gzread() gave less than was asked for. */
static int complain_of_read(const idx_t *file) {
  int code = Z_OK;
  const char *text = gzerror(file->gz, &code);
  if (code == Z_OK || code == Z_BUF_ERROR) text = "the file is cut short";
  if (code == Z_ERRNO) text = strerror(errno);
  if (code == Z_DATA_ERROR) text = "the file is damaged";
  return complain_about(file, text);
}

static uint32_t read_word(const uint8_t *byte) {
  return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 |
         (uint32_t)byte[3];
}

static int read_header(const idx_t *file, const layout_t *layout, int *count) {
  uint8_t byte[sizeof layout->header];
  const unsigned bytes = 4 * layout->words;
  if (gzread(file->gz, byte, bytes) != (int)bytes) return complain_of_read(file);
  const uint32_t items = read_word(byte + 4);
  bool is_right = items > 0 && items <= MOST_ITEMS;
  for (unsigned w = 0; w < layout->words; ++w)
    is_right = is_right && (w == 1 || read_word(byte + 4 * w) == layout->header[w]);
  if (!is_right) return complain_about(file, "this is not a file of Fashion-MNIST");
  *count = (int)items;
  return EXIT_OK;
}

/*
 * Read all items into an allocation. One byte more is asked for than there should be: at
 * the end of the data zlib then checks the checksum behind it.
 */
static int read_items(const idx_t *file, const layout_t *layout, int *count,
                      uint8_t **items) {
  const int status = read_header(file, layout, count);
  if (status != EXIT_OK) return status;
  const int bytes = *count * layout->item_bytes;
  *items = malloc((size_t)bytes + 1);
  if (*items == NULL) return complain_about(file, "no memory for the file");
  const int got = gzread(file->gz, *items, (unsigned)bytes + 1);
  int code = Z_OK;
  gzerror(file->gz, &code);
  if (got > bytes) return complain_about(file, "the file is longer than it says");
  return got == bytes && code == Z_OK ? EXIT_OK : complain_of_read(file);
}

static int load_file(const char *folder, const char *part, const layout_t *layout,
                     int *count, uint8_t **items) {
  idx_t file;
  const int length = snprintf(file.path, sizeof file.path, "%s/%s-%s-ubyte.gz", folder,
                              part, layout->kind);
  if (length < 0 || (size_t)length >= sizeof file.path)
    return complain(EXIT_BAD_ARGUMENTS, "--data: the name is too long");
  file.gz = gzopen(file.path, "rb");
  if (file.gz == NULL)
    return complain(EXIT_FAILED, "cannot open '%s': %s (see --data)", file.path,
                    strerror(errno));
  const int status = read_items(&file, layout, count, items);
  gzclose(file.gz);
  return status;
}

int fashion_load(fashion_t *data, const char *folder, const char *part, int count) {
  int in_images = 0;
  int in_labels = 0;
  *data = (fashion_t){.count = count};
  int status = load_file(folder, part, &images, &in_images, &data->pixel);
  if (status == EXIT_OK)
    status = load_file(folder, part, &labels, &in_labels, &data->label);
  if (status != EXIT_OK) return status;
  if (in_images != in_labels)
    return complain(EXIT_FAILED, "'%s': %s has %d images, but %d labels", folder, part,
                    in_images, in_labels);
  if (count > in_images)
    return complain(EXIT_BAD_ARGUMENTS, "%d images are asked for, '%s' has %d in %s",
                    count, folder, in_images, part);
  if (count == 0) data->count = in_images;
  for (int i = 0; i < data->count; ++i) {
    if (data->label[i] >= FASHION_CLASSES)
      return complain(EXIT_FAILED, "'%s': image %d of %s has the label %d", folder, i,
                      part, data->label[i]);
  }
  const uLong of_pixels = crc32_z(0, data->pixel, (size_t)data->count * FASHION_PIXELS);
  data->checksum = (uint32_t)crc32_z(of_pixels, data->label, (size_t)data->count);
  return EXIT_OK;
}

void fashion_free(fashion_t *data) {
  free(data->pixel);
  free(data->label);
  *data = (fashion_t){.count = 0};
}

void fashion_copy(const fashion_t *data, int i, float *x) {
  const uint8_t *pixel = data->pixel + (size_t)i * FASHION_PIXELS;
  for (int k = 0; k < FASHION_PIXELS; ++k) x[k] = (float)pixel[k] * (1.0f / 255.0f);
}
