/*
 * spawn: starts a program of the operator's with nothing of ours but three pipes.
 */
#pragma once

#include <uv.h>

/*
 * Runs program (no arguments) in a session of its own, in /, with the environment PATH, LANG and
 * DOTSGW_MITIGATOR=mitigator, and no descriptors but our_ends' other ends as 0, 1 and 2. Blocks
 * until it has begun. 0 and our ends of the pipes, or a negative libuv error, with none left open;
 * then a handle that was zero and has a type now must be closed.
 */
int spawn_program(uv_loop_t *loop, uv_process_t *handle, const char *program, const char *mitigator, uv_exit_cb exited,
                  uv_file our_ends[3]);

/* To the program and to what it has started, as long as it lives. */
void spawn_signal(uv_process_t *handle, int signal);
