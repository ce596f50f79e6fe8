/* presets.h - the sizes of networks that have names. */
#ifndef PRESETS_H
#define PRESETS_H

#include "config.h"

enum { PRESETS = 5 };

/* "small", and those of GPT-2: "124M", "355M", "774M" and "1558M". */
extern const char *const preset_names[PRESETS];

/* Give *config the sizes of a preset; the rest of it stays. */
void preset_apply(int preset, gpt_config_t *config);

#endif /* PRESETS_H */
