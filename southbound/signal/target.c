/* target: validation and authorization of what is asked for. */

#include <stdio.h>
#include <string.h>

#include "southbound/signal/target.h"

static uint8_t bad(char reason[SOUTH_REASON_MAX], const char *text)
{
    snprintf(reason, SOUTH_REASON_MAX, "%s", text);
    return DOTS_CODE(4, 0);
}

uint8_t south_target_complete(const struct wire_scope *scope, bool if_match, char reason[SOUTH_REASON_MAX])
{
    if (if_match && scope->attack_status == 0)
        return bad(reason, "attack-status: missing; an efficacy update must have it (RFC 9132 section 4.4.3)");
    if (!if_match && scope->attack_status != 0)
        return bad(reason, "attack-status: only in an efficacy update, with If-Match (RFC 9132 section 4.4.3)");
    if (!if_match && !scope->has_lifetime)
        return bad(reason, "lifetime: missing; it is mandatory (RFC 9132 section 4.4.1.1)");
    if (scope->has_lifetime && scope->lifetime == 0)
        return bad(reason, "lifetime: 0 is not a lifetime; use DELETE to withdraw (RFC 9132 section 4.4.1.1)");
    if (if_match && scope->acl_count > 0)
        return bad(reason, "acl-list: not in an efficacy update (RFC 9133 section 3.2.1)");
    return 0;
}

/* Prints at most so much of a name that a reason around it stays whole. */
#define NAME_SHOWN 120

uint8_t south_target_allowed(const struct wire_scope *scope, const struct scope_grant_prepared *grant,
                             char reason[SOUTH_REASON_MAX])
{
    char buffer[SOUTH_REASON_MAX];
    const char *wrong = scope_invalid(&scope->target, buffer, sizeof(buffer));

    if (wrong)
        return bad(reason, wrong);
    if (scope->target.aliases.count > 0) {
        snprintf(reason, SOUTH_REASON_MAX, "alias-name: \"%.*s\" was not created by this client", NAME_SHOWN,
                 scope->target.aliases.at[0]);
        return DOTS_CODE(4, 0);
    }
    wrong = scope_unauthorized_by(&scope->target, grant, buffer, sizeof(buffer));
    if (!wrong)
        return 0;
    snprintf(reason, SOUTH_REASON_MAX, "%s", wrong);
    return DOTS_CODE(4, 3);
}

const char *south_target_name(const struct wire_target *target, size_t index, char host[256], bool *skip)
{
    struct wire_prefix literal;

    *skip = false;
    if (index < target->fqdns.count)
        return target->fqdns.at[index];
    index -= target->fqdns.count;
    if (index >= target->uris.count)
        return NULL;
    *skip = scope_uri_host(target->uris.at[index], host, 256) != 0 || wire_prefix_parse(host, true, &literal) == 0;
    return host;
}

uint8_t south_target_resolved(const char *name, const struct south_addresses *addresses,
                              const struct scope_grant_prepared *grant, char reason[SOUTH_REASON_MAX])
{
    char buffer[SOUTH_REASON_MAX];

    for (size_t i = 0; i < addresses->count; i++) {
        struct wire_prefix address = addresses->at[i];
        struct wire_target target = {.prefixes = &address, .prefix_count = 1};
        char text[WIRE_PREFIX_TEXT];

        wire_prefix_format(&address, text);
        if (scope_invalid(&target, buffer, sizeof(buffer))) {
            snprintf(reason, SOUTH_REASON_MAX, "target-fqdn: %.*s resolves to %s, which cannot be a target", NAME_SHOWN,
                     name, text);
            return DOTS_CODE(4, 0);
        }
        if (grant && scope_unauthorized_by(&target, grant, buffer, sizeof(buffer))) {
            snprintf(reason, SOUTH_REASON_MAX,
                     "target-fqdn: %.*s resolves to %s, which is outside the scopes of this client", NAME_SHOWN, name,
                     text);
            return DOTS_CODE(4, 3);
        }
    }
    return 0;
}
