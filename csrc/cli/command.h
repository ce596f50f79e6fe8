/* command.h - the commands of the program `cudrop`. */
#ifndef CUDROP_COMMAND_H
#define CUDROP_COMMAND_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_ARGUMENTS = 2 };

/* A command gets its own name as argv[0], and returns the program's exit status. */
int command_bench(int argc, char **argv);
int command_info(int argc, char **argv);
int command_mask(int argc, char **argv);
int command_verify(int argc, char **argv);

/* Print "cudrop: " and the formatted line on stderr; returns `status`. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* CUDROP_COMMAND_H */
