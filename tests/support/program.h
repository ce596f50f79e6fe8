/* program.h - the program `cudrop`, run by a shell as a user runs it. */
#ifndef CUDROP_PROGRAM_H
#define CUDROP_PROGRAM_H

#include <stddef.h>

/*
 * Run cudrop with these arguments, and whatever the shell makes of them; output[0..size) gets
 * what is printed, cut to size - 1 bytes. Returns the exit status. The second form puts a word
 * of the shell's before the program.
 */
int program_run(const char *arguments, char *output, size_t size);
int program_run_within(const char *before, const char *arguments, char *output,
                       size_t size);

#endif /* CUDROP_PROGRAM_H */
