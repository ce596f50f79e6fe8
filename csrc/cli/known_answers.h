/* known_answers.h - checking a table of known answers, row by row, on one backend. */
#ifndef CUDROP_KNOWN_ANSWERS_H
#define CUDROP_KNOWN_ANSWERS_H

#include "cudrop/cudrop.h"

/* The text of tests/data/known_answers.txt, which says what a row means. */
extern const char known_answers[];

enum { KNOWN_ANSWER_TEXT = 200 };

typedef struct {
  int rows, wrong;
  char first_wrong[KNOWN_ANSWER_TEXT]; /* the first wrong row, or "" */
} known_answers_result_t;

/*
 * Check the rows of `table` that begin with the word `kind`, against mask.h and, where the
 * row is about a mask, against the operators of `context`. A row that cannot be read is
 * wrong.
 */
known_answers_result_t check_known_answers(const char *table, const char *kind,
                                           cudrop_context_t *context);

/* The name of kind k of rows, k = 0, 1, ...; NULL after the last. */
const char *known_answer_kind(int k);

#endif /* CUDROP_KNOWN_ANSWERS_H */
