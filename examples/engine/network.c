/* network.c - a network's lines, whoever writes them: words, names, sizes, and what they make. */
#include "network.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 12 }; /* more than any line has */

typedef struct {
  int number;
  int count;
  const char *word[WORDS + 1];
  char text[NETWORK_LINE + 1];
} line_t;

bool network_fail(network_t *network, int line, const char *format, ...) {
  char words[sizeof network->error];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  char place[sizeof network->source + 16] = "";
  if (line > 0) snprintf(place, sizeof place, "%s:%d: ", network->source, line);
  if (line == 0 && network->source[0] != '\0')
    snprintf(place, sizeof place, "%s: ", network->source);
  const int cut = (int)(sizeof network->error - strlen(place) - 1);
  snprintf(network->error, sizeof network->error, "%s%.*s", place, cut, words);
  return false;
}

void network_free(network_t *network) {
  for (int k = 0; k < network->values; ++k) free(network->value[k].data);
  *network = (network_t){.values = 0};
}

/* ---- Types ------------------------------------------------------------------------ */

static const struct {
  const char *name;
  cudrop_dtype_t dtype;
} dtypes[] = {{"f32", CUDROP_F32}, {"f16", CUDROP_F16},       {"bf16", CUDROP_BF16},
              {"f64", CUDROP_F64}, {"f8e4m3", CUDROP_F8E4M3}, {"f8e5m2", CUDROP_F8E5M2},
              {"u8", CUDROP_U8}};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

const char *network_dtype_name(cudrop_dtype_t dtype) {
  for (int k = 0; k < DTYPES; ++k)
    if (dtypes[k].dtype == dtype) return dtypes[k].name;
  return NULL;
}

cudrop_dtype_t network_dtype(const char *name) {
  for (int k = 0; k < DTYPES; ++k)
    if (strcmp(dtypes[k].name, name) == 0) return dtypes[k].dtype;
  return (cudrop_dtype_t)0;
}

size_t network_bytes(const network_value_t *parameter) {
  return (size_t)parameter->elements * cudrop_dtype_bytes(parameter->dtype);
}

/* ---- Words ------------------------------------------------------------------------ */

static bool split(network_t *network, line_t *line, const char *text, size_t length) {
  if (length > NETWORK_LINE)
    return network_fail(network, line->number, "the line has more than %d characters",
                        NETWORK_LINE);
  for (size_t k = 0; k < length; ++k) {
    const bool is_blank = text[k] == ' ';
    const bool begins = k == 0 || text[k - 1] == ' ';
    if (text[k] < ' ' || text[k] > '~')
      return network_fail(network, line->number, "byte %d is no printable character",
                          (int)k + 1);
    if (is_blank && (begins || k + 1 == length))
      return network_fail(network, line->number, "a blank that parts no words");
    if (begins && line->count == WORDS)
      return network_fail(network, line->number, "more than %d words", WORDS);
    if (begins) line->word[line->count++] = line->text + k;
    line->text[k] = text[k];
    if (is_blank) line->text[k] = '\0';
  }
  line->text[length] = '\0';
  if (line->count == 0) return network_fail(network, line->number, "an empty line");
  return true;
}

static bool is_name(const char *word) {
  const size_t length = strlen(word);
  if (length == 0 || length >= NETWORK_NAME || strcmp(word, "_") == 0) return false;
  for (size_t k = 0; k < length; ++k)
    if (!isalnum((unsigned char)word[k]) && word[k] != '.' && word[k] != '_')
      return false;
  return true;
}

int network_find(const network_t *network, const char *name) {
  for (int k = 0; k < network->values; ++k)
    if (strcmp(network->value[k].name, name) == 0) return k;
  return NETWORK_ABSENT;
}

/* A value of a new name, or NULL. It counts once the line has no error. */
static network_value_t *define(network_t *network, const line_t *line, const char *name,
                               network_kind_t kind) {
  if (!is_name(name)) {
    network_fail(network, line->number, "'%s' is no name", name);
  } else if (network_find(network, name) != NETWORK_ABSENT) {
    network_fail(network, line->number, "'%s' is defined already", name);
  } else if (network->values == NETWORK_VALUES) {
    network_fail(network, line->number, "more than %d values", NETWORK_VALUES);
  } else {
    network_value_t *value = &network->value[network->values];
    *value = (network_value_t){.kind = kind, .dtype = CUDROP_F32};
    memcpy(value->name, name, strlen(name) + 1);
    return value;
  }
  return NULL;
}

/* The sizes are the words from `first` on; none is a single number. */
static bool read_sizes(network_t *network, const line_t *line, int first,
                       network_value_t *value) {
  value->elements = 1;
  if (line->count - first > NETWORK_RANK)
    return network_fail(network, line->number, "more than %d sizes", NETWORK_RANK);
  for (int k = first; k < line->count; ++k) {
    char *end = NULL;
    const char *word = line->word[k];
    const long long size = strtoll(word, &end, 10);
    if (!isdigit((unsigned char)word[0]) || *end != '\0' || size < 1)
      return network_fail(network, line->number, "'%s' is no size", word);
    if (size > NETWORK_MOST_BYTES / value->elements)
      return network_fail(network, line->number, "'%s' has more than %d elements",
                          value->name, NETWORK_MOST_BYTES);
    value->shape[value->rank++] = size;
    value->elements *= size;
  }
  return true;
}

/* ---- Lines ------------------------------------------------------------------------ */

/* An input and a parameter are a name, a type and sizes. */
static bool take_data(network_t *network, const line_t *line, network_kind_t kind) {
  if (line->count < 3)
    return network_fail(network, line->number, "'%s' has a name and a type behind it",
                        line->word[0]);
  network_value_t *value = define(network, line, line->word[1], kind);
  if (value == NULL) return false;
  value->dtype = network_dtype(line->word[2]);
  if (value->dtype == 0)
    return network_fail(network, line->number, "'%s' is no type", line->word[2]);
  if (!read_sizes(network, line, 3, value)) return false;
  if (network_bytes(value) > NETWORK_MOST_BYTES)
    return network_fail(network, line->number, "'%s' has more than %d bytes", value->name,
                        NETWORK_MOST_BYTES);
  ++network->values;
  return true;
}

static bool take_input(network_t *network, const line_t *line) {
  for (int k = 0; k < network->values; ++k)
    if (network->value[k].kind == NETWORK_INPUT)
      return network_fail(network, line->number, "a second input");
  return take_data(network, line, NETWORK_INPUT);
}

static bool take_output(network_t *network, const line_t *line) {
  const int k = line->count == 2 ? network_find(network, line->word[1]) : NETWORK_ABSENT;
  if (line->count != 2)
    return network_fail(network, line->number, "an output is one name");
  if (k == NETWORK_ABSENT || network->value[k].kind != NETWORK_COMPUTED)
    return network_fail(network, line->number, "'%s' is not computed above",
                        line->word[1]);
  network->value[k].is_output = true;
  return true;
}

/* ---- An operator's line ------------------------------------------------------------ */

static bool take_inputs(network_t *network, const line_t *line, network_node_t *node,
                        int *at) {
  for (; *at < line->count && strcmp(line->word[*at], "->") != 0; ++*at) {
    const char *word = line->word[*at];
    const int k = network_find(network, word);
    if (node->inputs == NETWORK_INPUTS)
      return network_fail(network, line->number, "more than %d inputs", NETWORK_INPUTS);
    if (k == NETWORK_ABSENT && strcmp(word, "_") != 0)
      return network_fail(network, line->number, "'%s' is not defined above", word);
    node->input[node->inputs++] = k;
  }
  if (*at == line->count)
    return network_fail(network, line->number,
                        "'%s' is not 'input', 'parameter', 'output' or 'data', and "
                        "there is no -> for an operator's outputs",
                        line->word[0]);
  ++*at;
  return true;
}

static bool take_outputs(network_t *network, const line_t *line, network_node_t *node,
                         int *at) {
  for (; *at < line->count && strchr(line->word[*at], '=') == NULL; ++*at) {
    if (node->outputs == NETWORK_OUTPUTS)
      return network_fail(network, line->number, "more than %d outputs", NETWORK_OUTPUTS);
    if (define(network, line, line->word[*at], NETWORK_COMPUTED) == NULL) return false;
    node->output[node->outputs++] = network->values++;
  }
  if (node->outputs == 0)
    return network_fail(network, line->number, "an operator without outputs");
  return true;
}

static bool take_attribute(network_t *network, const line_t *line, network_node_t *node,
                           const char *word) {
  network_attribute_t *attribute = &node->attribute[node->attributes];
  const char *equals = strchr(word, '=');
  if (node->attributes == NETWORK_ATTRIBUTES)
    return network_fail(network, line->number, "more than %d attributes",
                        NETWORK_ATTRIBUTES);
  if (equals == NULL)
    return network_fail(network, line->number, "'%s' is no attribute", word);
  char *end = NULL;
  const int length = (int)(equals - word);
  attribute->number = strtod(equals + 1, &end);
  snprintf(attribute->name, sizeof attribute->name, "%.*s", length, word);
  if (!is_name(attribute->name) || length >= NETWORK_NAME || equals[1] == '\0' ||
      *end != '\0' || !isfinite(attribute->number))
    return network_fail(network, line->number, "'%s' is no attribute", word);
  ++node->attributes;
  return true;
}

static bool take_operator(network_t *network, const line_t *line) {
  int at = 1;
  if (network->nodes == NETWORK_NODES)
    return network_fail(network, line->number, "more than %d operators", NETWORK_NODES);
  network_node_t *node = &network->node[network->nodes];
  *node = (network_node_t){.line = line->number};
  if (!is_name(line->word[0]))
    return network_fail(network, line->number, "'%s' is no name", line->word[0]);
  memcpy(node->operator_name, line->word[0], strlen(line->word[0]) + 1);
  if (!take_inputs(network, line, node, &at) || !take_outputs(network, line, node, &at))
    return false;
  for (; at < line->count; ++at)
    if (!take_attribute(network, line, node, line->word[at])) return false;
  ++network->nodes;
  return true;
}

bool network_take(network_t *network, int number, const char *text, size_t length) {
  line_t line = {.number = number, .word = {""}};
  if (!split(network, &line, text, length)) return false;
  if (strcmp(line.word[0], "input") == 0) return take_input(network, &line);
  if (strcmp(line.word[0], "parameter") == 0)
    return take_data(network, &line, NETWORK_PARAMETER);
  if (strcmp(line.word[0], "output") == 0) return take_output(network, &line);
  return take_operator(network, &line);
}

bool network_add(network_t *network, const char *format, ...) {
  char text[2 * NETWORK_LINE];
  const int values = network->values;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (!network_take(network, 0, text, strlen(text))) return false;
  network_value_t *last = &network->value[network->values - 1];
  if (network->values == values || last->kind != NETWORK_PARAMETER) return true;
  last->data = calloc(1, network_bytes(last));
  return last->data != NULL || network_fail(network, 0, "no memory for '%s'", last->name);
}
