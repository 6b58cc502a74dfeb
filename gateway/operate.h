/*
 * operate: what an operator may ask of a running gateway, by signal or by the control tool.
 *
 * Words: a *reload* reads the configuration file again and puts it in force, or refuses it as a whole; a *drain* sends
 * clients elsewhere, and ends when they have gone or when gateway.drain-time is over.
 */
#pragma once

#include <stdbool.h>

struct gateway;

/* text: one sentence, for the log and the operator; when not ok, everything is as it was before. */
typedef void gateway_reload_h(void *arg, bool ok, const char *text);

/*
 * Reads the file that the gateway was started with. why: "SIGHUP", "dotsgwctl": for the log, which has the result, too.
 * done (NULL is fine) comes on a later turn of the loop. -1: another one is under way (then done does not come), or the
 * gateway is closing.
 */
int gateway_reload(struct gateway *gateway, const char *why, gateway_reload_h *done, void *arg);

/* Begins a drain. Again: nothing. */
void gateway_drain(struct gateway *gateway, const char *why);
/* Ends it before that: who comes is served again. */
void gateway_undrain(struct gateway *gateway, const char *why);
bool gateway_draining(const struct gateway *gateway);
bool gateway_reloading(const struct gateway *gateway);

/* Jobs of a mitigator that runs, for metrics. */
struct driver;
struct mitigator_counts;
void gateway_driver_counts(const struct driver *driver, struct mitigator_counts *out);

/* What the process around the gateway does with it; on the loop thread. */
struct gateway_observer {
    void (*changed)(void *arg); /* a reload or a drain has begun or ended, whoever asked for it */
    void (*drained)(void *arg); /* it is over: the gateway is to be closed */
    void *arg;
};
void gateway_observe(struct gateway *gateway, const struct gateway_observer *observer); /* copied */
