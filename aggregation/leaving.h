/*
 * leaving: the installs of an upstream cuid that are being withdrawn, found by what a new one has to wait for without
 * a walk of all that are installed. The jobs of a mitigator wait for nothing, and are in no index.
 */
#pragma once

#include "aggregation/relay_state.h"

/* It is being withdrawn from here on. Cannot fail: what cannot be indexed is walked. */
void leaving_add(struct install *install);
void leaving_remove(struct install *install); /* nothing happens when it is none of them */
void leaving_free(struct upstream_cuid_state *cuid);

/* One that is being withdrawn, that nothing waits for yet, and that must be gone first: it has the same mid, or a
 * higher one and overlaps (after a rollover). NULL: none. */
struct install *leaving_before(const struct install *install);

/* Is one with a higher mid that overlaps it being withdrawn? */
bool leaving_above(const struct install *install);
