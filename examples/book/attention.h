/* attention.h - the causal attention weights of the book's sentence of six words. */
#ifndef ATTENTION_H
#define ATTENTION_H

enum { ATTENTION_WORDS = 6 };

/*
 * Write the weights that section 3.5.1 of the book prints, a row a word:
 *
 *   weights = softmax(scores / sqrt(2))        scores = (x Wq^T) (x Wk^T)^T
 *
 * where scores above the diagonal count as -infinity: no word attends to those behind it.
 * x are the book's embeddings of "Your journey starts with one step", in 3 numbers a word;
 * Wq and Wk, both [2, 3], are what SelfAttention_v2 begins with under manual_seed(789).
 */
void attention_weights(float weights[ATTENTION_WORDS * ATTENTION_WORDS]);

#endif /* ATTENTION_H */
