/*
 * network.h - a trained network as a file: a text that says what it computes, and its numbers.
 *
 *   cudrop-network 1
 *   input a0 f32 784
 *   parameter w0 f32 784 10
 *   parameter b0 f32 10
 *   Dropout a0 -> kept0 ratio=0.2
 *   Gemm kept0 w0 b0 -> h1
 *   Softmax h1 -> probability
 *   Mean probability -> mean
 *   Entropy mean -> entropy
 *   MutualInformation probability -> information
 *   output mean
 *   output entropy
 *   output information
 *   data 31400
 *   <31400 bytes>
 *
 * The names are free, but the program `engine` asks for these: the input a0, an image of 784
 * numbers, and the outputs mean, of 10 classes, entropy and information.
 *
 * Lines end with a newline, words stand between single blanks, all characters are printable
 * ASCII, and a line has at most NETWORK_LINE of them. The first line is the format and its
 * version. After it, in any order that defines a name before it is used:
 *
 *   input NAME TYPE SIZE...           by rows: the sizes are those of one row, none of them for
 *                                     a number; how many rows there are is the caller's to say.
 *                                     There is one input. A type is f32, f16, bf16, f64, f8e4m3,
 *                                     f8e5m2 or u8.
 *   parameter NAME TYPE SIZE...       its sizes are all there is, none of them for a number
 *   OPERATOR NAME... -> NAME... KEY=NUMBER...
 *                                     Dropout, Gemm, Relu, Softmax, and over the samples or
 *                                     classes Mean, Variance, Entropy, MutualInformation: a file
 *                                     of that name says what it takes; _ is an input that is
 *                                     left out
 *   output NAME                       what the caller wants; at least one
 *
 * The line "data BYTES" ends the text. What follows are the elements of all parameters in the
 * order of their lines, row-major, little-endian, nothing between and nothing behind them.
 *
 * A name is of letters, digits, points and underscores, is not "_", and has at most
 * NETWORK_NAME - 1 characters.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

enum {
  NETWORK_VERSION = 1,
  NETWORK_LINE = 255,
  NETWORK_NAME = 32,
  NETWORK_RANK = 6,       /* of a row, or of a parameter */
  NETWORK_VALUES = 256,   /* input, parameters and what is computed */
  NETWORK_NODES = 128,    /* operators */
  NETWORK_INPUTS = 3,     /* of an operator */
  NETWORK_OUTPUTS = 2,    /* likewise */
  NETWORK_ATTRIBUTES = 2, /* likewise */
  NETWORK_ABSENT = -1,    /* in place of an input's number */
  NETWORK_MOST_BYTES = 1 << 30
};

typedef enum { NETWORK_INPUT, NETWORK_PARAMETER, NETWORK_COMPUTED } network_kind_t;

typedef struct {
  char name[NETWORK_NAME];
  network_kind_t kind;
  bool is_output;
  cudrop_dtype_t dtype; /* of the input and of a parameter, like all that follows */
  int rank;
  int64_t shape[NETWORK_RANK];
  int64_t elements; /* the product of the shape */
  void *data;       /* of a parameter, in host memory, the network's */
} network_value_t;

typedef struct {
  char name[NETWORK_NAME];
  double number;
} network_attribute_t;

typedef struct {
  char operator_name[NETWORK_NAME];
  int line; /* of the file; 0 for a node that was added by a program */
  int inputs, outputs, attributes;
  int input[NETWORK_INPUTS]; /* numbers of values, or NETWORK_ABSENT */
  int output[NETWORK_OUTPUTS];
  network_attribute_t attribute[NETWORK_ATTRIBUTES];
} network_node_t;

/* Some 60 KB; give it to network_free() in any case once it is {0}. */
typedef struct {
  int values, nodes;
  network_value_t value[NETWORK_VALUES];
  network_node_t node[NETWORK_NODES];
  char source[64]; /* what the file is called in errors */
  char error[256]; /* in words, after a call below has returned false */
} network_t;

/*
 * Read a network from a file, or from bytes that `source` names in errors. Whether its
 * operators exist and their shapes fit is for engine_open() to say. False after an error, which
 * names file and line: a file that is absent, cut short, longer than it says or than
 * NETWORK_MOST_BYTES, of another version, or that breaks a rule above.
 */
bool network_load(network_t *network, const char *path);
bool network_read(network_t *network, const char *source, const void *bytes, size_t size);
void network_free(network_t *network);

/* Write a network to a file. False after an error, and then there is no file. */
bool network_save(network_t *network, const char *path);

/*
 * Networks made by a program, line by line: the formatted text is an input, a parameter, an
 * operator or an output as above. A parameter's data is then 0, for the program to fill in.
 */
bool network_add(network_t *network, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The number of the value of that name, NETWORK_ABSENT if there is none. */
int network_find(const network_t *network, const char *name);

/* The bytes of a parameter's data. */
size_t network_bytes(const network_value_t *parameter);

/* How a type is called in a file, NULL for one that a network does not have; and back, 0. */
const char *network_dtype_name(cudrop_dtype_t dtype);
cudrop_dtype_t network_dtype(const char *name);

/* Write the words of an error; returns false. With line 0 no line is named. */
bool network_fail(network_t *network, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Take a line in, as network_add() does, but give a parameter no data. For network_read(). */
bool network_take(network_t *network, int line, const char *text, size_t length);

#endif /* NETWORK_H */
