/*
 * crew: clients in several processes, for more of them than one process may have descriptors. Each process has an
 * address of its own, as there are not ports enough either.
 */
#pragma once

#include <stddef.h>

#include "tests/bench/support/clients.h"

struct crew;

/* Descriptors that a process may have here for clients; this process and those that it starts have them from now on. */
size_t crew_descriptors(void);

/* settings: of all of them; `count` may be above crew_descriptors(). All are up when it returns. */
struct crew *crew_connect(const struct clients_settings *settings);

/* As clients_ask(), divided among the processes; cpu_us: what they used for it, together. */
size_t crew_ask(struct crew *crew, size_t requests, size_t window, double *cpu_us);

void crew_close(struct crew *crew);
