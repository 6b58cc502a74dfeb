/* review_model: two upstreams and what each of them owns, for fan-out by-prefix; 10.1.192.0/18 is nobody's. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/relay.h"

#define OWNED_TARGETS 2
#define OWNED_EACH 2
#define OWNED_KEY (RELAY_CUID_MAX + 16)
#define SECOND "second "

static struct wire_prefix owned_by[OWNED_TARGETS][OWNED_EACH];

static void owned_init(void)
{
    static const char *const text[OWNED_TARGETS][OWNED_EACH] = {{"10.0.0.0/17", "10.1.0.0/17"},
                                                                {"10.0.128.0/17", "10.1.128.0/18"}};

    for (size_t target = 0; target < OWNED_TARGETS; target++)
        for (size_t i = 0; i < OWNED_EACH; i++)
            if (wire_prefix_parse(text[target][i], false, &owned_by[target][i]) != 0)
                abort();
}

/* What the upstream is asked for of a prefix: one piece at most, for prefixes in 10.0.0.0/15 longer than that. */
static bool owned_part(size_t target, const struct wire_prefix *prefix, struct wire_prefix *part)
{
    for (size_t i = 0; i < OWNED_EACH; i++) {
        const struct wire_prefix *owned = &owned_by[target][i];
        bool inside = scope_prefix_contains(owned, prefix);

        if (inside || scope_prefix_contains(prefix, owned)) {
            *part = inside ? *prefix : *owned;
            return true;
        }
    }
    return false;
}

/* The gateway may be called the same at both upstreams: a name for both. */
static const char *owned_key(char key[OWNED_KEY], size_t target, const char *cuid)
{
    snprintf(key, OWNED_KEY, "%s%s", target ? SECOND : "", cuid);
    return key;
}
