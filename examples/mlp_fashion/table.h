/* table.h - the comparison of the two networks. */
#ifndef TABLE_H
#define TABLE_H

#include "options.h"
#include "result.h"

/*
 * Print the comparison to stdout: result[network * seeds + k] is how run k of a network
 * ended, `width` the widths of its layers, and `backend` what they were trained on.
 */
void table_print(const options_t *options, const char *backend,
                 const int width[MLP_LAYERS + 1], const result_t *result,
                 int test_images);

#endif /* TABLE_H */
