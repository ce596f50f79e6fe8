/* environment.c - the default floating-point environment, around what operators compute. */
#include "core/environment.h"

#if defined(__x86_64__)

/* Not fenv_t: fegetenv() and fesetenv() move all x87 state, which takes as long as a small call. */
typedef struct {
  uint32_t sse; /* rounding, subnormals, traps and flags of all arithmetic here */
  uint16_t x87; /* traps, and the rounding that printf() and strtod() follow */
} environment_t;

/* Round to nearest even; subnormals are numbers; nothing traps; no flag is raised. */
static const environment_t standard = {0x1f80, 0x37f};

static void set(const environment_t *environment) {
  __asm__ volatile("ldmxcsr %0" : : "m"(environment->sse) : "memory");
}

static void set_x87(const environment_t *environment) {
  __asm__ volatile("fldcw %0" : : "m"(environment->x87) : "memory");
}

static environment_t enter(void) {
  environment_t callers;
  __asm__ volatile("stmxcsr %0" : "=m"(callers.sse));
  __asm__ volatile("fnstcw %0" : "=m"(callers.x87));
  set(&standard);
  if (callers.x87 != standard.x87) set_x87(&standard);
  return callers;
}

static void leave(const environment_t *callers) {
  set(callers);
  if (callers->x87 != standard.x87) set_x87(callers);
}

#else

#include <fenv.h>

typedef fenv_t environment_t;

static environment_t enter(void) {
  environment_t callers;
  fegetenv(&callers);
  fesetenv(FE_DFL_ENV);
  return callers;
}

static void leave(const environment_t *callers) {
  fesetenv(callers);
}

#endif

void cudropi_default_environment(void) {
  (void)enter();
}

cudrop_status_t cudropi_compute(cudropi_computation_t *compute, cudrop_context_t *context,
                                const void *call) {
  const environment_t callers = enter();
  /* Hide `compute` from the compiler, which believes that arithmetic does not depend on the
   * environment. It could inline the function and move its arithmetic past enter() or leave(). */
  __asm__ volatile("" : "+r"(compute));
  const cudrop_status_t status = compute(context, call);
  leave(&callers);
  return status;
}
