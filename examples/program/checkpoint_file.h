/*
 * checkpoint_file.h - a file from which a program goes on.
 *
 * A file on disk is complete: another one is written beside it, with the number of the process and
 * ".tmp" behind its name, and then takes its place; a program that is killed at this leaves the
 * other one for its user to remove. In the byte order of the machine a file holds
 *
 *    0  magic, the program's name, 12 bytes
 *   12  version
 *   16  CRC-32 of the rest of the head
 *   20  position, then key
 *       body
 *       CRC-32 of the body
 *
 * The position says how far the program has come, the key what it has to be asked again so that it
 * may go on.
 */
#ifndef CHECKPOINT_FILE_H
#define CHECKPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  const char *program; /* at most 11 characters */
  int version;         /* of the body, and of what is computed from it */
  void *position;      /* written from here, and read to here */
  size_t position_bytes;
  const uint64_t *key;          /* [keys], of the program that runs */
  const char *const *key_names; /* [keys], options */
  int keys;                     /* at most CHECKPOINT_MOST_KEYS */
} checkpoint_head_t;

enum { CHECKPOINT_MOST_KEYS = 32 };

/* A file while its body goes in or out. */
typedef struct {
  FILE *file;
  bool is_written;
  uint32_t checksum; /* of what has gone */
  bool has_failed;   /* nothing goes any more */
  int error;         /* errno, or 0 at the end of what is read */
} checkpoint_stream_t;

/* Write or read so many bytes; false where the stream has failed, now or before. */
bool checkpoint_transfer(checkpoint_stream_t *stream, void *data, size_t bytes);

/*
 * Let the body go through the stream, up to its end or where the stream fails. Returns NULL, or the
 * words of what else has failed.
 */
typedef const char *checkpoint_body_t(checkpoint_stream_t *stream, void *state);

/* Write the file. Returns an exit status, EXIT_FAILED after a line on stderr. */
int checkpoint_file_write(const char *path, const checkpoint_head_t *head,
                          checkpoint_body_t *body, void *state);

/*
 * Read position and body. Returns an exit status, EXIT_FAILED after a line on stderr for a file
 * that is absent, cut short, damaged, of another program or version, or with another key;
 * the file stays as it is.
 */
int checkpoint_file_read(const char *path, const checkpoint_head_t *head,
                         checkpoint_body_t *body, void *state);

#endif /* CHECKPOINT_FILE_H */
