/* command.h - the commands of the program `cudrop`, and how they read their arguments. */
#ifndef CUDROP_COMMAND_H
#define CUDROP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_ARGUMENTS = 2 };

/* A command gets its own name as argv[0], and returns the program's exit status. */
int command_info(int argc, char **argv);
int command_mask(int argc, char **argv);
int command_verify(int argc, char **argv);

/* Print "cudrop: " and the formatted line on stderr; returns `status`. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Read a whole word as a number: decimal digits, or 0x and hexadecimal ones; no sign, no
 * blanks, nothing behind it, at most 64 bits. `p` is read by strtod, to its end. False
 * leaves the value alone.
 */
bool read_u64(const char *word, uint64_t *value);
bool read_double(const char *word, double *value);

#endif /* CUDROP_COMMAND_H */
