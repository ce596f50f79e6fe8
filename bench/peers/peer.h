/*
 * peer.h - the program around another dropout: what it is given, and what it has to say.
 *
 *   PROGRAM DTYPE N P REPEATS
 *
 * prints, as one JSON object, what a call of forward and of backward took, warm, by the clock of
 * `cudrop bench`, after both results have been compared with what a dropout may do.
 */
#ifndef PEER_H
#define PEER_H

#include "machine.h"
#include "operand.h"

typedef struct {
  bench_machine_t machine;
  cudrop_dtype_t dtype; /* F32 or BF16 */
  int64_t n;
  double p;
  /* In the backend's memory, n elements each. */
  bench_operand_t x, y, dy, dx;
  /* What forward leaves for backward; open() says how large, and has it made. */
  void *state;
  size_t state_bytes;
  void *own; /* the peer's */
} peer_t;

/* The peer that is linked. Functions return false after bench_fail(). */
typedef struct {
  cudrop_backend_t backend;
  bool (*open)(peer_t *peer);
  void (*close)(peer_t *peer); /* also after an open() that failed */
  bool (*forward)(void *peer);
  bool (*backward)(void *peer);
} peer_table_t;

extern const peer_table_t peer_table;

/* Allocate the state. */
bool peer_reserve_state(peer_t *peer, size_t bytes);

#endif /* PEER_H */
