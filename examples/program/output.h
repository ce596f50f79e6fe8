/* output.h - files in the folder of a program's results. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

/* A folder's name is shorter than their difference. */
enum { OUTPUT_PATH_BYTES = 4096, OUTPUT_NAME_BYTES = 32 };

/* Write the path of a file in `folder`, whose name has at most OUTPUT_NAME_BYTES. */
void output_path(const char *folder, const char *name, char path[OUTPUT_PATH_BYTES]);

/* Open it anew, in a folder that is made if it is absent; NULL after a complaint. */
FILE *output_open(const char *folder, const char *name);

/* Remove a file, if it is there. */
void output_remove(const char *folder, const char *name);

/* Close what output_open() has opened; an exit status, EXIT_FAILED after a complaint if not all has been written. */
int output_close(FILE *file, const char *folder, const char *name);

/* See to it that what was printed on stdout is there; the same statuses. */
int output_flush(const char *what);

#endif /* OUTPUT_H */
