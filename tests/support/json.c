/* json.c - RFC 8259 by recursive descent; each function returns what is behind its part. */
#include "json.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char *fault; /* the first, NULL while there is none */

static const char *skip_value(const char *at);

static const char *skip_blanks(const char *at) {
  return at + strspn(at, " \t\r\n");
}

static const char *fail(const char *at) {
  if (fault == NULL) fault = at;
  return at;
}

static const char *expect(const char *at, char wanted) {
  return *at == wanted ? at + 1 : fail(at);
}

static const char *skip_digits(const char *at) {
  if (!isdigit((unsigned char)*at)) return fail(at);
  return at + strspn(at, "0123456789");
}

static const char *skip_number(const char *at) {
  if (*at == '-') ++at;
  at = *at == '0' ? at + 1 : skip_digits(at);
  if (*at == '.') at = skip_digits(at + 1);
  if (*at != 'e' && *at != 'E') return at;
  ++at;
  return skip_digits(at + (*at == '+' || *at == '-'));
}

static const char *skip_escape(const char *at) {
  if (*at != 'u') return *at != '\0' && strchr("\"\\/bfnrt", *at) ? at + 1 : fail(at);
  for (int k = 1; k <= 4; ++k)
    if (!isxdigit((unsigned char)at[k])) return fail(at + k);
  return at + 5;
}

static const char *skip_string(const char *at) {
  at = expect(at, '"');
  while (fault == NULL && *at != '"') {
    if ((unsigned char)*at < 0x20) return fail(at);
    at = *at == '\\' ? skip_escape(at + 1) : at + 1;
  }
  return at + (fault == NULL);
}

/* Values, or with `has_names` members, between brackets. */
static const char *skip_list(const char *at, char end, bool has_names) {
  at = skip_blanks(at + 1);
  if (*at == end) return at + 1;
  while (fault == NULL) {
    if (has_names) at = expect(skip_blanks(skip_string(skip_blanks(at))), ':');
    at = skip_value(at);
    if (*at == end) return at + 1;
    at = expect(at, ',');
  }
  return at;
}

static const char *skip_value(const char *at) {
  static const char *const words[] = {"true", "false", "null"};
  if (fault != NULL) return at;
  at = skip_blanks(at);
  for (size_t k = 0; k < sizeof words / sizeof words[0]; ++k)
    if (strncmp(at, words[k], strlen(words[k])) == 0)
      return skip_blanks(at + strlen(words[k]));
  if (*at == '{') return skip_blanks(skip_list(at, '}', true));
  if (*at == '[') return skip_blanks(skip_list(at, ']', false));
  return skip_blanks(*at == '"' ? skip_string(at) : skip_number(at));
}

const char *json_fault(const char *text) {
  fault = NULL;
  const char *end = skip_value(text);
  return fault != NULL ? fault : *end != '\0' ? end : NULL;
}
