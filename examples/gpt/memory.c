/* memory.c - the table of memory, computed by what deals the memory out. */
#include "memory.h"

#include <stdio.h>

#include "gpt.h"
#include "output.h"
#include "presets.h"
#include "report.h"

/* A row of the table, in bytes. */
typedef struct {
  size_t parameters; /* how many */
  size_t fused[ARENA_PURPOSES],
      separate[ARENA_PURPOSES]; /* by how attention is computed */
  size_t bytes, bits;           /* masks */
} row_t;

/* Of separate attention: fused attention stores no masks. */
static cudrop_status_t count_masks(gpt_config_t config, gpt_way_t way, size_t *bytes) {
  const parallel_t alone = parallel_alone();
  size_t counted[ARENA_PURPOSES];
  config.way = way;
  TRY(gpt_count_memory(&config, &alone, counted));
  *bytes = counted[ARENA_MASKS];
  return CUDROP_OK;
}

static cudrop_status_t count_row(gpt_config_t config, row_t *row) {
  const parallel_t alone = parallel_alone();
  row->parameters = gpt_parameter_total(&config);
  config.way = GPT_FUSED;
  config.attention = GPT_ATTENTION_FUSED;
  TRY(gpt_count_memory(&config, &alone, row->fused));
  config.attention = GPT_ATTENTION_SEPARATE;
  TRY(gpt_count_memory(&config, &alone, row->separate));
  TRY(count_masks(config, GPT_BYTES, &row->bytes));
  return count_masks(config, GPT_BITS, &row->bits);
}

static double to_mib(size_t bytes) {
  return (double)bytes / (1 << 20);
}

static double sum_up(const size_t bytes[ARENA_PURPOSES]) {
  size_t sum = 0;
  for (int k = 0; k < ARENA_PURPOSES; ++k) sum += bytes[k];
  return to_mib(sum);
}

/* The dropped weights of every layer are as large as P. */
static void print_row(const char *name, const row_t *row) {
  const size_t *fused = row->fused, *separate = row->separate;
  const double step = sum_up(separate), weights = to_mib(separate[ARENA_WEIGHTS]);
  printf("%-6s %10.1f %8.0f %11.0f %5.0f %7.0f %7.0f", name,
         (double)row->parameters / 1e6, to_mib(fused[ARENA_TRAINED]),
         to_mib(fused[ARENA_ACTIVATIONS]), to_mib(fused[ARENA_WEIGHTS]),
         to_mib(fused[ARENA_SCRATCH]), sum_up(fused));
  printf(" %7.0f %7.0f %9.0f %8.0f %7.0f %12.0f\n", weights,
         to_mib(separate[ARENA_SCRATCH]), step, step + to_mib(row->bytes),
         step + to_mib(row->bits), step + weights);
}

static void print_head(const gpt_config_t *config) {
  printf("MiB of a step of batch %d, %s:\n\n", config->batch,
         config->dtype == CUDROP_F32 ? "f32" : "bf16");
  printf("%-6s %10s %8s %11s   %-19s   %s\n", "", "", "", "", "attention fused",
         "attention separate");
  printf("%-6s %10s %8s %11s %5s %7s %7s %7s %7s %9s %8s %7s %12s\n", "", "parameters",
         "", "", "", "", "", "", "", "masks re-", "stored", "stored", "regenerated,");
  printf("%-6s %10s %8s %11s %5s %7s %7s %7s %7s %9s %8s %7s %12s\n", "model",
         "(millions)", "trained", "activations", "lse", "scratch", "step", "P", "scratch",
         "generated", "as bytes", "as bits", "drop(P) kept");
}

int memory_print(const gpt_config_t *config) {
  print_head(config);
  for (int preset = 0; preset < PRESETS; ++preset) {
    gpt_config_t of = *config;
    row_t row;
    preset_apply(preset, &of);
    if (count_row(of, &row) != CUDROP_OK)
      return complain(EXIT_FAILED, "%s", cudrop_last_error());
    print_row(preset_names[preset], &row);
  }
  return output_flush("the table");
}
