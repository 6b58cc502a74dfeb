/* fan_out: prefixes go to those who own them, names to all. */

#include "aggregation/fan_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/scope_lists.h"
#include "aggregation/union.h"

struct fan_out {
    const struct relay_policy *policy;
    struct scope *all;     /* what anybody owns */
    struct scope *owned[]; /* by target: prefixes that are sorted and disjoint; NULL: has no part, or the whole */
};

static struct scope *reduced(const struct wire_prefix *prefixes, size_t count)
{
    struct wire_target target = {.prefixes = (struct wire_prefix *)prefixes, .prefix_count = count};
    const struct wire_target *only = &target;

    return scope_unite(&only, 1);
}

static bool takes_part(const struct relay_target *target)
{
    return target->kind == RELAY_UPSTREAM && !target->disabled;
}

static int unite_all(struct fan_out *fan_out)
{
    size_t count = fan_out->policy->target_count, united = 0;
    const struct wire_target **targets = calloc(count ? count : 1, sizeof(*targets));

    if (!targets)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (fan_out->owned[i])
            targets[united++] = &fan_out->owned[i]->target;
    fan_out->all = scope_unite(targets, united);
    free(targets);
    return fan_out->all ? 0 : -1;
}

struct fan_out *fan_out_new(const struct relay_policy *policy)
{
    struct fan_out *fan_out = calloc(1, sizeof(*fan_out) + policy->target_count * sizeof(struct scope *));

    if (!fan_out)
        return NULL;
    fan_out->policy = policy;
    for (size_t i = 0; i < policy->target_count; i++) {
        const struct relay_target *target = &policy->targets[i];

        if (!takes_part(target))
            continue;
        fan_out->owned[i] = reduced(target->owns, target->owns_count);
        if (!fan_out->owned[i])
            goto out_of_memory;
    }
    if (unite_all(fan_out) == 0)
        return fan_out;

out_of_memory:
    fan_out_free(fan_out);
    return NULL;
}

void fan_out_free(struct fan_out *fan_out)
{
    if (!fan_out)
        return;
    for (size_t i = 0; i < fan_out->policy->target_count; i++)
        scope_unref(fan_out->owned[i]);
    scope_unref(fan_out->all);
    free(fan_out);
}

/* The first owned prefix that sorts after this one: those that it contains begin there, and only the one
 * before can contain it. */
static size_t after(const struct wire_target *owned, const struct wire_prefix *prefix)
{
    size_t low = 0, high = owned->prefix_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (scope_prefix_compare(&owned->prefixes[middle], prefix) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool inside(const struct wire_target *owned, const struct wire_prefix *prefix)
{
    size_t next = after(owned, prefix);

    return next > 0 && scope_prefix_contains(&owned->prefixes[next - 1], prefix);
}

static bool all_inside(const struct wire_target *owned, const struct wire_target *target)
{
    for (size_t i = 0; i < target->prefix_count; i++)
        if (!inside(owned, &target->prefixes[i]))
            return false;
    return true;
}

/* from: sorted and disjoint, so that no piece comes twice; at most one for each prefix of the two. */
static size_t cut(const struct wire_target *owned, const struct wire_target *from, struct wire_prefix *pieces)
{
    size_t count = 0;

    for (size_t i = 0; i < from->prefix_count; i++) {
        const struct wire_prefix *prefix = &from->prefixes[i];

        if (inside(owned, prefix)) {
            pieces[count++] = *prefix;
            continue;
        }
        for (size_t k = after(owned, prefix);
             k < owned->prefix_count && scope_prefix_contains(prefix, &owned->prefixes[k]); k++)
            pieces[count++] = owned->prefixes[k];
    }
    return count;
}

static struct scope *cut_part(const struct wire_target *owned, const struct wire_target *whole)
{
    struct scope *from = scope_unite(&whole, 1), *part = NULL;
    struct wire_prefix *pieces = NULL;
    struct wire_target target;

    if (!from)
        return NULL;
    pieces = calloc(from->target.prefix_count + owned->prefix_count + 1, sizeof(*pieces));
    if (pieces) {
        target = from->target;
        target.prefix_count = cut(owned, &from->target, pieces);
        target.prefixes = pieces;
        part = scope_new(&target);
    }
    free(pieces);
    scope_unref(from);
    return part;
}

int fan_out_part(const struct fan_out *fan_out, size_t target, struct scope *scope, struct scope **part)
{
    const struct scope *owned = fan_out->owned[target];
    const struct wire_target *cut_to;

    *part = NULL;
    if (!owned || all_inside(&owned->target, &scope->target)) {
        *part = scope_ref(scope);
        return 0;
    }
    *part = cut_part(&owned->target, &scope->target);
    if (!*part)
        return -1;
    cut_to = &(*part)->target;
    if (cut_to->prefix_count + cut_to->fqdns.count + cut_to->uris.count + cut_to->aliases.count == 0) {
        scope_unref(*part);
        *part = NULL;
    }
    return 0;
}

/* Under our own mids a part is split to fit; under the client's it is one request or none. */
static int too_large(const struct fan_out *fan_out, size_t target, struct scope *scope, char *buffer, size_t size)
{
    const struct relay_target *at = &fan_out->policy->targets[target];
    struct scope *part;
    size_t length;
    int code = 0;

    if (!takes_part(at) || !at->identity_client)
        return 0;
    if (fan_out_part(fan_out, target, scope, &part) != 0) {
        snprintf(buffer, size, "target-prefix: the gateway is out of memory");
        return 503;
    }
    if (part && part != scope && part->target.prefix_count > scope->target.prefix_count) {
        length = scope_size(&part->target);
        if (length == 0 || (at->body_max && length > at->body_max)) {
            snprintf(buffer, size, "target-prefix: upstream %.64s owns %zu prefixes of this, too many for one request",
                     at->name, part->target.prefix_count);
            code = 413;
        }
    }
    scope_unref(part);
    return code;
}

int fan_out_refuses(const struct fan_out *fan_out, const struct wire_target *target, char *buffer, size_t size)
{
    char text[WIRE_PREFIX_TEXT];
    struct scope *scope;
    int code = 0;

    for (size_t i = 0; i < target->prefix_count; i++) {
        if (inside(&fan_out->all->target, &target->prefixes[i]))
            continue;
        snprintf(buffer, size, "target-prefix: %s, or a part of it, belongs to none of this gateway's upstreams",
                 wire_prefix_format(&target->prefixes[i], text));
        return 403;
    }
    scope = scope_new(target);
    if (!scope) {
        snprintf(buffer, size, "target-prefix: the gateway is out of memory");
        return 503;
    }
    for (size_t i = 0; i < fan_out->policy->target_count && code == 0; i++)
        code = too_large(fan_out, i, scope, buffer, size);
    scope_unref(scope);
    return code;
}
