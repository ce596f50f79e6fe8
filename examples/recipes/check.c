/* check.c - an error ends the program. */
#include <stdio.h>
#include <stdlib.h>

#include "recipes.h"

void recipe_check(cudrop_status_t status) {
  if (status == CUDROP_OK) return;
  fprintf(stderr, "%s\n", cudrop_last_error());
  exit(1);
}
