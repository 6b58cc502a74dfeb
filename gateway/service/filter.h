/*
 * filter: the system calls that a gateway in operation makes, and no others (seccomp).
 *
 * A call that only an intruder makes (starting a program, looking into another process, changing the
 * machine) ends the process. Any other that is not on the list fails with ENOSYS, and its name is
 * logged once: a library's novelty must not take the gateway down under attack.
 */
#pragma once

#include <stddef.h>
#include <uv.h>

struct filter;

/* No io_uring from now on: what goes through a ring is seen by no filter. Before the loop is made, which
 * would have one. Best effort: what fails here fails again in filter_apply. */
void filter_refuse_rings(void);

/* For all threads, now and later; there is no way back. NULL with a sentence in error. Builds with
 * sanitizers have none, for those make calls of their own: *error is empty then. */
struct filter *filter_apply(uv_loop_t *loop, char *error, size_t error_size);

/* Stops reporting; freed by the loop. The filter stays. NULL is fine. */
void filter_close(struct filter *filter);
