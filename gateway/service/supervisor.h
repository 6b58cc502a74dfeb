/*
 * supervisor: tells the service manager (systemd, or whoever sets NOTIFY_SOCKET) how we are, as sd_notify(3).
 *
 * The protocol is a datagram of KEY=VALUE lines, and promised to stay so; libsystemd would bring three
 * compression libraries into a process that faces the network. Without NOTIFY_SOCKET all of this does
 * nothing. Call from the loop only.
 */
#pragma once

#include <uv.h>

struct supervisor;

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment and connects; from then on the loop tells
 * it twice in each watchdog period that it turns. Never fails: what does not work is logged.
 * NULL: there is none; all functions take that. */
struct supervisor *supervisor_open(uv_loop_t *loop);

/* Started, or a reload is over, well or not: status is a sentence for people (systemctl status). */
void supervisor_ready(struct supervisor *supervisor, const char *status);
/* A reload begins; supervisor_ready ends it. */
void supervisor_reloading(struct supervisor *supervisor);
/* An orderly end begins. The watchdog goes on. */
void supervisor_stopping(struct supervisor *supervisor);

/* Freed by the loop. */
void supervisor_close(struct supervisor *supervisor);
