/* entry: members of aliases and ACLs. */

#include "southbound/data/entry.h"

#include <stdlib.h>
#include <string.h>

#define IDENTITIES "ietf-access-control-list:"

/* ---- Identities ---- */

static bool qualify(json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    if (!value || strchr(value, ':'))
        return false;
    json_object_set_new(object, name, json_sprintf(IDENTITIES "%s", value));
    return true;
}

static bool strip(json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    size_t length = sizeof(IDENTITIES) - 1;

    if (value && strncmp(value, IDENTITIES, length) == 0)
        json_object_set_new(object, name, json_string(value + length));
    return true;
}

static bool identities_each(json_t *acls, bool (*each)(json_t *object, const char *name))
{
    json_t *acl, *ace;
    size_t i, k;
    bool any = false;

    json_array_foreach(json_object_get(acls, "acl"), i, acl)
    {
        any = each(acl, "type") || any;
        json_array_foreach(json_object_get(json_object_get(acl, "aces"), "ace"), k, ace)
        {
            any = each(json_object_get(ace, "actions"), "forwarding") || any;
        }
    }
    return any;
}

bool data_identities_qualify(json_t *acls)
{
    return identities_each(acls, qualify);
}

void data_identities_strip(json_t *acls)
{
    identities_each(acls, strip);
}

/* ---- Aliases ---- */

static int no_memory(struct data_fault *fault)
{
    return data_refuse(fault, 500, "operation-failed", "out of memory");
}

static int take_prefixes(json_t *values, struct wire_target *target, struct data_fault *fault)
{
    json_t *value;
    size_t i;

    target->prefixes = calloc(json_array_size(values) + 1, sizeof(*target->prefixes));
    if (!target->prefixes)
        return no_memory(fault);
    json_array_foreach(values, i, value)
    {
        if (wire_prefix_parse(json_string_value(value), false, &target->prefixes[i]) != 0)
            return data_refuse(fault, 400, "invalid-value", "target-prefix: %.64s is no prefix",
                               json_string_value(value));
        target->prefix_count++;
    }
    return 0;
}

static int take_ports(json_t *values, struct wire_target *target, struct data_fault *fault)
{
    json_t *value;
    size_t i;

    target->port_ranges = calloc(json_array_size(values) + 1, sizeof(*target->port_ranges));
    if (!target->port_ranges)
        return no_memory(fault);
    json_array_foreach(values, i, value)
    {
        const json_t *upper = json_object_get(value, "upper-port");
        struct wire_port_range *range = &target->port_ranges[target->port_range_count++];

        range->lower = (uint16_t)json_integer_value(json_object_get(value, "lower-port"));
        range->upper = upper ? (uint16_t)json_integer_value(upper) : range->lower;
    }
    return 0;
}

static int take_protocols(json_t *values, struct wire_target *target, struct data_fault *fault)
{
    json_t *value;
    size_t i;

    target->protocols = calloc(json_array_size(values) + 1, sizeof(*target->protocols));
    if (!target->protocols)
        return no_memory(fault);
    json_array_foreach(values, i, value)
    {
        target->protocols[target->protocol_count++] = (uint8_t)json_integer_value(value);
    }
    return 0;
}

static int take_names(json_t *values, struct wire_strings *names, struct data_fault *fault)
{
    const char **texts = calloc(json_array_size(values) + 1, sizeof(*texts));
    json_t *value;
    size_t i;

    names->at = texts;
    if (!texts)
        return no_memory(fault);
    json_array_foreach(values, i, value)
    {
        texts[i] = strdup(json_string_value(value));
        if (!texts[i])
            return no_memory(fault);
        names->count++;
    }
    return 0;
}

static int take_alias(json_t *value, struct data_item *out, struct data_fault *fault)
{
    struct wire_target *target = &out->target;

    if (take_prefixes(json_object_get(value, "target-prefix"), target, fault) != 0 ||
        take_ports(json_object_get(value, "target-port-range"), target, fault) != 0 ||
        take_protocols(json_object_get(value, "target-protocol"), target, fault) != 0 ||
        take_names(json_object_get(value, "target-fqdn"), &target->fqdns, fault) != 0 ||
        take_names(json_object_get(value, "target-uri"), &target->uris, fault) != 0)
        return -1;
    if (target->prefix_count + target->fqdns.count + target->uris.count == 0)
        return data_refuse(fault, 400, "missing-attribute",
                           "alias \"%.64s\": target-prefix, target-fqdn or target-uri: at least one must be present "
                           "(RFC 8783 section 6.1)",
                           out->name);
    return 0;
}

/* ---- ACLs ---- */

static enum wire_activation activation_of(const json_t *acl)
{
    const char *text = json_string_value(json_object_get(acl, "activation-type"));

    if (!text || strcmp(text, "activate-when-mitigating") == 0)
        return WIRE_ACTIVATE_WHEN_MITIGATING;
    return strcmp(text, "immediate") == 0 ? WIRE_ACTIVATE_IMMEDIATE : WIRE_DEACTIVATE;
}

/* By the letter of the schema these are not mandatory: see gateway/yang/modules. */
static int check_whole(const json_t *fields, const char *box, const char *leaf, struct data_fault *fault)
{
    const json_t *value = json_object_get(fields, box);

    if (value && !json_object_get(value, leaf))
        return data_refuse(fault, 400, "missing-attribute", "%s: must have '%s'", box, leaf);
    if (value && json_object_get(fields, "flags"))
        return data_refuse(fault, 400, "invalid-value",
                           "%s and flags must not be in one request (RFC 8783 section 4.2)", box);
    return 0;
}

/* match and any exclude each other (section 4.3, typedef operator). */
static int check_operator(const json_t *fields, const char *box, struct data_fault *fault)
{
    const char *text = json_string_value(json_object_get(json_object_get(fields, box), "operator"));

    if (text && strstr(text, "match") && strstr(text, "any"))
        return data_refuse(fault, 400, "invalid-value", "%s: operator: match and any exclude each other", box);
    return 0;
}

static int check_boxes(const json_t *matches, struct data_fault *fault)
{
    static const char *const boxes[][3] = {
        {"ipv4", "fragment", "type"}, {"ipv6", "fragment", "type"}, {"tcp", "flags-bitmask", "bitmask"}};

    for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
        const json_t *fields = json_object_get(matches, boxes[i][0]);

        if (check_whole(fields, boxes[i][1], boxes[i][2], fault) != 0 ||
            check_operator(fields, boxes[i][1], fault) != 0)
            return -1;
    }
    return 0;
}

/* The attribute that section 7.2 makes mandatory with 'immediate' is one of the boxes ipv4 and ipv6. What looks at the
 * transport alone has no place for it and, as figure 36 has it, is for all addresses of the client's domain. */
static bool is_transport_alone(const json_t *matches)
{
    static const char *const transports[] = {"tcp", "udp", "icmp"};

    for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
        if (json_object_get(matches, transports[i]))
            return !json_object_get(matches, "ipv4") && !json_object_get(matches, "ipv6");
    }
    return false;
}

static int take_destination(const json_t *matches, struct data_item *out, struct data_fault *fault)
{
    const char *text = json_string_value(json_object_get(json_object_get(matches, "ipv4"), "destination-ipv4-network"));

    if (!text)
        text = json_string_value(json_object_get(json_object_get(matches, "ipv6"), "destination-ipv6-network"));
    if (!text) {
        out->everywhere = out->everywhere || !is_transport_alone(matches);
        return 0;
    }
    if (wire_prefix_parse(text, false, &out->target.prefixes[out->target.prefix_count]) != 0)
        return data_refuse(fault, 400, "invalid-value", "destination network: %.64s is no prefix", text);
    out->target.prefix_count++;
    return 0;
}

static int take_rule(const json_t *ace, struct data_item *out, struct data_fault *fault)
{
    const char *forwarding = json_string_value(json_object_get(json_object_get(ace, "actions"), "forwarding"));
    const json_t *matches = json_object_get(ace, "matches");
    bool drop = strstr(forwarding, "accept") == NULL;

    if (strstr(forwarding, "reject"))
        return data_refuse(fault, 400, "invalid-value", "forwarding: reject is not supported, see capabilities");
    if (out->activation == WIRE_DEACTIVATE)
        return 0;
    out->rules[out->rule_count].drop = drop;
    out->rules[out->rule_count].match = matches ? json_dumps(matches, JSON_COMPACT | JSON_SORT_KEYS) : strdup("{}");
    if (!out->rules[out->rule_count].match)
        return no_memory(fault);
    out->rule_count++;
    return 0;
}

static int take_acl(json_t *value, struct data_item *out, struct data_fault *fault)
{
    json_t *aces = json_object_get(json_object_get(value, "aces"), "ace"), *ace;
    size_t count = json_array_size(aces), i;

    out->activation = activation_of(value);
    out->rules = calloc(count + 1, sizeof(*out->rules));
    out->target.prefixes = calloc(count + 1, sizeof(*out->target.prefixes));
    if (!out->rules || !out->target.prefixes)
        return no_memory(fault);
    json_array_foreach(aces, i, ace)
    {
        const json_t *matches = json_object_get(ace, "matches");

        if (check_boxes(matches, fault) != 0 || take_destination(matches, out, fault) != 0 ||
            take_rule(ace, out, fault) != 0)
            return -1;
    }
    if (out->activation == WIRE_ACTIVATE_IMMEDIATE && (out->everywhere || count == 0))
        return data_refuse(fault, 400, "missing-attribute",
                           "acl \"%.64s\": with activation-type immediate each entry must name its destination network "
                           "(RFC 8783 section 7.2)",
                           out->name);
    return 0;
}

/* ---- Both ---- */

int data_item_take(enum catalog_kind kind, json_t *value, struct data_item *out, struct data_fault *fault)
{
    const char *name = json_string_value(json_object_get(value, "name"));

    *out = (struct data_item){.kind = kind};
    if (!name)
        return data_refuse(fault, 400, "missing-attribute", "name: missing");
    if (name[0] == '\0' || strlen(name) > CATALOG_NAME_MAX)
        return data_refuse(fault, 400, "invalid-value", "name: must have 1 to %u bytes", CATALOG_NAME_MAX);
    out->name = strdup(name);
    out->json = json_dumps(value, JSON_COMPACT);
    if (!out->name || !out->json)
        return no_memory(fault);
    out->json_length = strlen(out->json);
    return kind == CATALOG_ALIAS ? take_alias(value, out, fault) : take_acl(value, out, fault);
}

static void names_free(struct wire_strings *names)
{
    for (size_t i = 0; i < names->count; i++)
        free((char *)names->at[i]);
    free((void *)names->at);
}

void data_item_free(struct data_item *item)
{
    free(item->name);
    free(item->json);
    free(item->target.prefixes);
    free(item->target.port_ranges);
    free(item->target.protocols);
    names_free(&item->target.fqdns);
    names_free(&item->target.uris);
    for (size_t i = 0; i < item->rule_count; i++)
        free((char *)item->rules[i].match);
    free(item->rules);
    catalog_entry_unref(item->entry);
    *item = (struct data_item){0};
}

struct catalog_entry_values data_item_values(const struct data_item *item, int64_t expires_ms)
{
    return (struct catalog_entry_values){
        .kind = item->kind,
        .name = item->name,
        .json = item->json,
        .json_length = item->json_length,
        .target = item->kind == CATALOG_ALIAS ? &item->target : NULL,
        .activation = item->activation,
        .rules = item->rules,
        .rule_count = item->rule_count,
        .expires_ms = expires_ms,
    };
}
