/*
 * attend_call.h - calls of section 17 as the fuzzer makes them up, and how far GPU and host may
 * differ.
 */
#ifndef CUDROP_ATTEND_CALL_H
#define CUDROP_ATTEND_CALL_H

#include "row_call.h"

cudrop_status_t attend_forward(cudrop_context_t *context, call_t *call);
cudrop_status_t attend_backward(cudrop_context_t *context, call_t *call);

/* Has a call written no byte of the arena beside elements of outputs and the workspace? Of other
 * operators' calls nothing is said. */
bool attend_kept_to_outputs(const call_t *call, const uint8_t *before,
                            const uint8_t *after);

/* Are the outputs that two calls have left as near as sums in float must be? Where numbers are
 * large or not finite, nothing is said. */
bool attend_is_near(const call_t *call, const uint8_t *before, const uint8_t *a,
                    const uint8_t *b);

#endif /* CUDROP_ATTEND_CALL_H */
