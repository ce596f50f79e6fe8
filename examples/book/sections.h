/*
 * sections.h - what the program prints, section by section.
 *
 * Each says in a sentence or two what it shows, names the call, and prints what the call has
 * written. The matrices are 6 by 6; their contents change with every section.
 */
#ifndef SECTIONS_H
#define SECTIONS_H

#include "matrices.h"

void show_scale(const matrices_t *m);     /* what a survivor is multiplied by */
void show_ones(const matrices_t *m);      /* half of a matrix of ones */
void show_attention(const matrices_t *m); /* half of the causal attention weights */
void show_inference(const matrices_t *m); /* training drops, inference copies */
void show_seed(const matrices_t *m);      /* an equal mask drops equal elements */
void show_torch(const matrices_t *m);     /* the matrices that the book prints */

#endif /* SECTIONS_H */
