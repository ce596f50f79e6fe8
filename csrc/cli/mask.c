/* mask.c - cudrop mask: the keep mask of (seed, offset, p), to look at or to test. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "command.h"
#include "command_line.h"
#include "number.h"
#include "write_mask.h"

static const char usage[] =
    "usage: cudrop mask --seed S --p P --count N [OPTIONS]\n"
    "\n"
    "  --seed S        the seed, 64 bits\n"
    "  --p P           the probability to drop, 0 to 1\n"
    "  --count N       how many elements; with --format raw also 'endless': until the\n"
    "                  reader closes the pipe, at most to index 2^59\n"
    "  --offset O      the offset, 64 bits (0)\n"
    "  --index I       the index of the first element; I + N is at most 2^59 (0)\n"
    "  --per-offset M  M elements of offset O, M of O + 1, ..., from index I each\n"
    "  --per-seed M    M elements of seed S, M of S + 1, ..., from index I each\n"
    "  --format F      hex: the packed keep bits; element e is bit e & 7 of byte e >> "
    "3,\n"
    "                  unused bits of the last byte are 0 (hex)\n"
    "                  picture: a grey map (PGM), kept is white, dropped black\n"
    "                  raw: those bytes themselves, for programs that test generators\n"
    "  --width W       elements in a row of the picture\n"
    "  --output FILE   write there, not on the standard output\n"
    "  --help\n"
    "\n"
    "S, N, O, I, M and W are decimal, or hexadecimal behind 0x. N may be 0, but for a\n"
    "picture; M is a multiple of 8.\n"
    "\n"
    "Only with --p 0.5 is the raw stream one of uniform bits, as those programs expect:\n"
    "\n"
    "  cudrop mask --seed 42 --p 0.5 --count endless --format raw | dieharder -a -g 200 "
    "-k 2\n"
    "\n"
    "A reader that closes the pipe of a raw stream ends it with exit status 0.\n";

static const uint64_t index_end = (uint64_t)1 << 59;

typedef enum {
  SEED,
  P,
  COUNT,
  OFFSET,
  INDEX,
  PER_OFFSET,
  PER_SEED,
  FORMAT,
  WIDTH,
  OUTPUT,
  HELP
} option_id_t;

static const struct option options[] = {
    {"seed", required_argument, NULL, SEED},
    {"p", required_argument, NULL, P},
    {"count", required_argument, NULL, COUNT},
    {"offset", required_argument, NULL, OFFSET},
    {"index", required_argument, NULL, INDEX},
    {"per-offset", required_argument, NULL, PER_OFFSET},
    {"per-seed", required_argument, NULL, PER_SEED},
    {"format", required_argument, NULL, FORMAT},
    {"width", required_argument, NULL, WIDTH},
    {"output", required_argument, NULL, OUTPUT},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static int read_number(option_id_t id, uint64_t *value) {
  if (read_u64(optarg, value)) return EXIT_OK;
  return complain(
      EXIT_BAD_ARGUMENTS,
      "mask: --%s = '%s' is not a decimal or 0x-hexadecimal number of 64 bits",
      options[id].name, optarg);
}

static int read_count(mask_request_t *request) {
  request->is_endless = strcmp(optarg, "endless") == 0;
  return request->is_endless ? EXIT_OK : read_number(COUNT, &request->count);
}

static int read_format(mask_format_t *format) {
  static const char *const names[] = {"hex", "picture", "raw"};
  for (int k = 0; k < 3; ++k) {
    *format = (mask_format_t)k;
    if (strcmp(optarg, names[k]) == 0) return EXIT_OK;
  }
  return complain(EXIT_BAD_ARGUMENTS, "mask: --format = '%s' is not hex, picture or raw",
                  optarg);
}

static int read_option(int number, void *into) {
  const option_id_t id = (option_id_t)number;
  mask_request_t *request = into;
  switch (id) {
    case SEED:
      return read_number(id, &request->mask.seed);
    case COUNT:
      return read_count(request);
    case OFFSET:
      return read_number(id, &request->mask.offset);
    case INDEX:
      return read_number(id, &request->mask.index_base);
    case PER_OFFSET:
      return read_number(id, &request->per_offset);
    case PER_SEED:
      return read_number(id, &request->per_seed);
    case WIDTH:
      return read_number(id, &request->width);
    case P:
      if (read_double(optarg, &request->mask.p) && request->mask.p >= 0.0 &&
          request->mask.p <= 1.0)
        return EXIT_OK;
      return complain(EXIT_BAD_ARGUMENTS, "mask: --p = '%s' is not a number in [0, 1]",
                      optarg);
    case FORMAT:
      return read_format(&request->format);
    default:
      request->output = optarg;
      return EXIT_OK;
  }
}

/* Check --per-offset and --per-seed: how many elements one seed and offset give. */
static int check_turns(const mask_request_t *request, unsigned given) {
  const unsigned turns = given >> PER_OFFSET & 3;
  const uint64_t each = request->per_offset + request->per_seed;
  if (turns == 3)
    return complain(EXIT_BAD_ARGUMENTS,
                    "mask: --per-offset and --per-seed exclude each other");
  const char *name = options[turns == 2 ? PER_SEED : PER_OFFSET].name;
  if (turns != 0 && (each == 0 || each % 8 != 0))
    return complain(EXIT_BAD_ARGUMENTS,
                    "mask: --%s = %llu is not a multiple of 8 above 0", name,
                    (unsigned long long)each);
  if (turns != 0 && each > index_end - request->mask.index_base)
    return complain(EXIT_BAD_ARGUMENTS, "mask: --index + --%s is above 2^59", name);
  return EXIT_OK;
}

static int check_request(const mask_request_t *request, unsigned given) {
  const bool is_picture = request->format == FORMAT_PICTURE;
  for (option_id_t id = SEED; id <= COUNT; ++id) {
    if ((given >> id & 1) == 0)
      return complain(EXIT_BAD_ARGUMENTS, "mask: --%s is missing", options[id].name);
  }
  if (request->is_endless && request->format != FORMAT_RAW)
    return complain(EXIT_BAD_ARGUMENTS, "mask: --count endless needs --format raw");
  if (request->count > index_end || request->mask.index_base > index_end - request->count)
    return complain(EXIT_BAD_ARGUMENTS, "mask: --index + --count is above 2^59");
  if (is_picture != ((given >> WIDTH & 1) != 0))
    return complain(EXIT_BAD_ARGUMENTS,
                    "mask: --format picture and --width go together, one is missing");
  if (is_picture && (request->width == 0 || request->count == 0))
    return complain(EXIT_BAD_ARGUMENTS,
                    "mask: a picture needs --width and --count above 0");
  return check_turns(request, given);
}

/*
 * Write the mask. This function reports errors of a named file; main() reports those of the
 * standard output. The reader of a raw stream may close the pipe, which is no error. A raw stream
 * has no buffer, so nothing is left that main() could fail to write.
 */
static int run(const mask_request_t *request) {
  const bool is_raw = request->format == FORMAT_RAW;
  FILE *to = request->output == NULL ? stdout : fopen(request->output, "wb");
  if (to == NULL)
    return complain(EXIT_FAILED, "mask: cannot write '%s': %s", request->output,
                    strerror(errno));
  if (is_raw) {
    signal(SIGPIPE, SIG_IGN);
    setvbuf(to, NULL, _IONBF, 0);
  }
  int result = EXIT_OK;
  if (write_mask(request, to) != CUDROP_OK)
    result = complain(EXIT_FAILED, "mask: %s", cudrop_last_error());
  if (is_raw && ferror(to) && errno == EPIPE) clearerr(to);
  const bool failed = ferror(to) != 0;
  if (to != stdout && (fclose(to) != 0 || failed))
    result = complain(EXIT_FAILED, "mask: cannot write '%s': %s", request->output,
                      strerror(errno));
  return result;
}

int command_mask(int argc, char **argv) {
  static const command_line_t line = {
      "mask", "cudrop mask --seed S --p P --count N [OPTIONS]", options, read_option};
  mask_request_t request = {.count = 0};
  command_words_t words;
  int status = read_command_line(&line, argc, argv, &request, &words);
  if (status == EXIT_OK && words.wants_help) {
    fputs(usage, stdout);
    return EXIT_OK;
  }
  if (status == EXIT_OK) status = check_request(&request, words.given);
  return status == EXIT_OK ? run(&request) : status;
}
