/*
 * rules.h - what calls refuse: the status, the text, and that nothing is written.
 *
 * A suite has arguments of its own, which are right until a rule spoils them. Their tensors lie in
 * rules_memory, which rules_poison() fills with poison.
 */
#ifndef CUDROP_RULES_H
#define CUDROP_RULES_H

#include <stdint.h>

#include "cudrop/cudrop.h"

/* Memory for tensors of F32. A row begins at a multiple of 16 bytes. */
enum { RULES_TENSORS = 16, RULES_FLOATS = 2048 };
extern float rules_memory[RULES_TENSORS][RULES_FLOATS];

void rules_poison(void);

/* What the suite defines: the arguments of all its calls. */
typedef struct arguments arguments_t;

typedef struct {
  const char *function;
  cudrop_status_t (*make)(const arguments_t *a);
} call_t;

/* A suite's own number of a call; how to spoil the arguments; the answer. */
typedef struct {
  int call;
  void (*spoil)(arguments_t *a);
  cudrop_status_t status;
  const char
      *text; /* behind the function's name; NULL: anything, as an address is in it */
} rule_t;

/* A function that spoils the arguments. */
#define SPOIL(name, ...)             \
  static void name(arguments_t *a) { \
    __VA_ARGS__;                     \
  }

/* Make the call, and look at the answer and at every byte of rules_memory. */
void rules_expect_refused(const call_t *call, const arguments_t *a,
                          cudrop_status_t status, const char *text);

/* Spoil the arguments by the rule, and do the same with the rule's call of the suite's `calls`. */
void rules_expect(const call_t *calls, const rule_t *rule, arguments_t *a);

/* Do the same with each word of `reserved` that is not 0, one at a time. The words are those of a
 * struct of the arguments; texts call the struct `owner`. */
void rules_expect_reserved(const call_t *call, const arguments_t *a, const char *owner,
                           uint64_t reserved[CUDROP_RESERVED]);

/* ---- Rules of cudrop_attention_t, which all calls of sections 15 and 17 take --------------- */

typedef struct {
  void (*spoil)(cudrop_attention_t *attention); /* which has lengths and a mask */
  cudrop_status_t status;
  const char *text;
} attention_rule_t;

/* The last ones are about the scale, which cudrop_attention_reapply() does not look at. */
enum { ATTENTION_RULES = 17, ATTENTION_SCALE_RULES = 2 };
extern const attention_rule_t attention_rules[ATTENTION_RULES];

#endif /* CUDROP_RULES_H */
