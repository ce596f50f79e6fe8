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
 * The position says how far the program has come, the key which options it has been given. Who goes
 * on need not repeat them.
 */
#ifndef CHECKPOINT_FILE_H
#define CHECKPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum {
  CHECKPOINT_NUMBER,   /* from least to most */
  CHECKPOINT_RATE,     /* the bits of a double, from 0 to 1 */
  CHECKPOINT_WORD,     /* a number from least to most that stands for one of words */
  CHECKPOINT_CHECKSUM, /* of what the option's file or folder holds */
} checkpoint_kind_t;

/* An option in the key. */
typedef struct {
  const char *name;
  checkpoint_kind_t kind;
  uint64_t least, most;
  const char *const *words;
  bool may_differ; /* who goes on may choose another value */
} checkpoint_key_t;

typedef struct {
  const char *program; /* at most 11 characters */
  int version;         /* of the body, and of what is computed from it */
  void *position;      /* written from here, and read to here */
  size_t position_bytes;
  uint64_t *key;                /* [keys], of the program that runs */
  const checkpoint_key_t *list; /* [keys] */
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
 * Read position and key: a value of the key becomes the file's, unless bit k of `given` is set,
 * which says that the command line has option k. Returns an exit status, EXIT_FAILED after a line
 * on stderr for a file that is absent, damaged, of another program or version, or has another value
 * of a given option; the file stays as it is.
 */
int checkpoint_file_read_key(const char *path, const checkpoint_head_t *head,
                             uint64_t given);

/* Read position and body; the key has to be the file's. Returns the same. */
int checkpoint_file_read(const char *path, const checkpoint_head_t *head,
                         checkpoint_body_t *body, void *state);

/* Say that an option has one value here and another one in the file; returns EXIT_FAILED. */
int checkpoint_file_refuse(const char *path, const checkpoint_key_t *key, uint64_t here,
                           uint64_t there);

/*
 * A run that begins would write over the file of an earlier one: returns EXIT_OK if there is none,
 * or EXIT_BAD_ARGUMENTS after a line on stderr.
 */
int checkpoint_file_expect_none(const char *path);

#endif /* CHECKPOINT_FILE_H */
