/* number.h - reading numbers from words. */
#ifndef CUDROP_NUMBER_H
#define CUDROP_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Read a whole word as a number: decimal digits, or 0x and hexadecimal ones; no sign, no
 * blanks, nothing behind it, at most 64 bits. `p` is read by strtod, to its end. False
 * leaves the value alone.
 */
bool read_u64(const char *word, uint64_t *value);
bool read_double(const char *word, double *value);

#endif /* CUDROP_NUMBER_H */
