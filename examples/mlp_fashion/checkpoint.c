/* checkpoint.c - the file's layout, and what makes one unfit. */
#define _GNU_SOURCE /* fileno, fsync */
#include "checkpoint.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "report.h"

/* ---- The head --------------------------------------------------------------------- */

/*
 * The file, in the byte order of the machine:
 *
 *     0  magic, version
 *    16  CRC-32 of the rest of the head
 *    20  position
 *    32  key
 *   112  results      result_t [networks][seeds]
 *        parameters   float [parameters]
 *        mean         float [parameters], Adam's
 *        square       float [parameters], Adam's
 *        sums         double [test images][classes], of the samples
 *        CRC-32 of all from 112 on
 *
 * VERSION changes when any of this does, or what is computed from it.
 */
enum { VERSION = 1 };

static const char magic[12] = "mlp_fashion";

/* The options that the bits follow from are the key; for the data its two checksums are. */
static const char *const key_names[] = {"images",     "epochs",      "batch",   "seeds",
                                        "rate-input", "rate-hidden", "samples", "seed",
                                        "backend",    "data"};
enum { KEYS = sizeof key_names / sizeof key_names[0] };

typedef struct {
  char magic[sizeof magic];
  uint32_t version;
  uint32_t checksum;
  position_t at;
  uint64_t key[KEYS];
} head_t;

/* Equal states give equal files: nowhere is there a byte that nobody has written. */
_Static_assert(sizeof(head_t) == sizeof magic + 2 * 4 + 3 * sizeof(int) + KEYS * 8,
               "the head has no padding");
_Static_assert(sizeof(score_t) == 3 * 8 + SCORE_BINS * 16, "a score has no padding");
_Static_assert(sizeof(result_t) == 3 * sizeof(score_t) + 8 + RESULT_MOST_POINTS * 24,
               "a result has no padding");

static uint64_t get_bits(double value) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static uint32_t sum_up(uint32_t checksum, const void *data, size_t bytes) {
  return (uint32_t)crc32_z(checksum, data, bytes);
}

static uint32_t sum_up_head(const head_t *head) {
  return sum_up(0, &head->at, sizeof *head - offsetof(head_t, at));
}

static head_t make_head(const experiment_t *experiment) {
  const options_t *options = &experiment->options;
  head_t head = {
      .version = VERSION,
      .at = experiment->at,
      .key = {(uint64_t)options->images, (uint64_t)options->epochs,
              (uint64_t)options->batch, (uint64_t)options->seeds,
              get_bits(options->rate_input), get_bits(options->rate_hidden),
              (uint64_t)options->samples, options->seed, (uint64_t)experiment->backend,
              (uint64_t)experiment->train.checksum << 32 | experiment->test.checksum},
  };
  memcpy(head.magic, magic, sizeof magic);
  head.checksum = sum_up_head(&head);
  return head;
}

/* ---- The body --------------------------------------------------------------------- */

/* A file while its body goes in or out. */
typedef struct {
  FILE *file;
  bool is_written;
  uint32_t checksum; /* of what has gone */
} stream_t;

static bool transfer(stream_t *stream, void *data, size_t bytes) {
  const size_t gone = stream->is_written ? fwrite(data, 1, bytes, stream->file)
                                         : fread(data, 1, bytes, stream->file);
  stream->checksum = sum_up(stream->checksum, data, gone);
  return gone == bytes;
}

/* How it went: the mlp's failure is in mlp_error(), the stream's in errno or at its end. */
typedef enum { GONE, MLP_FAILED, STREAM_FAILED } outcome_t;

static outcome_t transfer_state(stream_t *stream, mlp_t *mlp, int k) {
  if (stream->is_written && mlp_stage(mlp, k) != CUDROP_OK) return MLP_FAILED;
  if (!transfer(stream, mlp->staged, mlp->parameters * sizeof *mlp->staged))
    return STREAM_FAILED;
  if (!stream->is_written && mlp_unstage(mlp, k) != CUDROP_OK) return MLP_FAILED;
  return GONE;
}

static outcome_t transfer_body(stream_t *stream, experiment_t *experiment) {
  const size_t results = (size_t)experiment->options.seeds * NETWORKS;
  const size_t sums = (size_t)experiment->test.count * FASHION_CLASSES;
  if (!transfer(stream, experiment->result, results * sizeof *experiment->result))
    return STREAM_FAILED;
  for (int k = 0; k < MLP_STATES; ++k) {
    const outcome_t outcome = transfer_state(stream, &experiment->mlp, k);
    if (outcome != GONE) return outcome;
  }
  return transfer(stream, experiment->sum, sums * sizeof *experiment->sum)
             ? GONE
             : STREAM_FAILED;
}

/* ---- Writing ---------------------------------------------------------------------- */

static outcome_t write_file(FILE *file, experiment_t *experiment) {
  const head_t head = make_head(experiment);
  stream_t stream = {.file = file, .is_written = true};
  if (fwrite(&head, sizeof head, 1, file) != 1) return STREAM_FAILED;
  const outcome_t outcome = transfer_body(&stream, experiment);
  if (outcome != GONE) return outcome;
  const uint32_t checksum = stream.checksum;
  const bool is_on_disk = fwrite(&checksum, sizeof checksum, 1, file) == 1 &&
                          fflush(file) == 0 && fsync(fileno(file)) == 0;
  return is_on_disk ? GONE : STREAM_FAILED;
}

int checkpoint_write(experiment_t *experiment) {
  char path[OPTIONS_PATH_BYTES];
  char beside[OPTIONS_PATH_BYTES];
  options_name_file(&experiment->options, "checkpoint", path);
  options_name_file(&experiment->options, "checkpoint.tmp", beside);
  FILE *file = fopen(beside, "wb");
  if (file == NULL)
    return complain(EXIT_FAILED, "cannot write '%s': %s", beside, strerror(errno));
  const outcome_t outcome = write_file(file, experiment);
  int error = errno;
  fclose(file); /* all that is needed is on the disk already */
  if (outcome == GONE) {
    if (rename(beside, path) == 0) return EXIT_OK;
    error = errno;
  }
  remove(beside);
  return complain(EXIT_FAILED, "cannot write '%s': %s", path,
                  outcome == MLP_FAILED ? mlp_error(&experiment->mlp) : strerror(error));
}

/* ---- Reading ---------------------------------------------------------------------- */

/* The read went past the end, or failed. */
static int complain_of_read(FILE *file, const char *path) {
  return complain(EXIT_FAILED, "'%s': %s", path,
                  ferror(file) ? strerror(errno) : "the checkpoint is cut short");
}

static int complain_of_damage(const char *path) {
  return complain(EXIT_FAILED, "'%s': the checkpoint is damaged", path);
}

static int read_head(FILE *file, const char *path, experiment_t *experiment) {
  const head_t wanted = make_head(experiment);
  head_t head;
  if (fread(&head, sizeof head, 1, file) != 1) return complain_of_read(file, path);
  if (memcmp(head.magic, wanted.magic, sizeof magic) != 0)
    return complain(EXIT_FAILED, "'%s' is not a checkpoint of mlp_fashion", path);
  if (head.version != VERSION)
    return complain(EXIT_FAILED,
                    "'%s' is a checkpoint of version %u, and this program's is %d", path,
                    (unsigned)head.version, VERSION);
  if (head.checksum != sum_up_head(&head)) return complain_of_damage(path);
  for (int k = 0; k < KEYS; ++k) {
    if (head.key[k] != wanted.key[k])
      return complain(EXIT_FAILED, "'%s' is a checkpoint of runs with another --%s", path,
                      key_names[k]);
  }
  experiment->at = head.at;
  return EXIT_OK;
}

static int read_body(FILE *file, const char *path, experiment_t *experiment) {
  stream_t stream = {.file = file, .is_written = false};
  uint32_t checksum = 0;
  const outcome_t outcome = transfer_body(&stream, experiment);
  if (outcome == MLP_FAILED)
    return complain(EXIT_FAILED, "'%s': %s", path, mlp_error(&experiment->mlp));
  if (outcome == STREAM_FAILED || fread(&checksum, sizeof checksum, 1, file) != 1)
    return complain_of_read(file, path);
  /* A file of this program ends here. */
  return checksum == stream.checksum && fgetc(file) == EOF ? EXIT_OK
                                                           : complain_of_damage(path);
}

int checkpoint_read(experiment_t *experiment) {
  char path[OPTIONS_PATH_BYTES];
  options_name_file(&experiment->options, "checkpoint", path);
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return complain(EXIT_FAILED, "cannot resume from '%s': %s", path, strerror(errno));
  int status = read_head(file, path, experiment);
  if (status == EXIT_OK) status = read_body(file, path, experiment);
  fclose(file);
  return status;
}
