/*
 * fashion.h - the images of Fashion-MNIST: grey maps of 28 by 28, in ten classes.
 *
 * Source: H. Xiao et al., "Fashion-MNIST: a novel image dataset for benchmarking machine
 * learning algorithms", 2017. Debian packages it as dataset-fashion-mnist.
 */
#ifndef FASHION_H
#define FASHION_H

#include <stdint.h>

enum { FASHION_PIXELS = 28 * 28, FASHION_CLASSES = 10 };

typedef struct {
  int count;
  uint8_t *pixel;    /* [count][FASHION_PIXELS], 0 to 255 */
  uint8_t *label;    /* [count], below FASHION_CLASSES */
  uint32_t checksum; /* CRC-32 of all pixels, then all labels */
} fashion_t;

/*
 * Load the first `count` images, or all for 0, of a part, "train" or "t10k", from its two
 * files in a folder. The files are read and checked to their ends. Returns an exit
 * status, and has said why when that is not EXIT_OK: EXIT_BAD_ARGUMENTS for more images
 * than there are, EXIT_FAILED for files that are absent or not as they should be. Give
 * the data to fashion_free() in any case.
 */
int fashion_load(fashion_t *data, const char *folder, const char *part, int count);
void fashion_free(fashion_t *data);

/* Write image i to x[FASHION_PIXELS], scaled to 0 to 1. */
void fashion_copy(const fashion_t *data, int i, float *x);

#endif /* FASHION_H */
