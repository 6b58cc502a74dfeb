/* job_json: jansson escapes what may need it; the rest is safe by its charset. */
#include "northbound/mitigator/job_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/wire/json_memory.h"

/* An empty list is left out: RFC 9132 section 4.4.1 has none. */
static int add_list(json_t *scope, const char *name, size_t count, json_t *(*entry)(const void *list, size_t index),
                    const void *list)
{
    if (count == 0)
        return 0;
    json_t *array = json_array();
    if (json_object_set(scope, name, array) != 0) {
        json_decref(array);
        return -1;
    }
    json_decref(array); /* the scope holds it */
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, entry(list, i)) != 0)
            return -1;
    }
    return 0;
}

static json_t *prefix_entry(const void *list, size_t index)
{
    char text[WIRE_PREFIX_TEXT];
    return json_string(wire_prefix_format((const struct wire_prefix *)list + index, text));
}

static json_t *port_entry(const void *list, size_t index)
{
    const struct wire_port_range *range = (const struct wire_port_range *)list + index;
    json_t *object = json_object();
    if (json_object_set_new(object, "lower-port", json_integer(range->lower)) != 0 ||
        json_object_set_new(object, "upper-port", json_integer(range->upper)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *protocol_entry(const void *list, size_t index)
{
    return json_integer(((const uint8_t *)list)[index]);
}

static json_t *text_entry(const void *list, size_t index)
{
    return json_string(((const char *const *)list)[index]);
}

static json_t *scope_json(const struct wire_target *target)
{
    json_t *scope = json_object();
    if (!scope || add_list(scope, "target-prefix", target->prefix_count, prefix_entry, target->prefixes) != 0 ||
        add_list(scope, "target-port-range", target->port_range_count, port_entry, target->port_ranges) != 0 ||
        add_list(scope, "target-protocol", target->protocol_count, protocol_entry, target->protocols) != 0 ||
        add_list(scope, "target-fqdn", target->fqdns.count, text_entry, target->fqdns.at) != 0 ||
        add_list(scope, "target-uri", target->uris.count, text_entry, target->uris.at) != 0 ||
        add_list(scope, "alias-name", target->aliases.count, text_entry, target->aliases.at) != 0) {
        json_decref(scope);
        return NULL;
    }
    return scope;
}

static char *filter_members(const struct mitigator_job *job)
{
    char *members = NULL, *client_text;
    json_t *client = json_string(job->client);
    client_text = json_dumps(client, JSON_ENCODE_ANY);
    if (client_text && asprintf(&members, "\"client\":%s,\"acl\":%s", client_text, job->acl) < 0)
        members = NULL;
    free(client_text);
    json_decref(client);
    return members;
}

char *job_json_members(const struct mitigator_job *job)
{
    if (job->acl)
        return filter_members(job);
    char *members = NULL;
    wire_json_memory_watch();
    json_t *scope = scope_json(job->target), *client = json_string(job->client);
    char *scope_text = json_dumps(scope, JSON_COMPACT), *client_text = json_dumps(client, JSON_ENCODE_ANY);
    if (scope_text && client_text && !wire_json_memory_failed() &&
        asprintf(&members, "\"client\":%s,\"scope\":%s", client_text, scope_text) < 0)
        members = NULL;
    free(scope_text);
    free(client_text);
    json_decref(scope);
    json_decref(client);
    return members;
}

/* RFC 9132 section 3.1 of the module iana-dots-signal-channel: the names of table 4. */
static const char *attack_status_member(enum wire_attack_status status)
{
    switch (status) {
    case WIRE_UNDER_ATTACK:
        return ",\"attack-status\":\"under-attack\"";
    case WIRE_ATTACK_MITIGATED:
        return ",\"attack-status\":\"attack-successfully-mitigated\"";
    }
    return "";
}

char *job_json_line(const char *op, const char *id, const char *members, int64_t lifetime,
                    enum wire_attack_status attack_status)
{
    char *line;
    if (asprintf(&line, "{\"op\":\"%s\",\"id\":\"%s\",\"lifetime\":%" PRId64 ",%s%s}\n", op, id, lifetime, members,
                 attack_status_member(attack_status)) < 0)
        return NULL;
    return line;
}
