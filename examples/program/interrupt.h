/* interrupt.h - SIGINT and SIGTERM as a wish, which the program asks for when it suits. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

/*
 * From now on a signal is kept for interrupt_signal(). A second SIGINT, of who does not want to
 * wait, ends the program; a second SIGTERM does not, because timeout(1) and others send two. A
 * signal that is ignored, as in a shell's background, stays ignored.
 */
void interrupt_catch(void);

/* The signal that has come last, or 0. */
int interrupt_signal(void);

#endif /* INTERRUPT_H */
