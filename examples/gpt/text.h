/*
 * text.h - a text as bytes: its last tenth validates, the rest trains.
 *
 * A token is a byte. A row of a batch is `length` bytes in a row, and their targets are the bytes
 * that follow each.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { TEXT_VOCABULARY = 256 };

typedef enum { TEXT_TRAINS, TEXT_VALIDATES, TEXT_PARTS } text_part_t;

typedef struct {
  uint8_t *bytes; /* freed by text_free() */
  size_t size[TEXT_PARTS];
  uint32_t checksum; /* CRC-32 of all */
} text_t;

/*
 * Read the first `bytes` of a file, or with 0 all, as it is or compressed by gzip, for rows of
 * `length` tokens. Returns an exit status, EXIT_FAILED after a line on stderr for a file that
 * cannot be read, or that is too short for one row in each part.
 */
int text_load(text_t *text, const char *path, int bytes, int length);
void text_free(text_t *text);

/* Row number `row` of the batch of a step: a place drawn from the part that trains. */
void text_draw(const text_t *text, uint64_t seed, uint64_t step, int64_t row, int length,
               int32_t *ids, int32_t *targets);

/*
 * The rows that losses are measured on: as many of each part, those of the part that validates one
 * behind the other, those of the part that trains spread over it.
 */
int64_t text_count(const text_t *text, int length);
void text_pick(const text_t *text, text_part_t part, int64_t number, int length,
               int32_t *ids, int32_t *targets);

#endif /* TEXT_H */
