/* command.h - the commands of the program `cudrop`. */
#ifndef CUDROP_COMMAND_H
#define CUDROP_COMMAND_H

/* Every command gets its own name as argv[0] and returns an exit status of command_line.h. */
int command_bench(int argc, char **argv);
int command_info(int argc, char **argv);
int command_mask(int argc, char **argv);
int command_verify(int argc, char **argv);

#endif /* CUDROP_COMMAND_H */
