/* network_file.c - a network's file: the text, then the numbers. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

/* The numbers go as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "networks are little-endian");

static const char format_name[] = "cudrop-network";

/* ---- Reading ---------------------------------------------------------------------- */

/* What is still to be read. */
typedef struct {
  const char *at;
  size_t left;
  int line; /* the number of the last one */
} bytes_t;

/* The next line without its newline. */
static bool next_line(network_t *network, bytes_t *bytes, const char **text,
                      size_t *length) {
  const size_t most = bytes->left < NETWORK_LINE + 1 ? bytes->left : NETWORK_LINE + 1;
  const char *end = most == 0 ? NULL : memchr(bytes->at, '\n', most);
  ++bytes->line;
  if (end == NULL && most == bytes->left)
    return network_fail(network, bytes->line, "the file is cut short");
  if (end == NULL)
    return network_fail(network, bytes->line, "the line has more than %d characters",
                        NETWORK_LINE);
  *text = bytes->at;
  *length = (size_t)(end - bytes->at);
  bytes->left -= *length + 1;
  bytes->at = end + 1;
  return true;
}

static bool begins_with(const char *text, size_t length, const char *word) {
  const size_t letters = strlen(word);
  return length > letters && memcmp(text, word, letters) == 0 && text[letters] == ' ';
}

static bool read_version(network_t *network, bytes_t *bytes) {
  char wanted[32];
  const char *text = bytes->at;
  size_t length = 0;
  const size_t letters = strlen(format_name);
  const size_t most = bytes->left < letters ? bytes->left : letters;
  const bool is_one = begins_with(bytes->at, bytes->left, format_name);
  const bool may_be_one = most == 0 || memcmp(bytes->at, format_name, most) == 0;
  snprintf(wanted, sizeof wanted, "%s %d", format_name, NETWORK_VERSION);
  if (!may_be_one || (!is_one && bytes->left > letters))
    return network_fail(
        network, 1, "this is no network file: it does not begin with '%s'", format_name);
  if (!next_line(network, bytes, &text, &length)) return false;
  if (is_one && length == strlen(wanted) && memcmp(text, wanted, length) == 0)
    return true;
  return network_fail(network, 1, "not of version %d, which is this program's",
                      NETWORK_VERSION);
}

/* The word behind "data": how many bytes follow. */
static bool read_data_line(network_t *network, int line, const char *text, size_t length,
                           size_t *bytes) {
  *bytes = 0;
  for (size_t k = strlen("data "); k < length; ++k) {
    if (!isdigit((unsigned char)text[k]) || *bytes > NETWORK_MOST_BYTES)
      return network_fail(network, line, "this is no number of bytes up to %d",
                          NETWORK_MOST_BYTES);
    *bytes = *bytes * 10 + (size_t)(text[k] - '0');
  }
  return true;
}

static bool read_lines(network_t *network, bytes_t *bytes, size_t *data_bytes) {
  for (;;) {
    const char *text = NULL;
    size_t length = 0;
    if (!next_line(network, bytes, &text, &length)) return false;
    if (begins_with(text, length, "data"))
      return read_data_line(network, bytes->line, text, length, data_bytes);
    if (!network_take(network, bytes->line, text, length)) return false;
  }
}

/* Nothing is allocated before it is known that the bytes for it are there. */
static bool check_bytes(network_t *network, const bytes_t *bytes, size_t data_bytes) {
  size_t needed = 0;
  bool has_input = false, has_output = false;
  for (int k = 0; k < network->values; ++k) {
    const network_value_t *value = &network->value[k];
    if (value->kind == NETWORK_PARAMETER) needed += network_bytes(value);
    has_input = has_input || value->kind == NETWORK_INPUT;
    has_output = has_output || value->is_output;
  }
  if (!has_input || !has_output)
    return network_fail(network, bytes->line, "no line above says what the %s is",
                        has_input ? "output" : "input");
  if (data_bytes != needed)
    return network_fail(network, bytes->line,
                        "the parameters above have %zu bytes, and the data %zu", needed,
                        data_bytes);
  if (bytes->left < needed)
    return network_fail(network, bytes->line,
                        "the file is cut short: %zu bytes of data follow", bytes->left);
  if (bytes->left > needed)
    return network_fail(network, bytes->line,
                        "the file is longer than it says: %zu bytes of data follow",
                        bytes->left);
  return true;
}

static bool read_data(network_t *network, bytes_t *bytes) {
  for (int k = 0; k < network->values; ++k) {
    network_value_t *value = &network->value[k];
    if (value->kind != NETWORK_PARAMETER) continue;
    const size_t size = network_bytes(value);
    value->data = malloc(size);
    if (value->data == NULL)
      return network_fail(network, 0, "no memory for '%s'", value->name);
    memcpy(value->data, bytes->at, size);
    bytes->at += size;
  }
  return true;
}

bool network_read(network_t *network, const char *source, const void *bytes,
                  size_t size) {
  bytes_t left = {.at = bytes, .left = size};
  size_t data_bytes = 0;
  *network = (network_t){.values = 0};
  /* The end of a path says more than its beginning. */
  const size_t length = strlen(source), most = sizeof network->source - 1;
  snprintf(network->source, sizeof network->source, "%s",
           length > most ? source + (length - most) : source);
  return read_version(network, &left) && read_lines(network, &left, &data_bytes) &&
         check_bytes(network, &left, data_bytes) && read_data(network, &left);
}

/* All bytes of a file, for the caller to free; false after an error, in errno if not 0. */
static bool read_file(FILE *file, char **bytes, size_t *size) {
  size_t room = 1 << 16;
  *size = 0;
  *bytes = malloc(room);
  while (*bytes != NULL) {
    *size += fread(*bytes + *size, 1, room - *size, file);
    if (*size < room) return !ferror(file);
    errno = EFBIG;
    if (room > NETWORK_MOST_BYTES) return false;
    room *= 2;
    char *more = realloc(*bytes, room);
    if (more == NULL) return false;
    *bytes = more;
  }
  return false;
}

bool network_load(network_t *network, const char *path) {
  char *bytes = NULL;
  size_t size = 0;
  bool is_read = false;
  *network = (network_t){.values = 0};
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return network_fail(network, 0, "cannot open '%s': %s", path, strerror(errno));
  if (read_file(file, &bytes, &size)) {
    is_read = network_read(network, path, bytes, size);
  } else {
    network_fail(network, 0, "cannot read '%s': %s", path, strerror(errno));
  }
  free(bytes);
  fclose(file);
  return is_read;
}

/* ---- Writing ---------------------------------------------------------------------- */

static void write_value(FILE *file, const network_value_t *value) {
  if (value->kind == NETWORK_COMPUTED) return;
  fprintf(file, "%s %s %s", value->kind == NETWORK_INPUT ? "input" : "parameter",
          value->name, network_dtype_name(value->dtype));
  for (int d = 0; d < value->rank; ++d)
    fprintf(file, " %lld", (long long)value->shape[d]);
  fputc('\n', file);
}

/* A number as few digits as name it. */
static void write_attribute(FILE *file, const network_attribute_t *attribute) {
  char digits[32];
  for (int precision = 1; precision <= 17; ++precision) {
    snprintf(digits, sizeof digits, "%.*g", precision, attribute->number);
    if (strtod(digits, NULL) == attribute->number) break;
  }
  fprintf(file, " %s=%s", attribute->name, digits);
}

static void write_node(FILE *file, const network_t *network, const network_node_t *node) {
  fputs(node->operator_name, file);
  for (int k = 0; k < node->inputs; ++k)
    fprintf(file, " %s",
            node->input[k] == NETWORK_ABSENT ? "_" : network->value[node->input[k]].name);
  fputs(" ->", file);
  for (int k = 0; k < node->outputs; ++k)
    fprintf(file, " %s", network->value[node->output[k]].name);
  for (int k = 0; k < node->attributes; ++k) write_attribute(file, &node->attribute[k]);
  fputc('\n', file);
}

static void write_all(FILE *file, const network_t *network) {
  size_t bytes = 0;
  fprintf(file, "%s %d\n", format_name, NETWORK_VERSION);
  for (int k = 0; k < network->values; ++k) {
    const network_value_t *value = &network->value[k];
    write_value(file, value);
    if (value->kind == NETWORK_PARAMETER) bytes += network_bytes(value);
  }
  for (int k = 0; k < network->nodes; ++k) write_node(file, network, &network->node[k]);
  for (int k = 0; k < network->values; ++k)
    if (network->value[k].is_output) fprintf(file, "output %s\n", network->value[k].name);
  fprintf(file, "data %zu\n", bytes);
  for (int k = 0; k < network->values; ++k)
    if (network->value[k].kind == NETWORK_PARAMETER)
      fwrite(network->value[k].data, 1, network_bytes(&network->value[k]), file);
}

bool network_save(network_t *network, const char *path) {
  FILE *file = fopen(path, "wb");
  int error = errno;
  if (file != NULL) {
    write_all(file, network);
    bool is_written = fflush(file) == 0 && !ferror(file);
    error = errno;
    is_written = fclose(file) == 0 && is_written;
    if (is_written) return true;
    remove(path);
  }
  return network_fail(network, 0, "cannot write '%s': %s", path, strerror(error));
}
