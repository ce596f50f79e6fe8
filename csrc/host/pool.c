/*
 * pool.c - a pool of threads.
 *
 * Threads are started with the pool, so that no work waits for it, and again in a child
 * process: a fork takes only the thread that forks. Parts are taken from a counter by whoever
 * is free, so that work is done even where no thread could be started.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "environment.h"

struct cudropi_pool {
  int threads; /* with the caller's */
  pid_t process;
  int started;
  pthread_t *thread;

  pthread_mutex_t mutex;
  pthread_cond_t begins, ends;
  unsigned long round; /* of work; a thread waits for the next */
  bool closes;
  cudropi_task_t *run;
  const void *work;
  int parts, next, done;
};

/* Take parts until there are none. The mutex is held on the way in and out. */
static void take_parts(cudropi_pool_t *pool) {
  while (pool->next < pool->parts) {
    const int part = pool->next++;
    pthread_mutex_unlock(&pool->mutex);
    pool->run(pool->work, part, pool->parts);
    pthread_mutex_lock(&pool->mutex);
    if (++pool->done == pool->parts) pthread_cond_signal(&pool->ends);
  }
}

static void *serve(void *argument) {
  cudropi_pool_t *pool = argument;
  unsigned long seen = 0;
  cudropi_default_environment();
  pthread_mutex_lock(&pool->mutex);
  while (!pool->closes) {
    if (pool->round == seen) {
      pthread_cond_wait(&pool->begins, &pool->mutex);
      continue;
    }
    seen = pool->round;
    take_parts(pool);
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

static void begin_process(cudropi_pool_t *pool) {
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->begins, NULL);
  pthread_cond_init(&pool->ends, NULL);
  pool->process = getpid();
  pool->started = 0;
  pool->round = 0;
}

/* Signals are the program's: none is delivered to a thread of the pool. */
static void start_threads(cudropi_pool_t *pool) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool->started < pool->threads - 1 &&
         pthread_create(&pool->thread[pool->started], NULL, serve, pool) == 0)
    ++pool->started;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

cudropi_pool_t *cudropi_pool_create(int threads) {
  cudropi_pool_t *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->threads = threads;
  pool->thread = calloc((size_t)threads, sizeof *pool->thread);
  if (pool->thread == NULL) {
    free(pool);
    return NULL;
  }
  begin_process(pool);
  start_threads(pool);
  return pool;
}

void cudropi_pool_destroy(cudropi_pool_t *pool) {
  if (pool == NULL) return;
  if (pool->process == getpid()) { /* else the threads are another process's */
    pthread_mutex_lock(&pool->mutex);
    pool->closes = true;
    pthread_cond_broadcast(&pool->begins);
    pthread_mutex_unlock(&pool->mutex);
    for (int k = 0; k < pool->started; ++k) pthread_join(pool->thread[k], NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->begins);
    pthread_cond_destroy(&pool->ends);
  }
  free(pool->thread);
  free(pool);
}

int cudropi_count_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

void cudropi_pool_run(cudropi_pool_t *pool, cudropi_task_t *run, const void *work,
                      int parts) {
  if (pool == NULL || parts <= 1) {
    for (int part = 0; part < parts; ++part) run(work, part, parts);
    return;
  }
  if (pool->process != getpid()) {
    begin_process(pool);
    start_threads(pool);
  }
  pthread_mutex_lock(&pool->mutex);
  pool->run = run;
  pool->work = work;
  pool->parts = parts;
  pool->next = 0;
  pool->done = 0;
  ++pool->round;
  pthread_cond_broadcast(&pool->begins);
  take_parts(pool);
  while (pool->done < parts) pthread_cond_wait(&pool->ends, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}
