/* mappings: what must hold among the mappings of nat, so that each address has one place on the other side. */
#include <string.h>

#include "gateway/config/rules.h"

static bool contains(const struct config_prefix *outer, const struct config_prefix *inner)
{
    unsigned bytes = outer->length / 8u, rest = outer->length % 8u;

    if (outer->family != inner->family || outer->length > inner->length || memcmp(outer->addr, inner->addr, bytes) != 0)
        return false;
    return rest == 0 || (outer->addr[bytes] ^ inner->addr[bytes]) >> (8 - rest) == 0;
}

static bool overlap(const struct config_prefix *a, const struct config_prefix *b)
{
    return contains(a, b) || contains(b, a);
}

int config_rule_mapping(struct loader *loader, const struct node *map, void *base)
{
    const struct config_nat_mapping *mapping = base;
    bool same = mapping->internal.length == mapping->external.length &&
                contains(&mapping->internal, &mapping->external) && mapping->internal_port == mapping->external_port;

    if (mapping->internal.family != mapping->external.family || mapping->internal.length != mapping->external.length)
        return config_fault(loader, map, "internal and external must be prefixes of one family and one length");
    if (!mapping->internal_port != !mapping->external_port)
        return config_fault(loader, map, "internal-port and external-port go together: %s is missing here",
                            mapping->internal_port ? "external-port" : "internal-port");
    if (overlap(&mapping->internal, &mapping->external) && !same)
        return config_fault(loader, map,
                            "internal and external are the same addresses, but the ports differ; write "
                            "the same ports, or no mapping of ports");
    return 0;
}

/* What two mappings have in common, or NULL. */
static const char *ambiguous(const struct config_nat_mapping *a, const struct config_nat_mapping *b)
{
    if (overlap(&a->internal, &b->internal) &&
        (!a->internal_port || a->internal_port == b->internal_port || !b->internal_port))
        return "the same internal addresses and ports";
    if (overlap(&a->external, &b->external) &&
        (!a->external_port || a->external_port == b->external_port || !b->external_port))
        return "the same external addresses and ports";
    if (overlap(&a->internal, &b->external) || overlap(&a->external, &b->internal))
        return "addresses that are internal in one and external in the other";
    return NULL;
}

int config_rule_mappings(struct loader *loader, const struct node *list, const struct config *config)
{
    const struct node *entry = list ? list->first : NULL;

    for (size_t i = 0; entry && i < config->nat_count; i++, entry = entry->next) {
        for (size_t k = 0; k < i; k++) {
            const char *what = ambiguous(&config->nat[k], &config->nat[i]);

            if (what)
                return config_fault(loader, entry, "mappings %zu and %zu have %s; change or remove one", k + 1, i + 1,
                                    what);
        }
        /* Two requests that are apart inside can be one address outside: under a client's own cuid the upstream
         * would delete one of them (RFC 9132 section 4.4.1.3). */
        for (size_t k = 0; config->nat[i].internal_port && k < config->upstream_count; k++)
            if (config->upstreams[k].identity == CONFIG_IDENTITY_CLIENT)
                return config_fault(loader, entry,
                                    "a mapping of ports needs identity: gateway at each upstream, and %s has client",
                                    config->upstreams[k].name);
    }
    return 0;
}
