/*
 * pool.c - a pool of threads.
 *
 * Threads are started with the pool, so that no work waits for their start. They are started again
 * in a child process, because a fork copies only the thread that forks. Each thread, the caller's
 * too, takes its next part from a counter, so work is done even if no thread could be started.
 */
#define _GNU_SOURCE /* sched_getaffinity, madvise */
#include "host/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/environment.h"

/* The least stack of a thread, even if the program's default is smaller. The stack must hold what
 * operators need (cudrop.h, "Stack") and the thread-local variables of the program and its
 * libraries. */
enum { STACK_BYTES = 1 << 20 };

struct cudropi_pool {
  int threads;   /* the caller's included */
  bool *is_home; /* true in the process of the threads; on a page of its own */
  bool is_wiped; /* a fork sets *is_home to false; else compare process ids */
  pid_t process; /* where the threads were started */
  int started;
  pthread_t *thread;

  pthread_mutex_t mutex;
  pthread_cond_t begins, ends;
  unsigned long round; /* number of the work; threads wait for the next */
  bool closes;
  cudropi_task_t *run;
  const void *work;
  int parts, next, done;
};

/* ---- Threads ----------------------------------------------------------------------------- */

/* Do parts until none is left. The caller holds the mutex, before and after. */
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

/* ---- Processes --------------------------------------------------------------------------- */

/*
 * Is this a child process, so that the threads are another process's? A process id alone does not
 * tell: process 1 of a container may fork into a container where its child is process 1.
 */
static bool is_inherited(const cudropi_pool_t *pool) {
  return pool->is_wiped ? !*pool->is_home : pool->process != getpid();
}

static bool mark_home(cudropi_pool_t *pool) {
  const size_t bytes = sizeof *pool->is_home;
  void *page =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  pool->is_home = page;
#if defined(MADV_WIPEONFORK)
  pool->is_wiped = madvise(page, bytes, MADV_WIPEONFORK) == 0;
#endif
  return true;
}

static void begin_process(cudropi_pool_t *pool) {
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->begins, NULL);
  pthread_cond_init(&pool->ends, NULL);
  *pool->is_home = true;
  pool->process = getpid();
  pool->started = 0;
  pool->round = 0;
}

/* Start the threads with all signals blocked: signals are for the program's own threads. */
static void start_threads(cudropi_pool_t *pool) {
  pthread_attr_t attributes;
  size_t bytes = 0;
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_attr_init(&attributes) != 0) return;
  pthread_attr_getstacksize(&attributes, &bytes);
  if (bytes < STACK_BYTES) pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool->started < pool->threads - 1 &&
         pthread_create(&pool->thread[pool->started], &attributes, serve, pool) == 0)
    ++pool->started;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

/* ---- Pools ------------------------------------------------------------------------------- */

static void free_pool(cudropi_pool_t *pool) {
  if (pool->is_home != NULL) munmap(pool->is_home, sizeof *pool->is_home);
  free(pool->thread);
  free(pool);
}

cudropi_pool_t *cudropi_pool_create(int threads) {
  cudropi_pool_t *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->threads = threads;
  pool->thread = calloc((size_t)threads, sizeof *pool->thread);
  if (pool->thread == NULL || !mark_home(pool)) {
    free_pool(pool);
    return NULL;
  }
  begin_process(pool);
  start_threads(pool);
  return pool;
}

void cudropi_pool_destroy(cudropi_pool_t *pool) {
  if (pool == NULL) return;
  if (!is_inherited(pool)) {
    pthread_mutex_lock(&pool->mutex);
    pool->closes = true;
    pthread_cond_broadcast(&pool->begins);
    pthread_mutex_unlock(&pool->mutex);
    for (int k = 0; k < pool->started; ++k) pthread_join(pool->thread[k], NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->begins);
    pthread_cond_destroy(&pool->ends);
  }
  free_pool(pool);
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
  if (is_inherited(pool)) {
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
