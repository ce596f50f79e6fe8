/* number.h - reading numbers from words. */
#ifndef CUDROP_NUMBER_H
#define CUDROP_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Read a whole word as a number of at most 64 bits: decimal digits, or 0x and hexadecimal digits,
 * without signs and blanks. False leaves *value as it was.
 */
bool read_u64(const char *word, uint64_t *value);

/* Read a whole word as strtod() does. False leaves *value as it was. */
bool read_double(const char *word, double *value);

#endif /* CUDROP_NUMBER_H */
