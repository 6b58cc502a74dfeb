/*
 * assemble: the parts of one gateway, put together from its configuration.
 *
 * Words: a *part* is the store, the relay, a side, a mitigator. Only main.c and this know all parts;
 * the arrows between parts that must not know each other (relay to south, north, store) are drawn here.
 */
#pragma once

#include <stddef.h>
#include <uv.h>

#include "gateway/config/config.h"

struct gateway;
struct spawner;

/* Opens everything and starts serving. Takes config, also when it fails; spawner is borrowed and outlives the gateway.
 * NULL with a sentence in error: nothing is left open then but what needs a turn of the loop to close. */
struct gateway *gateway_open(uv_loop_t *loop, struct config *config, struct spawner *spawner, char *error,
                             size_t error_size);

/* Ends sessions in order, commits, closes; on_closed when the loop has let go of everything.
 * Mitigations go on upstream and at mitigators: they are taken up again at the next start. */
void gateway_close(struct gateway *gateway, void (*on_closed)(void *arg), void *arg);
