/* portion: a copy of the entry, in which names, prefixes and ports are exchanged. */
#include "northbound/data/portion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"

#define NETWORKS 2u

static const struct {
    const char *container, *member;
} networks[NETWORKS] = {{"ipv4", "destination-ipv4-network"}, {"ipv6", "destination-ipv6-network"}};

static const char *text_at(const json_t *array, size_t i)
{
    const char *text = json_string_value(json_array_get(array, i));

    return text ? text : "";
}

/* ---- Aliases ---- */

static void target_free(struct wire_target *target)
{
    free(target->prefixes);
    free(target->port_ranges);
    free(target->protocols);
    free((void *)target->fqdns.at);
    free((void *)target->uris.at);
}

static int take_strings(const json_t *array, struct wire_strings *out)
{
    size_t count = json_array_size(array);
    const char **at = calloc(count + 1, sizeof(*at));

    if (!at)
        return -1;
    for (size_t i = 0; i < count; i++)
        at[i] = text_at(array, i);
    out->at = at;
    out->count = count;
    return 0;
}

static int take_ports(const json_t *array, struct wire_target *target)
{
    size_t count = json_array_size(array);

    target->port_ranges = calloc(count + 1, sizeof(*target->port_ranges));
    for (size_t i = 0; target->port_ranges && i < count; i++) {
        const json_t *range = json_array_get(array, i), *upper = json_object_get(range, "upper-port");
        json_int_t low = json_integer_value(json_object_get(range, "lower-port"));

        target->port_ranges[i].lower = (uint16_t)low;
        target->port_ranges[i].upper = (uint16_t)(upper ? json_integer_value(upper) : low);
        target->port_range_count++;
    }
    return target->port_ranges ? 0 : -1;
}

/* The strings stay the entry's. */
static int target_of(const json_t *entry, struct wire_target *target)
{
    const json_t *prefixes = json_object_get(entry, "target-prefix");
    size_t count = json_array_size(prefixes);

    memset(target, 0, sizeof(*target));
    target->prefixes = calloc(count + 1, sizeof(*target->prefixes));
    for (size_t i = 0; target->prefixes && i < count; i++) {
        if (wire_prefix_parse(text_at(prefixes, i), false, &target->prefixes[i]) != 0)
            return -1;
        target->prefix_count++;
    }
    return target->prefixes && take_ports(json_object_get(entry, "target-port-range"), target) == 0 &&
                   take_strings(json_object_get(entry, "target-fqdn"), &target->fqdns) == 0 &&
                   take_strings(json_object_get(entry, "target-uri"), &target->uris) == 0
               ? 0
               : -1;
}

static void set_or_remove(json_t *object, const char *member, json_t *array)
{
    if (json_array_size(array) > 0)
        json_object_set(object, member, array);
    else
        json_object_del(object, member);
}

static void write_prefixes(json_t *entry, const struct wire_prefix *prefixes, size_t count)
{
    json_t *array = json_array();
    char text[WIRE_PREFIX_TEXT];

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(wire_prefix_format(&prefixes[i], text)));
    set_or_remove(entry, "target-prefix", array);
    json_decref(array);
}

static void write_ports(json_t *entry, const struct wire_target *target)
{
    json_t *array = json_array();

    for (size_t i = 0; i < target->port_range_count; i++) {
        json_t *range = json_pack("{s:i}", "lower-port", (int)target->port_ranges[i].lower);

        if (range && target->port_ranges[i].upper != target->port_ranges[i].lower)
            json_object_set_new(range, "upper-port", json_integer(target->port_ranges[i].upper));
        json_array_append_new(array, range);
    }
    set_or_remove(entry, "target-port-range", array);
    json_decref(array);
}

static enum portion_result alias_outside(const struct portion_terms *terms, json_t *entry, char *reason)
{
    enum portion_result result = PORTION_FAILED;
    struct wire_target target;
    struct scope *outside;

    if (target_of(entry, &target) == 0) {
        outside = nat_translate(terms->nat, terms->nat_count, &target, reason, PORTION_REASON_MAX);
        if (outside) {
            write_prefixes(entry, outside->target.prefixes, outside->target.prefix_count);
            write_ports(entry, &outside->target);
            scope_unref(outside);
            result = PORTION_MADE;
        } else if (reason[0]) {
            result = PORTION_REFUSED;
        }
    }
    target_free(&target);
    return result;
}

static bool is_owned(const struct portion_terms *terms, const struct wire_prefix *prefix)
{
    for (size_t i = 0; i < terms->owns_count; i++)
        if (scope_prefix_contains(&terms->owns[i], prefix))
            return true;
    return false;
}

/* Owned ones that are inside of one of the prefixes, into out after count others. Returns how many there are then. */
static size_t add_narrower(const struct portion_terms *terms, const struct wire_prefix *prefixes, size_t prefix_count,
                           struct wire_prefix *out, size_t count)
{
    for (size_t i = 0; i < terms->owns_count; i++)
        for (size_t j = 0; j < prefix_count; j++)
            if (scope_prefix_contains(&prefixes[j], &terms->owns[i])) {
                out[count++] = terms->owns[i];
                break;
            }
    return count;
}

static enum portion_result alias_own(const struct portion_terms *terms, json_t *entry)
{
    enum portion_result result = PORTION_FAILED;
    struct wire_prefix *own = NULL;
    struct wire_target target;
    size_t count = 0;

    if (target_of(entry, &target) == 0)
        own = calloc(target.prefix_count + terms->owns_count + 1, sizeof(*own));
    if (own) {
        for (size_t i = 0; i < target.prefix_count; i++)
            if (is_owned(terms, &target.prefixes[i]))
                own[count++] = target.prefixes[i];
        count = add_narrower(terms, target.prefixes, target.prefix_count, own, count);
        write_prefixes(entry, own, count);
        result = count > 0 || target.fqdns.count > 0 || target.uris.count > 0 ? PORTION_MADE : PORTION_NOTHING;
    }
    free(own);
    target_free(&target);
    return result;
}

static enum portion_result alias_make(const struct portion_terms *terms, json_t *entry, char *reason)
{
    enum portion_result result = PORTION_MADE;

    if (terms->nat_count > 0)
        result = alias_outside(terms, entry, reason);
    return result == PORTION_MADE && terms->by_prefix ? alias_own(terms, entry) : result;
}

/* ---- ACLs ---- */

/* The one external prefix of an internal one. */
static enum portion_result network_outside(const struct portion_terms *terms, struct wire_prefix *prefix, char *reason)
{
    const struct wire_target target = {.prefixes = prefix, .prefix_count = 1};
    struct scope *outside = nat_translate(terms->nat, terms->nat_count, &target, reason, PORTION_REASON_MAX);
    enum portion_result result = PORTION_REFUSED;

    if (!outside)
        return reason[0] ? PORTION_REFUSED : PORTION_FAILED;
    if (outside->target.prefix_count == 1 && outside->target.port_range_count == 0) {
        *prefix = outside->target.prefixes[0];
        result = PORTION_MADE;
    } else {
        snprintf(reason, PORTION_REASON_MAX, "destination network: it is not one prefix outside of this network");
    }
    scope_unref(outside);
    return result;
}

/* To the one prefix inside of it that this upstream owns. */
static enum portion_result network_narrow(const struct portion_terms *terms, struct wire_prefix *prefix, char *reason)
{
    const struct wire_prefix *own = NULL;

    for (size_t i = 0; i < terms->owns_count; i++) {
        if (!scope_prefix_contains(prefix, &terms->owns[i]))
            continue;
        if (own) {
            snprintf(reason, PORTION_REASON_MAX,
                     "destination network: it holds several prefixes of one upstream; write an ACE for each of them");
            return PORTION_REFUSED;
        }
        own = &terms->owns[i];
    }
    if (own)
        *prefix = *own;
    return own ? PORTION_MADE : PORTION_NOTHING;
}

static enum portion_result network_make(const struct portion_terms *terms, json_t *matches, size_t which, char *reason)
{
    json_t *container = json_object_get(matches, networks[which].container);
    const char *text = json_string_value(json_object_get(container, networks[which].member));
    enum portion_result result = PORTION_MADE;
    struct wire_prefix prefix;
    char buffer[WIRE_PREFIX_TEXT];

    if (!text)
        return PORTION_MADE;
    if (wire_prefix_parse(text, false, &prefix) != 0)
        return PORTION_FAILED;
    if (terms->nat_count > 0)
        result = network_outside(terms, &prefix, reason);
    if (result == PORTION_MADE && terms->by_prefix && !is_owned(terms, &prefix))
        result = network_narrow(terms, &prefix, reason);
    if (result == PORTION_MADE)
        json_object_set_new(container, networks[which].member, json_string(wire_prefix_format(&prefix, buffer)));
    return result;
}

static enum portion_result acl_make(const struct portion_terms *terms, json_t *entry, char *reason)
{
    json_t *aces = json_object_get(json_object_get(entry, "aces"), "ace");
    size_t count = json_array_size(aces), i = 0;

    while (i < json_array_size(aces)) {
        json_t *matches = json_object_get(json_array_get(aces, i), "matches");
        enum portion_result result = PORTION_MADE;

        for (size_t which = 0; which < NETWORKS && result == PORTION_MADE; which++)
            result = network_make(terms, matches, which, reason);
        if (result == PORTION_NOTHING)
            json_array_remove(aces, i);
        else if (result == PORTION_MADE)
            i++;
        else
            return result;
    }
    return count > 0 && i == 0 ? PORTION_NOTHING : PORTION_MADE;
}

/* ---- Both ---- */

enum portion_result portion_make(enum catalog_kind kind, const char *json, size_t length,
                                 const struct portion_terms *terms, json_t **entry, char reason[PORTION_REASON_MAX])
{
    enum portion_result result = PORTION_FAILED;
    json_t *made;

    reason[0] = '\0';
    *entry = NULL;
    wire_json_memory_watch();
    made = json_loadb(json, length, 0, NULL);
    if (json_is_object(made) && json_object_set_new(made, "name", json_string(terms->name)) == 0) {
        result = PORTION_MADE;
        if (terms->nat_count > 0 || terms->by_prefix)
            result = kind == CATALOG_ALIAS ? alias_make(terms, made, reason) : acl_make(terms, made, reason);
    }
    if (wire_json_memory_failed())
        result = PORTION_FAILED;
    if (result == PORTION_MADE)
        *entry = made;
    else
        json_decref(made);
    return result;
}

char *portion_body(enum catalog_kind kind, const json_t *entry)
{
    json_t *root;
    char *text = NULL;

    wire_json_memory_watch();
    root = kind == CATALOG_ALIAS ? json_pack("{s:{s:[O]}}", "ietf-dots-data-channel:aliases", "alias", entry)
                                 : json_pack("{s:{s:[O]}}", "ietf-dots-data-channel:acls", "acl", entry);
    if (root)
        text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (wire_json_memory_failed()) {
        free(text);
        text = NULL;
    }
    return text;
}
