/* owned: who owns what. */

#include "tests/support/owned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND "second "

struct wire_prefix owned_by[OWNED_TARGETS][OWNED_EACH];

void owned_init(void)
{
    static const char *const text[OWNED_TARGETS][OWNED_EACH] = {{"10.0.0.0/17", "10.1.0.0/17"},
                                                                {"10.0.128.0/17", "10.1.128.0/18"}};

    for (size_t target = 0; target < OWNED_TARGETS; target++)
        for (size_t i = 0; i < OWNED_EACH; i++)
            if (wire_prefix_parse(text[target][i], false, &owned_by[target][i]) != 0)
                abort();
}

bool owned_part(size_t target, const struct wire_prefix *prefix, struct wire_prefix *part)
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

const char *owned_key(char key[OWNED_KEY], size_t target, const char *cuid)
{
    snprintf(key, OWNED_KEY, "%s%s", target ? SECOND : "", cuid);
    return key;
}

size_t owned_target(const char *key)
{
    return strncmp(key, SECOND, strlen(SECOND)) == 0;
}
