/* mask.c - cudrop mask: the keep mask of (seed, offset, p), as hexadecimal or a picture. */
#define _GNU_SOURCE /* getopt_long */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "cudrop/cudrop.h"
#include "number.h"

static const char usage[] =
    "usage: cudrop mask --seed S --p P --count N [OPTIONS]\n"
    "\n"
    "  --seed S      the seed, 64 bits\n"
    "  --p P         the probability to drop, 0 to 1\n"
    "  --count N     how many elements\n"
    "  --offset O    the offset, 64 bits (0)\n"
    "  --index I     the index of the first element; I + N is at most 2^59 (0)\n"
    "  --format F    hex: the packed keep bits; element e is bit e & 7 of byte e >> 3,\n"
    "                unused bits of the last byte are 0 (hex)\n"
    "                picture: a grey map (PGM), kept is white, dropped black\n"
    "  --width W     elements in a row of the picture\n"
    "  --output FILE write there, not on the standard output\n"
    "\n"
    "S, N, O, I and W are decimal, or hexadecimal behind 0x. N may be 0, but for a "
    "picture.\n";

enum { CHUNK = 1 << 20 }; /* elements drawn at a time: a multiple of 8 */

static const uint64_t index_end = (uint64_t)1 << 59;

typedef struct {
  cudrop_mask_t mask;
  uint64_t count;
  bool is_picture;
  uint64_t width;
  const char *output;
} request_t;

typedef enum { SEED, P, COUNT, OFFSET, INDEX, FORMAT, WIDTH, OUTPUT, HELP } option_id_t;

static const struct option options[] = {
    {"seed", required_argument, NULL, SEED},
    {"p", required_argument, NULL, P},
    {"count", required_argument, NULL, COUNT},
    {"offset", required_argument, NULL, OFFSET},
    {"index", required_argument, NULL, INDEX},
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

static int read_option(option_id_t id, request_t *request) {
  switch (id) {
    case SEED:
      return read_number(id, &request->mask.seed);
    case COUNT:
      return read_number(id, &request->count);
    case OFFSET:
      return read_number(id, &request->mask.offset);
    case INDEX:
      return read_number(id, &request->mask.index_base);
    case WIDTH:
      return read_number(id, &request->width);
    case P:
      if (read_double(optarg, &request->mask.p) && request->mask.p >= 0.0 &&
          request->mask.p <= 1.0)
        return EXIT_OK;
      return complain(EXIT_BAD_ARGUMENTS, "mask: --p = '%s' is not a number in [0, 1]",
                      optarg);
    case FORMAT:
      request->is_picture = strcmp(optarg, "picture") == 0;
      if (request->is_picture || strcmp(optarg, "hex") == 0) return EXIT_OK;
      return complain(EXIT_BAD_ARGUMENTS, "mask: --format = '%s' is not hex or picture",
                      optarg);
    default:
      request->output = optarg;
      return EXIT_OK;
  }
}

static int check_request(const request_t *request, unsigned given) {
  for (option_id_t id = SEED; id <= COUNT; ++id) {
    if ((given >> id & 1) == 0)
      return complain(EXIT_BAD_ARGUMENTS, "mask: --%s is missing", options[id].name);
  }
  if (request->count > index_end || request->mask.index_base > index_end - request->count)
    return complain(EXIT_BAD_ARGUMENTS, "mask: --index + --count is above 2^59");
  if (request->is_picture != ((given >> WIDTH & 1) != 0))
    return complain(EXIT_BAD_ARGUMENTS,
                    "mask: --format picture and --width go together, one is missing");
  if (request->is_picture && (request->width == 0 || request->count == 0))
    return complain(EXIT_BAD_ARGUMENTS,
                    "mask: a picture needs --width and --count above 0");
  return EXIT_OK;
}

static void write_hex(FILE *to, const uint8_t *bits, int64_t n) {
  for (int64_t byte = 0; byte < (n + 7) / 8; ++byte) fprintf(to, "%02x", bits[byte]);
}

/* One byte an element: kept is white. */
static void write_pixels(FILE *to, uint8_t *keep, int64_t n) {
  for (int64_t e = 0; e < n; ++e) keep[e] = keep[e] ? 255 : 0;
  fwrite(keep, 1, (size_t)n, to);
}

static cudrop_status_t write_mask(const request_t *request, cudrop_context_t *context,
                                  uint8_t *chunk, FILE *to) {
  cudrop_mask_t mask = request->mask;
  const uint64_t rows =
      request->is_picture ? (request->count - 1) / request->width + 1 : 0;
  if (request->is_picture)
    fprintf(to, "P5\n%llu %llu\n255\n", (unsigned long long)request->width,
            (unsigned long long)rows);
  for (uint64_t done = 0; done < request->count && !ferror(to); done += CHUNK) {
    const uint64_t left = request->count - done;
    const int64_t n = left < CHUNK ? (int64_t)left : CHUNK;
    mask.index_base = request->mask.index_base + done;
    if (request->is_picture) {
      const cudrop_tensor_t keep = cudrop_vector(chunk, CUDROP_U8, n);
      const cudrop_status_t status = cudrop_export_bytes(context, &mask, &keep);
      if (status != CUDROP_OK) return status;
      write_pixels(to, chunk, n);
    } else {
      const cudrop_status_t status = cudrop_export_bits(context, &mask, 1, &n, chunk);
      if (status != CUDROP_OK) return status;
      write_hex(to, chunk, n);
    }
  }
  if (request->is_picture) { /* grey where the last row has no elements */
    for (uint64_t e = request->count; e < rows * request->width; ++e) fputc(128, to);
  } else {
    fputc('\n', to);
  }
  return CUDROP_OK;
}

static int run(const request_t *request) {
  cudrop_context_t *context = NULL;
  uint8_t *chunk = calloc(CHUNK, 1);
  FILE *to = stdout;
  int result = EXIT_OK;
  if (chunk == NULL) return complain(EXIT_FAILED, "mask: no memory for a chunk");
  if (request->output != NULL) to = fopen(request->output, "wb");
  if (to == NULL) {
    result = complain(EXIT_FAILED, "mask: cannot write '%s': %s", request->output,
                      strerror(errno));
  } else {
    if (cudrop_create(&context, CUDROP_HOST, 0) != CUDROP_OK ||
        write_mask(request, context, chunk, to) != CUDROP_OK ||
        cudrop_destroy(&context) != CUDROP_OK)
      result = complain(EXIT_FAILED, "mask: %s", cudrop_last_error());
    const bool failed = ferror(to) != 0;
    if (to != stdout && (fclose(to) != 0 || failed))
      result = complain(EXIT_FAILED, "mask: cannot write '%s': %s", request->output,
                        strerror(errno));
  }
  free(chunk);
  return result;
}

int command_mask(int argc, char **argv) {
  request_t request = {.count = 0};
  unsigned given = 0;
  int id;
  opterr = 0;
  while ((id = getopt_long(argc, argv, ":", options, NULL)) != -1) {
    if (id == ':')
      return complain(EXIT_BAD_ARGUMENTS, "mask: %s needs a value", argv[optind - 1]);
    if (id == '?' && optopt > HELP) /* a letter */
      return complain(EXIT_BAD_ARGUMENTS, "mask: there is no option '-%c'", optopt);
    if (id == '?')
      return complain(EXIT_BAD_ARGUMENTS, "mask: there is no option '%s'",
                      argv[optind - 1]);
    if (id == HELP) {
      fputs(usage, stdout);
      return EXIT_OK;
    }
    if ((given >> id & 1) != 0)
      return complain(EXIT_BAD_ARGUMENTS, "mask: --%s is given twice", options[id].name);
    const int status = read_option((option_id_t)id, &request);
    if (status != EXIT_OK) return status;
    given |= 1u << id;
  }
  if (optind < argc)
    return complain(EXIT_BAD_ARGUMENTS, "mask: '%s' is one argument too many",
                    argv[optind]);
  const int status = check_request(&request, given);
  return status == EXIT_OK ? run(&request) : status;
}
