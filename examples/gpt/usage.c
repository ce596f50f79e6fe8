/* usage.c - what --help prints. */
#include <stdio.h>

#include "options.h"
#include "report.h"

static void print_network_usage(const options_t *defaults) {
  const gpt_config_t *config = &defaults->config;
  printf(
      "The network\n"
      "  --model NAME         small, 124M, 355M, 774M or 1558M; options behind it change "
      "it\n"
      "  --layers N           blocks (%d)\n"
      "  --heads N            of attention (%d)\n"
      "  --width N            of an embedding, a multiple of the heads (%d)\n"
      "  --length N           tokens in a row (%d)\n"
      "  --qkv-bias           queries, keys and values have a bias\n"
      "  --drop P             all three rates of dropout, 0 to 1 (%g)\n"
      "  --drop-embedding P, --drop-attention P, --drop-shortcut P\n"
      "                       one of them; the shortcuts of a block share one\n"
      "\n",
      config->layers, config->heads, config->width, config->length, config->p[0]);
}

static void print_training_usage(const options_t *defaults) {
  printf(
      "Training\n"
      "  --text FILE          a token is a byte; gzip is read, too (%s)\n"
      "  --bytes N            of the text, the first N; 0: all (%d, but all of another "
      "text)\n"
      "  --batch N            rows in a step, of all ranks (%d)\n"
      "  --steps N            in all (%d)\n"
      "  --rate X, --decay X  of AdamW (%g, %g)\n"
      "  --seed S             any 64 bits; everything random follows from it (%llu)\n"
      "  --evaluate-every N   steps between two points of the curve (%d)\n"
      "  --backend B          host, cuda, or auto: the GPU if there is one (auto)\n"
      "  --type T             f32, or on a GPU bf16, with parameters in f32 as well "
      "(f32)\n"
      "  --attention W        fused: one call, without a matrix of weights; separate: "
      "products\n"
      "                       with softmax and dropout between them. The same is dropped "
      "(fused;\n"
      "                       separate with another --sites, or where a head's width is "
      "no "
      "multiple\n"
      "                       of 8 up to 256)\n"
      "  --sites W            fused, or separate calls that regenerate the mask or store "
      "it:\n"
      "                       separate, bytes, bits, with the bits of --attention "
      "separate\n"
      "                       (fused)\n"
      "  --split W            what the ranks of mpirun share: data or tensor (data)\n"
      "  --out DIR            where loss.csv and the checkpoint go, made if absent (%s)\n"
      "\n",
      defaults->text, defaults->bytes, defaults->config.batch, defaults->steps,
      defaults->rate, defaults->decay, (unsigned long long)defaults->seed,
      defaults->evaluate_every, defaults->out);
}

const char options_usage[] = "gpt [OPTIONS]";

void options_print_usage(void) {
  const options_t defaults = options_defaults();
  printf(
      "usage: %s\n"
      "\n"
      "Trains a GPT with dropout on a text, writes the curve of its losses and prints "
      "the\n"
      "last ones. No mask is stored. mpirun -n 4 gpt_mpi [OPTIONS] does the same on 4 "
      "ranks.\n"
      "\n",
      options_usage);
  print_network_usage(&defaults);
  print_training_usage(&defaults);
  printf(
      "The checkpoint holds the state of the run. SIGINT and SIGTERM write it and stop.\n"
      "  --resume             go on from the one in --out, on any number of ranks, with "
      "its\n"
      "                       options: one that is given has to be its, but for --steps. "
      "Not in it\n"
      "                       are --attention, --sites, --split and where the text lies\n"
      "  --fresh              begin anew where there is a checkpoint, in its place\n"
      "  --save-every S       seconds between two checkpoints; 0: after every step (%d)\n"
      "  --stop-after N       write a checkpoint and stop after N steps, with the status "
      "%d\n"
      "\n"
      "In place of training\n"
      "  --memory             print what a step needs, of every --model\n"
      "  --measure            time --steps steps in each way of --attention and "
      "--sites, and\n"
      "                       their memory\n"
      "  --help\n",
      defaults.save_every, EXIT_STOPPED);
}
