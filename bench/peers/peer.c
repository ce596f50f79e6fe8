/* peer.c - a peer is opened, looked at and timed. */
#include "peer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "format.h"
#include "measure.h"
#include "window.h"

/* ---- Memory ------------------------------------------------------------------------------ */

static bool open_operand(peer_t *peer, bench_operand_t *operand, int number) {
  *operand = (bench_operand_t){.form = BENCH_VALUES,
                               .dtype = peer->dtype,
                               .positions = peer->n,
                               .stream = number * BENCH_STREAMS};
  return bench_operand_open(operand, peer->machine.context);
}

static bool open_peer(peer_t *peer) {
  bench_operand_t *const operands[] = {&peer->x, &peer->y, &peer->dy, &peer->dx};
  if (!bench_machine_open(&peer->machine, peer_table.backend, 0, 1)) return false;
  for (int k = 0; k < 4; ++k)
    if (!open_operand(peer, operands[k], k)) return false;
  return peer_table.open(peer);
}

static void close_peer(peer_t *peer) {
  bench_operand_t *const operands[] = {&peer->x, &peer->y, &peer->dy, &peer->dx};
  if (peer->machine.context == NULL) return;
  peer_table.close(peer);
  for (int k = 0; k < 4; ++k) bench_operand_close(operands[k], peer->machine.context);
  (void)cudrop_free(peer->machine.context, &peer->state);
  bench_machine_close(&peer->machine);
}

bool peer_reserve_state(peer_t *peer, size_t bytes) {
  peer->state_bytes = bytes;
  return bench_ok(cudrop_alloc(peer->machine.context, bytes, &peer->state));
}

/* ---- What a dropout may do --------------------------------------------------------------- */

enum { LOOKED_AT = 1 << 20 };

/* 1 or 0 for an element that is scaled or dropped, -1 for one that is neither. */
static int judge(const peer_t *peer, double before, double after) {
  const double scaled = before / (1.0 - peer->p);
  const double bound = fabs(scaled) * (peer->dtype == CUDROP_BF16 ? 0x1p-7 : 0x1p-21);
  if (after == 0.0) return 0;
  return fabs(after - scaled) <= bound ? 1 : -1;
}

static bool look(const peer_t *peer, bench_window_t *y, bench_window_t *dx,
                 double *kept) {
  const int64_t count = peer->n < LOOKED_AT ? peer->n : LOOKED_AT;
  int64_t kept_count = 0;
  for (int64_t e = 0; e < count; ++e) {
    uint64_t bits[2];
    if (!bench_window_read(y, e, &bits[0]) || !bench_window_read(dx, e, &bits[1]))
      return false;
    const int forward = judge(peer, bench_decode(peer->dtype, bench_content(&peer->x, e)),
                              bench_decode(peer->dtype, bits[0]));
    const int backward =
        judge(peer, bench_decode(peer->dtype, bench_content(&peer->dy, e)),
              bench_decode(peer->dtype, bits[1]));
    if (forward < 0 || forward != backward)
      return bench_fail("element %" PRId64 " is not what a dropout makes of it", e);
    kept_count += forward;
  }
  *kept = (double)kept_count / (double)count;
  const double sigma = sqrt(peer->p * (1.0 - peer->p) / (double)count);
  return fabs(*kept - (1.0 - peer->p)) <= 6.0 * sigma ||
         bench_fail("it kept %.4f of the elements, and not %g", *kept, 1.0 - peer->p);
}

static bool inspect(peer_t *peer, double *kept) {
  bench_window_t y = {0}, dx = {0};
  const bool right = peer_table.forward(peer) && peer_table.backward(peer) &&
                     bench_ok(cudrop_synchronize(peer->machine.context)) &&
                     bench_window_open(&y, peer->machine.context, &peer->y) &&
                     bench_window_open(&dx, peer->machine.context, &peer->dx) &&
                     look(peer, &y, &dx, kept);
  bench_window_close(&y);
  bench_window_close(&dx);
  return right;
}

/* ---- The program ------------------------------------------------------------------------- */

static bool run(peer_t *peer, int repeats) {
  const bench_task_t forward = {peer_table.forward, peer};
  const bench_task_t backward = {peer_table.backward, peer};
  bench_times_t times[2];
  double kept = 0.0;
  if (!open_peer(peer) || !inspect(peer, &kept) ||
      !bench_measure(&peer->machine, &forward, 0, false, repeats, &times[0]) ||
      !bench_measure(&peer->machine, &backward, 0, false, repeats, &times[1]))
    return false;
  printf(
      "{\"forward_ns\": %.1f, \"backward_ns\": %.1f, \"state_bytes\": %zu, "
      "\"kept\": %.6f}\n",
      times[0].ns.median, times[1].ns.median, peer->state_bytes, kept);
  return true;
}

static bool read_arguments(char **words, peer_t *peer, int *repeats) {
  peer->dtype = strcmp(words[1], "BF16") == 0 ? CUDROP_BF16 : CUDROP_F32;
  peer->n = strtoll(words[2], NULL, 10);
  peer->p = strtod(words[3], NULL);
  *repeats = (int)strtol(words[4], NULL, 10);
  return (peer->dtype == CUDROP_BF16 || strcmp(words[1], "F32") == 0) && peer->n > 0 &&
         peer->p >= 0.0 && peer->p < 1.0 && *repeats > 0 &&
         *repeats <= BENCH_MOST_REPEATS;
}

int main(int count, char **words) {
  peer_t peer = {.n = 0};
  int repeats = 0;
  if (count != 5 || !read_arguments(words, &peer, &repeats)) {
    fprintf(stderr, "usage: %s F32|BF16 N P REPEATS\n", count > 0 ? words[0] : "peer");
    return 2;
  }
  const bool ran = run(&peer, repeats);
  if (!ran) fprintf(stderr, "%s\n", bench_failure());
  close_peer(&peer);
  return ran ? 0 : 1;
}
