/* arena.h - one allocation, dealt out once; or only counted. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

/* What memory is for. */
typedef enum {
  ARENA_TRAINED,     /* parameters, their gradients and AdamW's averages */
  ARENA_ACTIVATIONS, /* what backward needs of forward, without the two below */
  ARENA_WEIGHTS,     /* the attention weights P of all layers, or what stands for them */
  ARENA_MASKS,       /* masks that are stored */
  ARENA_SCRATCH,     /* what one call hands to the next */
  ARENA_PURPOSES
} arena_purpose_t;

typedef struct {
  char *base; /* NULL: nothing is dealt out, arena_take() returns NULL */
  size_t used;
  size_t bytes[ARENA_PURPOSES];
} arena_t;

/* The next `bytes`, aligned to 256; what is taken in the same order lies in the same place. */
static inline void *arena_take(arena_t *arena, arena_purpose_t purpose, size_t bytes) {
  const size_t padded = (bytes + 255) / 256 * 256;
  void *taken = arena->base == NULL ? NULL : arena->base + arena->used;
  arena->used += padded;
  arena->bytes[purpose] += padded;
  return taken;
}

#endif /* ARENA_H */
