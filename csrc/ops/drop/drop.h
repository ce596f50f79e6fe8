/* drop.h - the launches of elementwise operators. */
#ifndef CUDROP_DROP_H
#define CUDROP_DROP_H

#include "call/call.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cudropi_work;

int cudropi_launch_drop(const struct cudropi_work *work);
int cudropi_launch_bits(const struct cudropi_work *work);
int cudropi_launch_count(const struct cudropi_work *work); /* adds; the total must be 0 */

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_DROP_H */
