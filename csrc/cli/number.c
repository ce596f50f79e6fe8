/* number.c - strtoull() and strtod(), but only whole words are accepted. */
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

bool read_u64(const char *word, uint64_t *value) {
  const bool is_hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
  const char *digits = is_hex ? word + 2 : word;
  if (!isxdigit((unsigned char)digits[0]))
    return false; /* strtoull() takes blanks and signs */
  char *end = NULL;
  errno = 0;
  const unsigned long long number = strtoull(digits, &end, is_hex ? 16 : 10);
  if (errno != 0 || end == digits || *end != '\0') return false;
  *value = number;
  return true;
}

bool read_double(const char *word, double *value) {
  char *end = NULL;
  const double number = strtod(word, &end);
  if (end == word || *end != '\0') return false;
  *value = number;
  return true;
}
