/*
 * filters: which ACLs of the data channel are in force, handed to the mitigators (RFC 8783 section 7.2).
 *
 * An ACL is in force at once (immediate), while a mitigation of its client is active (activate-when-mitigating), or not
 * at all. What changes is noted when it is said, and worked off once a turn of the loop.
 */
#pragma once

#include "aggregation/catalog.h"
#include "aggregation/relay.h"
#include "northbound/mitigator/mitigator.h"

struct filters;

/* NULL: out of memory. Both are borrowed. */
struct filters *filters_new(const struct catalog *catalog, const struct relay *relay);
/* Gets all filters that are in force, also those of before. At most 16, as the configuration allows. */
void filters_add_mitigator(struct filters *filters, struct mitigator *mitigator);
/* Has to stop all filters that it got. One that was not added is fine. */
void filters_remove_mitigator(struct filters *filters, struct mitigator *mitigator);
/* Nothing is stopped: filters stay in force over a restart. NULL is fine. */
void filters_free(struct filters *filters);

/* What a filter's entries matched, of mitigator_report; what it does not name stays as told before. source: the
 * mitigator's target. False: job is that of no filter. */
bool filters_report(struct filters *filters, size_t source, const char *job, const char *matched);

/* Something of this client changed: its ACLs, or its mitigations. */
void filters_note(struct filters *filters, const char *cuid);
void filters_run(struct filters *filters);
