/*
 * plain_loop.c - dropout as programs in C write it by hand: a loop, a generator with a state, and
 * a byte an element that says what backward must drop.
 */
#include "failure.h"
#include "peer.h"

/* G. Marsaglia, "Xorshift RNGs". */
static uint32_t draw(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static bool forward(void *argument) {
  static uint32_t state = 2463534242u;
  const peer_t *peer = argument;
  const float p = (float)peer->p, scale = 1.0f / (1.0f - p);
  const float *x = peer->x.buffer;
  float *y = peer->y.buffer;
  uint8_t *mask = peer->state;
  for (int64_t e = 0; e < peer->n; ++e) {
    mask[e] = (float)(draw(&state) >> 8) * 0x1p-24f >= p;
    y[e] = mask[e] ? x[e] * scale : 0.0f;
  }
  return true;
}

static bool backward(void *argument) {
  const peer_t *peer = argument;
  const float scale = 1.0f / (1.0f - (float)peer->p);
  const float *dy = peer->dy.buffer;
  float *dx = peer->dx.buffer;
  const uint8_t *mask = peer->state;
  for (int64_t e = 0; e < peer->n; ++e) dx[e] = mask[e] ? dy[e] * scale : 0.0f;
  return true;
}

static bool open_loop(peer_t *peer) {
  if (peer->dtype != CUDROP_F32) return bench_fail("it is written for F32");
  return peer_reserve_state(peer, (size_t)peer->n);
}

static void close_loop(peer_t *peer) {
  (void)peer;
}

const peer_table_t peer_table = {CUDROP_HOST, open_loop, close_loop, forward, backward};
