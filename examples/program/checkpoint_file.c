/* checkpoint_file.c - the head and the body of a file, and what makes one unfit. */
#define _GNU_SOURCE /* fileno, fsync */
#include "checkpoint_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "output.h"
#include "report.h"

enum { VALUE_BYTES = 32 };

/* ---- The body --------------------------------------------------------------------- */

static uint32_t sum_up(uint32_t checksum, const void *data, size_t bytes) {
  return (uint32_t)crc32_z(checksum, data, bytes);
}

static bool move(checkpoint_stream_t *stream, void *data, size_t bytes) {
  if (stream->has_failed) return false;
  const size_t gone = stream->is_written ? fwrite(data, 1, bytes, stream->file)
                                         : fread(data, 1, bytes, stream->file);
  stream->has_failed = gone != bytes;
  if (stream->has_failed)
    stream->error = stream->is_written || ferror(stream->file) ? errno : 0;
  return !stream->has_failed;
}

bool checkpoint_transfer(checkpoint_stream_t *stream, void *data, size_t bytes) {
  if (!move(stream, data, bytes)) return false;
  stream->checksum = sum_up(stream->checksum, data, bytes);
  return true;
}

/* ---- The head --------------------------------------------------------------------- */

/* What stands in front of position and key. */
typedef struct {
  char magic[12];
  uint32_t version;
  uint32_t checksum;
} label_t;

static uint32_t sum_up_head(const void *position, size_t bytes, const uint64_t *key,
                            int keys) {
  return sum_up(sum_up(0, position, bytes), key, (size_t)keys * sizeof *key);
}

static label_t make_label(const checkpoint_head_t *head) {
  label_t label = {.version = (uint32_t)head->version};
  strncpy(label.magic, head->program, sizeof label.magic - 1);
  label.checksum =
      sum_up_head(head->position, head->position_bytes, head->key, head->keys);
  return label;
}

/* ---- The key ---------------------------------------------------------------------- */

/* Could the program have been given that value? */
static bool is_possible(const checkpoint_key_t *key, uint64_t value) {
  double rate = 0.0;
  if (key->kind == CHECKPOINT_CHECKSUM) return true;
  if (key->kind != CHECKPOINT_RATE) return value >= key->least && value <= key->most;
  memcpy(&rate, &value, sizeof rate);
  return rate >= 0.0 && rate <= 1.0;
}

/* As it is given, with as many digits as a number needs. */
static const char *format_value(const checkpoint_key_t *key, uint64_t value,
                                char text[VALUE_BYTES]) {
  double rate = 0.0;
  memcpy(&rate, &value, sizeof rate);
  if (key->kind == CHECKPOINT_WORD) return key->words[value];
  if (key->kind == CHECKPOINT_NUMBER)
    snprintf(text, VALUE_BYTES, "%llu", (unsigned long long)value);
  for (int digits = 6; key->kind == CHECKPOINT_RATE && digits <= 17; ++digits) {
    snprintf(text, VALUE_BYTES, "%.*g", digits, rate);
    if (strtod(text, NULL) == rate) break;
  }
  return text;
}

int checkpoint_file_refuse(const char *path, const checkpoint_key_t *key, uint64_t here,
                           uint64_t there) {
  char mine[VALUE_BYTES], file[VALUE_BYTES];
  if (key->kind == CHECKPOINT_CHECKSUM)
    return complain(EXIT_FAILED,
                    "cannot resume from '%s': what --%s names has the checksum %llx, and "
                    "the checkpoint's had %llx",
                    path, key->name, (unsigned long long)here, (unsigned long long)there);
  return complain(EXIT_FAILED,
                  "cannot resume from '%s': --%s = %s, and the checkpoint has --%s %s",
                  path, key->name, format_value(key, here, mine), key->name,
                  format_value(key, there, file));
}

/* ---- Writing ---------------------------------------------------------------------- */

static void write_head(checkpoint_stream_t *stream, const checkpoint_head_t *head) {
  label_t label = make_label(head);
  uint64_t key[CHECKPOINT_MOST_KEYS];
  memcpy(key, head->key, (size_t)head->keys * sizeof *key);
  move(stream, &label, sizeof label);
  move(stream, head->position, head->position_bytes);
  move(stream, key, (size_t)head->keys * sizeof *key);
}

/* Returns the words of what has failed, or NULL. */
static const char *write_all(FILE *file, const checkpoint_head_t *head,
                             checkpoint_body_t *body, void *state) {
  checkpoint_stream_t stream = {.file = file, .is_written = true};
  write_head(&stream, head);
  const char *words = body(&stream, state);
  if (words != NULL) return words;
  uint32_t checksum = stream.checksum;
  move(&stream, &checksum, sizeof checksum);
  if (stream.has_failed) return strerror(stream.error);
  return fflush(file) == 0 && fsync(fileno(file)) == 0 ? NULL : strerror(errno);
}

int checkpoint_file_write(const char *path, const checkpoint_head_t *head,
                          checkpoint_body_t *body, void *state) {
  char beside[OUTPUT_PATH_BYTES + 32];
  snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid());
  FILE *file = fopen(beside, "wb");
  if (file == NULL)
    return complain(EXIT_FAILED, "cannot write '%s': %s", beside, strerror(errno));
  const char *words = write_all(file, head, body, state);
  fclose(file); /* all that is needed is on the disk already */
  if (words == NULL && rename(beside, path) == 0) return EXIT_OK;
  if (words == NULL) words = strerror(errno);
  remove(beside);
  return complain(EXIT_FAILED, "cannot write '%s': %s", path, words);
}

/* ---- Reading ---------------------------------------------------------------------- */

/* The read went past the end, or failed. */
static int complain_of_read(const checkpoint_stream_t *stream, const char *path) {
  return complain(
      EXIT_FAILED, "'%s': %s", path,
      stream->error != 0 ? strerror(stream->error) : "the checkpoint is cut short");
}

static int complain_of_damage(const char *path) {
  return complain(EXIT_FAILED, "'%s': the checkpoint is damaged", path);
}

/* Another key may have another length, so that the version is looked at before the rest. */
static int read_label(checkpoint_stream_t *stream, const char *path,
                      const checkpoint_head_t *head, label_t *label) {
  const label_t wanted = make_label(head);
  if (!move(stream, label, sizeof *label)) return complain_of_read(stream, path);
  if (memcmp(label->magic, wanted.magic, sizeof wanted.magic) != 0)
    return complain(EXIT_FAILED, "'%s' is not a checkpoint of %s", path, head->program);
  if (label->version != wanted.version)
    return complain(EXIT_FAILED,
                    "'%s' is a checkpoint of version %u, and this program's is %d", path,
                    (unsigned)label->version, head->version);
  return EXIT_OK;
}

/* Position and key of a file that this program has written, undamaged. */
static int read_head(checkpoint_stream_t *stream, const char *path,
                     const checkpoint_head_t *head, uint64_t *key) {
  label_t label;
  const int status = read_label(stream, path, head, &label);
  if (status != EXIT_OK) return status;
  if (!move(stream, head->position, head->position_bytes) ||
      !move(stream, key, (size_t)head->keys * sizeof *key))
    return complain_of_read(stream, path);
  if (label.checksum !=
      sum_up_head(head->position, head->position_bytes, key, head->keys))
    return complain_of_damage(path);
  for (int k = 0; k < head->keys; ++k)
    if (!is_possible(&head->list[k], key[k])) return complain_of_damage(path);
  return EXIT_OK;
}

static int read_body(checkpoint_stream_t *stream, const char *path,
                     checkpoint_body_t *body, void *state) {
  uint32_t checksum = 0;
  const char *words = body(stream, state);
  if (words != NULL) return complain(EXIT_FAILED, "'%s': %s", path, words);
  const uint32_t wanted = stream->checksum;
  if (!move(stream, &checksum, sizeof checksum)) return complain_of_read(stream, path);
  /* A file of this program ends here. */
  return checksum == wanted && fgetc(stream->file) == EOF ? EXIT_OK
                                                          : complain_of_damage(path);
}

/* A stream in *stream, from the behind of its head on, and the file's key. */
static int open_file(checkpoint_stream_t *stream, const char *path,
                     const checkpoint_head_t *head, uint64_t *key) {
  *stream = (checkpoint_stream_t){.file = fopen(path, "rb")};
  if (stream->file == NULL)
    return complain(EXIT_FAILED, "cannot resume from '%s': %s", path, strerror(errno));
  return read_head(stream, path, head, key);
}

int checkpoint_file_read_key(const char *path, const checkpoint_head_t *head,
                             uint64_t given) {
  uint64_t key[CHECKPOINT_MOST_KEYS] = {0};
  checkpoint_stream_t stream;
  int status = open_file(&stream, path, head, key);
  for (int k = 0; k < head->keys && status == EXIT_OK; ++k) {
    const bool is_given = (given >> k & 1) != 0;
    if (!is_given)
      head->key[k] = key[k];
    else if (head->key[k] != key[k] && !head->list[k].may_differ)
      status = checkpoint_file_refuse(path, &head->list[k], head->key[k], key[k]);
  }
  if (stream.file != NULL) fclose(stream.file);
  return status;
}

int checkpoint_file_read(const char *path, const checkpoint_head_t *head,
                         checkpoint_body_t *body, void *state) {
  uint64_t key[CHECKPOINT_MOST_KEYS] = {0};
  checkpoint_stream_t stream;
  int status = open_file(&stream, path, head, key);
  for (int k = 0; k < head->keys && status == EXIT_OK; ++k)
    if (head->key[k] != key[k] && !head->list[k].may_differ)
      status = checkpoint_file_refuse(path, &head->list[k], head->key[k], key[k]);
  if (status == EXIT_OK) status = read_body(&stream, path, body, state);
  if (stream.file != NULL) fclose(stream.file);
  return status;
}

int checkpoint_file_expect_none(const char *path) {
  if (access(path, F_OK) != 0) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS,
                  "'%s' is of an earlier run: --resume goes on with it, --fresh begins "
                  "anew in its place, and with another --out it stays",
                  path);
}
