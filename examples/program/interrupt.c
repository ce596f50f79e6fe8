/* interrupt.c - keeping a signal. */
#define _GNU_SOURCE /* sigaction */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t kept;

static void keep(int signal) {
  kept = signal;
}

static void catch_signal(int signal) {
  const struct sigaction action = {
      .sa_handler = keep,
      .sa_flags = SA_RESTART | (signal == SIGINT ? (int)SA_RESETHAND : 0)};
  struct sigaction before;
  if (sigaction(signal, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
    sigaction(signal, &action, NULL);
}

void interrupt_catch(void) {
  catch_signal(SIGINT);
  catch_signal(SIGTERM);
}

int interrupt_signal(void) {
  return kept;
}
