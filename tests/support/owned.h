/* owned: two upstreams and what each of them owns, for fan-out by-prefix; 10.1.192.0/18 is nobody's. */
#pragma once

#include "aggregation/relay.h"

#define OWNED_TARGETS 2
#define OWNED_EACH 2
#define OWNED_KEY (RELAY_CUID_MAX + 16)

extern struct wire_prefix owned_by[OWNED_TARGETS][OWNED_EACH]; /* filled by owned_init */
void owned_init(void);

/* What the upstream is asked for of a prefix: one piece at most, for prefixes in 10.0.0.0/15 longer than that. */
bool owned_part(size_t target, const struct wire_prefix *prefix, struct wire_prefix *part);

/* The gateway may be called the same at both upstreams: a name for both, and back to the upstream. */
const char *owned_key(char key[OWNED_KEY], size_t target, const char *cuid);
size_t owned_target(const char *key);
