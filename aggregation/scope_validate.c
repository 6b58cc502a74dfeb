/* scope_validate: targets that can never be asked for (RFC 9132 section 4.4.1.1). */
#include <stdio.h>

#include "aggregation/scope.h"
#include "aggregation/scope_names.h"

static const struct {
    struct wire_prefix block;
    const char *what;
} refused[] = {
    {{{127}, 4, 8}, "a loopback address"},
    {{{[15] = 1}, 6, 128}, "a loopback address"},
    {{{224}, 4, 4}, "a multicast address"},
    {{{0xff}, 6, 8}, "a multicast address"},
    {{{255, 255, 255, 255}, 4, 32}, "the broadcast address"},
    {{{0}, 4, 32}, "the unspecified address"},
    {{{0}, 6, 128}, "the unspecified address"},
    {{{169, 254}, 4, 16}, "a link-local address"},
    {{{0xfe, 0x80}, 6, 10}, "a link-local address"},
    /* The same host would be two targets that do not overlap. */
    {{{[10] = 0xff, [11] = 0xff}, 6, 96}, "an IPv4-mapped address (use the IPv4 prefix)"},
};

static bool well_formed(const struct wire_prefix *prefix)
{
    return (prefix->family == 4 && prefix->length <= 32) || (prefix->family == 6 && prefix->length <= 128);
}

static const char *never_a_target(const struct wire_prefix *prefix)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (scope_prefix_contains(&refused[i].block, prefix))
            return refused[i].what;
    }
    return NULL;
}

static const char *prefix_invalid(const struct wire_prefix *prefix, char *buffer, size_t size)
{
    char text[WIRE_PREFIX_TEXT];
    if (!well_formed(prefix)) {
        snprintf(buffer, size, "target-prefix: neither an IPv4 prefix of 0 to 32 bits nor an IPv6 prefix of 0 to 128");
        return buffer;
    }
    const char *what = never_a_target(prefix);
    if (!what)
        return NULL;
    snprintf(buffer, size, "target-prefix: %s is %s and cannot be a target", wire_prefix_format(prefix, text), what);
    return buffer;
}

static const char *fqdn_invalid(const char *fqdn, char *buffer, size_t size)
{
    char shown[SCOPE_SHOWN];
    if (scope_fqdn_valid(fqdn))
        return NULL;
    snprintf(buffer, size, "target-fqdn: %s is not a host name (addresses belong in target-prefix)",
             scope_show(fqdn, shown));
    return buffer;
}

/* "The same validation checks": an address in a URI is one that needs no resolution. */
static const char *uri_invalid(const char *uri, char *buffer, size_t size)
{
    char shown[SCOPE_SHOWN], host[SCOPE_HOST_MAX];
    struct wire_prefix address;
    if (scope_uri_host(uri, host, sizeof host) != 0) {
        snprintf(buffer, size, "target-uri: %s has no valid host name or address", scope_show(uri, shown));
        return buffer;
    }
    const char *what = wire_prefix_parse(host, true, &address) == 0 ? never_a_target(&address) : NULL;
    if (!what)
        return NULL;
    snprintf(buffer, size, "target-uri: the host of %s is %s and cannot be a target", scope_show(uri, shown), what);
    return buffer;
}

const char *scope_invalid(const struct wire_target *target, char *buffer, size_t size)
{
    const char *reason = NULL;
    if (target->prefix_count + target->fqdns.count + target->uris.count + target->aliases.count == 0) {
        snprintf(buffer, size, "target-prefix, target-fqdn, target-uri or alias-name: at least one must be present");
        return buffer;
    }
    for (size_t i = 0; !reason && i < target->prefix_count; i++)
        reason = prefix_invalid(&target->prefixes[i], buffer, size);
    for (size_t i = 0; !reason && i < target->fqdns.count; i++)
        reason = fqdn_invalid(target->fqdns.at[i], buffer, size);
    for (size_t i = 0; !reason && i < target->uris.count; i++)
        reason = uri_invalid(target->uris.at[i], buffer, size);
    return reason;
}
