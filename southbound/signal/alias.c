/* alias: from names to targets. */

#include "southbound/signal/alias.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/union.h"

#define NAME_SHOWN 120

static struct catalog_entry *find(const struct south_aliases *aliases, const char *client,
                                  const struct south_path *path, enum catalog_kind kind, const char *name)
{
    const struct catalog_client *owner = aliases->catalog ? catalog_client_find(aliases->catalog, path->cuid) : NULL;
    bool own = owner && strcmp(owner->cdid, path->cdid) == 0 && (path->cdid[0] || strcmp(owner->owner, client) == 0);

    return own ? catalog_entry_find(owner, kind, name) : NULL;
}

/* Is there anything but names of aliases? */
static bool has_own(const struct wire_target *target)
{
    return target->prefix_count + target->fqdns.count + target->uris.count > 0;
}

/* What one alias asks for in a request: its ports and protocols, and the request's where it has none. */
static struct wire_target part_of(const struct catalog_entry *entry, const struct wire_target *request)
{
    struct wire_target part = entry->target->target;

    if (part.port_range_count == 0) {
        part.port_ranges = request->port_ranges;
        part.port_range_count = request->port_range_count;
    }
    if (part.protocol_count == 0) {
        part.protocols = request->protocols;
        part.protocol_count = request->protocol_count;
    }
    return part;
}

static struct scope *unite(const struct wire_target *parts, size_t count)
{
    const struct wire_target **each = calloc(count + 1, sizeof(*each));
    struct scope *united;

    if (!each)
        return NULL;
    for (size_t i = 0; i < count; i++)
        each[i] = &parts[i];
    united = scope_unite(each, count);
    free((void *)each);
    return united;
}

uint8_t south_alias_expand(const struct south_aliases *aliases, const char *client, const struct south_path *path,
                           struct wire_target *target, struct scope **expanded, char reason[SOUTH_REASON_MAX])
{
    struct wire_target *parts = calloc(target->aliases.count + 1, sizeof(*parts));
    size_t count = 0;

    for (size_t i = 0; parts && i < target->aliases.count; i++) {
        struct catalog_entry *entry = find(aliases, client, path, CATALOG_ALIAS, target->aliases.at[i]);

        if (!entry) {
            snprintf(reason, SOUTH_REASON_MAX, "alias-name: \"%.*s\" was not created by this client", NAME_SHOWN,
                     target->aliases.at[i]);
            free(parts);
            return DOTS_CODE(4, 0);
        }
        parts[count++] = part_of(entry, target);
        if (aliases->used)
            aliases->used(aliases->arg, entry);
    }
    if (parts && has_own(target)) {
        parts[count] = *target;
        parts[count++].aliases = (struct wire_strings){0};
    }
    *expanded = parts ? unite(parts, count) : NULL;
    free(parts);
    if (!*expanded) {
        snprintf(reason, SOUTH_REASON_MAX, "the server is out of memory");
        return DOTS_CODE(5, 3);
    }
    *target = (*expanded)->target;
    return 0;
}

uint8_t south_control_check(const struct south_aliases *aliases, const char *client, const struct south_path *path,
                            const struct wire_scope *scope, bool active, bool known_mid, char reason[SOUTH_REASON_MAX])
{
    if (!aliases->control) {
        snprintf(reason, SOUTH_REASON_MAX, "acl-list: this server has no data channel (RFC 9133)");
        return DOTS_CODE(4, 0);
    }
    if (!active || known_mid) {
        snprintf(reason, SOUTH_REASON_MAX, "acl-list: %s (RFC 9133 section 3.2.1)",
                 active ? "needs a new mid" : "only while a mitigation is active; use the data channel");
        return DOTS_CODE(4, 0);
    }
    for (size_t i = 0; i < scope->acl_count; i++) {
        if (!find(aliases, client, path, CATALOG_ACL, scope->acls[i].name)) {
            snprintf(reason, SOUTH_REASON_MAX, "acl-name: this client has no \"%.*s\"", NAME_SHOWN,
                     scope->acls[i].name);
            return DOTS_CODE(4, 4);
        }
    }
    return 0;
}
