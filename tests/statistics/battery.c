/* battery.c - strings from the backend under test, and verdicts that are printed. */
#include "battery.h"

#include <math.h>
#include <stdarg.h>

#include "oracle.h"

battery_t battery;

const double battery_rates[BATTERY_RATES] = {0.5, 0.1, 1e-3, 0.25, 1.0 / 3, 0.7, 0.9};

static void open_battery(uint64_t n, uint64_t draws) {
  battery.n = n;
  battery.draws = draws;
  ck_assert_ok(cudrop_create(&battery.context, suite_backend(), 0));
  battery.first = malloc(n / 8);
  battery.second = malloc(n / 8);
  ck_assert(battery.first != NULL && battery.second != NULL);
}

void battery_open_quick(void) {
  open_battery((uint64_t)1 << 24, (uint64_t)1 << 26);
}

void battery_open_whole(void) {
  open_battery((uint64_t)1 << 26, (uint64_t)1 << 30);
  if (suite_backend() == CUDROP_HOST)
    ck_assert_ok(cudrop_set_threads(battery.context, 0));
}

void battery_close(void) {
  free(battery.first);
  free(battery.second);
  ck_assert_ok(cudrop_destroy(&battery.context));
}

void battery_draw(uint64_t seed, uint64_t offset, double p, uint64_t *bits) {
  const cudrop_mask_t mask = cudrop_mask(seed, offset, p);
  const int64_t n = (int64_t)battery.n;
  void *buffer = NULL;
  ck_assert_ok(cudrop_alloc(battery.context, battery.n / 8, &buffer));
  ck_assert_ok(cudrop_export_bits(battery.context, &mask, 1, &n, buffer));
  ck_assert_ok(cudrop_download(battery.context, bits, buffer, battery.n / 8));
  ck_assert_ok(cudrop_free(battery.context, &buffer));
}

uint64_t battery_count(uint64_t seed, uint64_t offset, double p) {
  const cudrop_mask_t mask = cudrop_mask(seed, offset, p);
  const int64_t n = (int64_t)battery.draws;
  void *total = NULL;
  uint64_t kept = 0;
  ck_assert_ok(cudrop_alloc(battery.context, sizeof kept, &total));
  ck_assert_ok(cudrop_count_kept(battery.context, &mask, 1, &n, total));
  ck_assert_ok(cudrop_download(battery.context, &kept, total, sizeof kept));
  ck_assert_ok(cudrop_free(battery.context, &total));
  return kept;
}

void battery_draw_weakly(uint64_t seed, uint64_t offset, uint64_t *bits) {
  uint8_t *bytes = (uint8_t *)bits;
  const uint32_t key[] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (uint32_t group = 0; group < battery.n / 8; ++group) {
    const uint32_t counter[] = {(uint32_t)offset, (uint32_t)(offset >> 32), group, 0};
    uint32_t block[4];
    oracle_philox(counter, key, 4, block);
    unsigned keep = 0;
    for (unsigned lane = 0; lane < 8; ++lane)
      keep |= (block[lane / 2] >> (16 * (lane % 2) + 15) & 1) << lane;
    bytes[group] = (uint8_t)keep;
  }
}

/* The rest of a line; flushed, which the process of a failed test does not do. */
__attribute__((format(printf, 1, 0))) static void print_name(const char *name,
                                                             va_list arguments) {
  vprintf(name, arguments);
  puts("");
  fflush(stdout);
}

void battery_expect_z(double z, double limit, const char *name, ...) {
  va_list arguments;
  va_start(arguments, name);
  printf("  z = %-+9.2f ", z);
  print_name(name, arguments);
  va_end(arguments);
  ck_assert_double_lt(fabs(z), limit);
}

void battery_expect_tail(double tail, const char *name, ...) {
  va_list arguments;
  va_start(arguments, name);
  printf("  P = %-9.3g ", tail);
  print_name(name, arguments);
  va_end(arguments);
  ck_assert_double_gt(tail, 1e-6);
  ck_assert_double_gt(1.0 - tail, 1e-6);
}

void battery_expect_noticed_z(double z, const char *name, ...) {
  va_list arguments;
  va_start(arguments, name);
  printf("  z = %-+9.2f control: ", z);
  print_name(name, arguments);
  va_end(arguments);
  ck_assert_double_gt(fabs(z), 8.0);
}

void battery_expect_noticed_tail(double tail, const char *name, ...) {
  va_list arguments;
  va_start(arguments, name);
  printf("  P = %-9.3g control: ", tail);
  print_name(name, arguments);
  va_end(arguments);
  ck_assert_double_lt(tail, 1e-15);
}
