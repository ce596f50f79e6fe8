/* presets.c - GPT-2's sizes, and one for a small text. */
#include "presets.h"

#include "text.h"

enum { GPT2_VOCABULARY = 50257, GPT2_LENGTH = 1024 };

const char *const preset_names[PRESETS] = {"small", "124M", "355M", "774M", "1558M"};

static const struct {
  int vocabulary, length, width, heads, layers;
} presets[PRESETS] = {
    {TEXT_VOCABULARY, 64, 64, 4, 2},
    {GPT2_VOCABULARY, GPT2_LENGTH, 768, 12, 12},
    {GPT2_VOCABULARY, GPT2_LENGTH, 1024, 16, 24},
    {GPT2_VOCABULARY, GPT2_LENGTH, 1280, 20, 36},
    {GPT2_VOCABULARY, GPT2_LENGTH, 1600, 25, 48},
};

void preset_apply(int preset, gpt_config_t *config) {
  config->vocabulary = presets[preset].vocabulary;
  config->length = presets[preset].length;
  config->width = presets[preset].width;
  config->heads = presets[preset].heads;
  config->layers = presets[preset].layers;
}
