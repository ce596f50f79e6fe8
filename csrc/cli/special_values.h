/* special_values.h - whether a backend treats NaN, infinities, subnormal numbers and the sign of
 * zero as cudrop.h says. The known answers of masks do not show what -ffast-math breaks. */
#ifndef CUDROP_SPECIAL_VALUES_H
#define CUDROP_SPECIAL_VALUES_H

#include "known_answers.h"

/* Try the values of kind `kind`, as data and as arguments, in the operators of `context`. */
known_answers_result_t check_special_values(const char *kind, cudrop_context_t *context);

/* The name of kind k of special values, k = 0, 1, ...; NULL after the last. */
const char *special_value_kind(int k);

#endif /* CUDROP_SPECIAL_VALUES_H */
