/*
 * test_threads.c - callers in threads of their own, each with a context whose work several
 * threads do; and processes that fork. All give the bytes of one thread in one process.
 */
#define _GNU_SOURCE /* unshare */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

/* Enough for four threads; not a whole number of bytes of packed bits. */
enum { N = 300017, MASKS = 3, CALLERS = 4, ROUNDS = 12 };

/* Floats and doubles as their bits, which are what is compared. */
typedef struct {
  uint32_t y[N], dx[N];
  uint64_t sum[N];
  uint8_t bits[(N + 7) / 8], keep[N];
  uint64_t kept;
} results_t;

static float x[N];
static double ones[N];
static results_t expected[MASKS];

/* Forward, its backward in place, a sum, and the mask in three forms. */
static cudrop_status_t make_calls(cudrop_context_t *context, int which,
                                  results_t *results) {
  static const int64_t n = N;
  const cudrop_mask_t mask = cudrop_mask(9, (uint64_t)which, 0.3);
  const cudrop_tensor_t in = cudrop_vector(x, CUDROP_F32, N);
  const cudrop_tensor_t y = cudrop_vector(results->y, CUDROP_F32, N);
  const cudrop_tensor_t dx = cudrop_vector(results->dx, CUDROP_F32, N);
  const cudrop_tensor_t one = cudrop_vector(ones, CUDROP_F64, N);
  const cudrop_tensor_t sum = cudrop_vector(results->sum, CUDROP_F64, N);
  const cudrop_tensor_t keep = cudrop_vector(results->keep, CUDROP_U8, N);
  memset(results, 0, sizeof *results);
  memcpy(results->dx, x, sizeof x);
  cudrop_status_t status = cudrop_forward(context, &in, &mask, &y);
  if (status == CUDROP_OK) status = cudrop_backward(context, &dx, &mask, &dx);
  if (status == CUDROP_OK)
    status = cudrop_backward_accumulate(context, &one, &mask, &sum);
  if (status == CUDROP_OK) status = cudrop_export_bytes(context, &mask, &keep);
  if (status == CUDROP_OK)
    status = cudrop_export_bits(context, &mask, 1, &n, results->bits);
  if (status == CUDROP_OK)
    status = cudrop_count_kept(context, &mask, 1, &n, &results->kept);
  return status;
}

static bool is_right(cudrop_context_t *context, int which, results_t *results) {
  return make_calls(context, which, results) == CUDROP_OK &&
         memcmp(results, &expected[which], sizeof *results) == 0;
}

static void expect_results(void) {
  cudrop_context_t *context = NULL;
  for (int k = 0; k < N; ++k) {
    x[k] = (float)k - 1000.5f;
    ones[k] = 1.0;
  }
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  for (int k = 0; k < MASKS; ++k) ck_assert_ok(make_calls(context, k, &expected[k]));
  ck_assert_ok(cudrop_destroy(&context));
}

/* ---- threads that call -------------------------------------------------------------------- */

typedef struct {
  pthread_t thread;
  int number;
  const char *failure; /* empty while all is well */
  results_t results;
} caller_t;

static caller_t callers[CALLERS];
static pthread_barrier_t beginning;

/* Every few rounds a new context, every round another number of threads. */
static const char *serve(caller_t *caller, cudrop_context_t **own) {
  char text[128];
  snprintf(text, sizeof text, "cudrop_set_threads: threads = %d is outside [0, 1024]",
           2000 + caller->number);
  for (int round = 0; round < ROUNDS; ++round) {
    if (round % 4 == 0 && (cudrop_destroy(own) != CUDROP_OK ||
                           cudrop_create(own, CUDROP_HOST, 0) != CUDROP_OK))
      return "no new context";
    if (cudrop_set_threads(*own, 2000 + caller->number) == CUDROP_OK)
      return "so many threads were had";
    if (cudrop_set_threads(*own, 1 + (round + caller->number) % 4) != CUDROP_OK)
      return "another number of threads was refused";
    if (!is_right(*own, round % MASKS, &caller->results)) return "wrong bytes";
    if (strcmp(cudrop_last_error(), text) != 0) return "the last error is another's";
  }
  return "";
}

static void *call(void *argument) {
  caller_t *caller = argument;
  cudrop_context_t *own = NULL;
  pthread_barrier_wait(&beginning);
  caller->failure = serve(caller, &own);
  if (cudrop_destroy(&own) != CUDROP_OK) caller->failure = "not destroyed";
  return NULL;
}

START_TEST(callers_at_once_get_what_one_alone_gets) {
  ck_assert_int_eq(pthread_barrier_init(&beginning, NULL, CALLERS), 0);
  for (int k = 0; k < CALLERS; ++k) {
    callers[k].number = k;
    ck_assert_int_eq(pthread_create(&callers[k].thread, NULL, call, &callers[k]), 0);
  }
  for (int k = 0; k < CALLERS; ++k) {
    ck_assert_int_eq(pthread_join(callers[k].thread, NULL), 0);
    ck_assert_str_eq(callers[k].failure, "");
  }
  ck_assert_int_eq(pthread_barrier_destroy(&beginning), 0);
  ck_assert_str_eq(cudrop_last_error(), ""); /* of this thread, which made no error */
}
END_TEST

static cudrop_context_t *passed_on;

static void *call_with_what_was_passed_on(void *argument) {
  caller_t *caller = argument;
  caller->failure = is_right(passed_on, caller->number, &caller->results) ? "" : "wrong";
  return NULL;
}

/* One thread at a time, and it need not be the one that made it. */
START_TEST(a_context_may_go_from_thread_to_thread) {
  ck_assert_ok(cudrop_create(&passed_on, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(passed_on, 3));
  for (int k = 0; k < MASKS; ++k) {
    callers[k].number = k;
    ck_assert_int_eq(pthread_create(&callers[k].thread, NULL,
                                    call_with_what_was_passed_on, &callers[k]),
                     0);
    ck_assert_int_eq(pthread_join(callers[k].thread, NULL), 0);
    ck_assert_str_eq(callers[k].failure, "");
  }
  ck_assert_ok(cudrop_destroy(&passed_on));
}
END_TEST

/* ---- processes that fork ------------------------------------------------------------------ */

static results_t scratch;

/* What a child does: with what it inherited, then with a context of its own. */
static bool works(cudrop_context_t *inherited) {
  cudrop_context_t *own = NULL;
  return is_right(inherited, 0, &scratch) && is_right(inherited, 1, &scratch) &&
         cudrop_create(&own, CUDROP_HOST, 0) == CUDROP_OK &&
         cudrop_set_threads(own, 3) == CUDROP_OK && is_right(own, 2, &scratch) &&
         cudrop_set_threads(inherited, 2) == CUDROP_OK &&
         is_right(inherited, 2, &scratch) && cudrop_destroy(&own) == CUDROP_OK;
}

static bool has_ended_well(pid_t child) {
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

enum { MOST_SECONDS = 60 }; /* after which a child that hangs is killed */

/* Fork; in the child use a context, let a grandchild do the same, and destroy it. */
static pid_t fork_workers(cudrop_context_t *inherited) {
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(MOST_SECONDS);
  bool right = works(inherited);
  const pid_t grandchild = fork();
  if (grandchild == 0) {
    alarm(MOST_SECONDS);
    right = works(inherited) && cudrop_destroy(&inherited) == CUDROP_OK;
    _exit(right ? 0 : 1);
  }
  right = has_ended_well(grandchild) && right;
  _exit(cudrop_destroy(&inherited) == CUDROP_OK && right ? 0 : 1);
}

START_TEST(a_forked_child_has_threads_of_its_own) {
  cudrop_context_t *context = NULL;
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(context, 4));
  ck_assert(is_right(context, 0, &scratch)); /* the threads are running */
  const pid_t child = fork_workers(context);
  ck_assert(is_right(context, 1, &scratch));
  ck_assert(has_ended_well(child));
  ck_assert(is_right(context, 2, &scratch));
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

START_TEST(a_child_may_destroy_what_it_inherited_first_of_all) {
  cudrop_context_t *context = NULL;
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(context, 4));
  const pid_t child = fork();
  if (child == 0) {
    alarm(MOST_SECONDS);
    _exit(cudrop_destroy(&context) == CUDROP_OK ? 0 : 1);
  }
  ck_assert(has_ended_well(child));
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

static atomic_bool has_begun, shall_end;

static void *keep_busy(void *argument) {
  caller_t *caller = argument;
  caller->failure = "";
  while (!atomic_load(&shall_end)) {
    if (!is_right(passed_on, 1, &caller->results)) caller->failure = "wrong bytes";
    atomic_store(&has_begun, true);
  }
  return NULL;
}

/* In the child neither the caller nor the threads of the busy context are there any more. */
START_TEST(a_fork_in_the_middle_of_a_call_of_another_thread_harms_no_one) {
  enum { FORKS = 10 };
  cudrop_context_t *idle = NULL;
  ck_assert_ok(cudrop_create(&idle, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(idle, 4));
  ck_assert_ok(cudrop_create(&passed_on, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(passed_on, 3));
  ck_assert_int_eq(pthread_create(&callers[0].thread, NULL, keep_busy, &callers[0]), 0);
  while (!atomic_load(&has_begun)) sched_yield();
  for (int k = 0; k < FORKS; ++k) {
    ck_assert(has_ended_well(fork_workers(k % 2 == 0 ? idle : passed_on)));
    ck_assert(is_right(idle, 0, &scratch));
  }
  atomic_store(&shall_end, true);
  ck_assert_int_eq(pthread_join(callers[0].thread, NULL), 0);
  ck_assert_str_eq(callers[0].failure, "");
  ck_assert_ok(cudrop_destroy(&passed_on));
  ck_assert_ok(cudrop_destroy(&idle));
}
END_TEST

/* ---- processes that a process id does not tell apart -------------------------------------- */

enum { SKIPPED = 77 };

static int wait_for(pid_t child) {
  int status = -1;
  if (child <= 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status);
}

/* Children that are made from now on begin a namespace, and are process 1 there. */
static bool begin_namespace(void) {
  return unshare(CLONE_NEWPID) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
}

/* What process 1 does: its child is process 1 too, of the next namespace. */
static int nest_namespaces(bool uses_first) {
  cudrop_context_t *context = NULL;
  if (getpid() != 1 || cudrop_create(&context, CUDROP_HOST, 0) != CUDROP_OK ||
      cudrop_set_threads(context, 4) != CUDROP_OK || !is_right(context, 0, &scratch))
    return 1;
  if (!begin_namespace()) return SKIPPED;
  const pid_t child = fork();
  if (child == 0) {
    alarm(MOST_SECONDS);
    const bool right = getpid() == 1 && (!uses_first || works(context));
    _exit(cudrop_destroy(&context) == CUDROP_OK && right ? 0 : 1);
  }
  const int result = wait_for(child);
  const bool right = is_right(context, 1, &scratch);
  return cudrop_destroy(&context) == CUDROP_OK && right ? result : 1;
}

START_TEST(a_child_may_have_its_parents_process_id) {
  const pid_t outer = fork();
  if (outer == 0) {
    if (!begin_namespace()) _exit(SKIPPED);
    const pid_t first = fork();
    if (first == 0) {
      alarm(2 * MOST_SECONDS);
      _exit(nest_namespaces(_i == 1));
    }
    _exit(wait_for(first));
  }
  const int result = wait_for(outer);
  if (result == SKIPPED) {
    printf("skipped: a namespace of process ids is not allowed here\n");
    return;
  }
  ck_assert_int_eq(result, 0);
}
END_TEST

/* From now on this process has an older kernel, which wipes no memory at a fork. */
static bool refuse_wiping(void) {
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_WIPEONFORK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static int fork_on_an_older_kernel(void) {
  cudrop_context_t *context = NULL;
  void *page = mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!refuse_wiping()) return SKIPPED;
  if (madvise(page, 1, MADV_WIPEONFORK) == 0 || errno != EINVAL ||
      cudrop_create(&context, CUDROP_HOST, 0) != CUDROP_OK ||
      cudrop_set_threads(context, 4) != CUDROP_OK || !is_right(context, 0, &scratch))
    return 1;
  const bool right =
      has_ended_well(fork_workers(context)) && is_right(context, 1, &scratch);
  return cudrop_destroy(&context) == CUDROP_OK && right ? 0 : 1;
}

START_TEST(a_child_is_told_where_the_kernel_wipes_no_memory) {
  const pid_t child = fork();
  if (child == 0) _exit(fork_on_an_older_kernel());
  const int result = wait_for(child);
  if (result == SKIPPED) {
    printf("skipped: a filter of system calls is not allowed here\n");
    return;
  }
  ck_assert_int_eq(result, 0);
}
END_TEST

static TCase *threads_case(void) {
  TCase *tests = suite_case("threads", 300);
  tcase_add_checked_fixture(tests, expect_results, NULL);
  tcase_add_test(tests, callers_at_once_get_what_one_alone_gets);
  tcase_add_test(tests, a_context_may_go_from_thread_to_thread);
  return tests;
}

static TCase *fork_case(void) {
  TCase *tests = suite_case("fork", 300);
  tcase_add_checked_fixture(tests, expect_results, NULL);
  tcase_add_test(tests, a_forked_child_has_threads_of_its_own);
  tcase_add_test(tests, a_child_may_destroy_what_it_inherited_first_of_all);
  tcase_add_test(tests, a_fork_in_the_middle_of_a_call_of_another_thread_harms_no_one);
  tcase_add_loop_test(tests, a_child_may_have_its_parents_process_id, 0, 2);
  tcase_add_test(tests, a_child_is_told_where_the_kernel_wipes_no_memory);
  return tests;
}

SUITE_MAIN("threads", threads_case(), fork_case())
