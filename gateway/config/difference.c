/* difference: two configurations side by side, key by key. */
#include "gateway/config/difference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/schema.h"

/* ---- Values ---- */

static bool same_keys(const struct config_key *keys, const void *a, const void *b);

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_bytes(const struct config_bytes *a, const struct config_bytes *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->at, b->at, a->length) == 0);
}

/* a, b: the fields; with a list the entries, which get the list's row. */
static bool same_value(const struct config_key *key, const struct config_type *type, const void *a, const void *b)
{
    if (type == &config_type_map)
        return same_keys(key->keys, a, b);
    if (type->release == config_bytes_release)
        return same_bytes(a, b);
    if (type->release == config_text_release)
        return same_text(*(char *const *)a, *(char *const *)b);
    return memcmp(a, b, key->size) == 0;
}

static const void *at(const void *base, size_t offset)
{
    return (const char *)base + offset;
}

static size_t count_of(const struct config_key *key, const void *base)
{
    return *(const size_t *)at(base, key->count_offset);
}

static const char *entries_of(const struct config_key *key, const void *base)
{
    return *(const char *const *)at(base, key->offset);
}

static bool same_list(const struct config_key *key, const void *a, const void *b)
{
    const char *left = entries_of(key, a), *right = entries_of(key, b);
    size_t count = count_of(key, a);

    if (count != count_of(key, b))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!same_value(key, key->of, left + i * key->size, right + i * key->size))
            return false;
    }
    return true;
}

/* a, b: what the key's offset counts from. */
static bool same(const struct config_key *key, const void *a, const void *b)
{
    if (key->type == &config_type_list)
        return same_list(key, a, b);
    return same_value(key, key->type, at(a, key->offset), at(b, key->offset));
}

static bool same_keys(const struct config_key *keys, const void *a, const void *b)
{
    for (const struct config_key *key = keys; key->name; key++) {
        if (!same(key, a, b))
            return false;
    }
    return true;
}

/* ---- Items, by name ---- */

static int add(struct config_difference *out, enum config_change_kind kind, const char *section, const char *name)
{
    if (out->count == out->room) {
        size_t room = out->room ? 2 * out->room : 16;
        struct config_change *larger = realloc(out->at, room * sizeof(*larger));

        if (!larger)
            return -1;
        out->at = larger;
        out->room = room;
    }
    out->at[out->count++] = (struct config_change){kind, section, name};
    return 0;
}

/* The name is the first member of every item. */
_Static_assert(offsetof(struct config_client, name) == 0 && offsetof(struct config_upstream, name) == 0 &&
                   offsetof(struct config_mitigator, name) == 0 && offsetof(struct config_detector, name) == 0 &&
                   offsetof(struct config_attack_rule, name) == 0,
               "an item begins with its name");

static const char *name_of(const void *item)
{
    return *(char *const *)item;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(name_of(*(const void *const *)a), name_of(*(const void *const *)b));
}

static const void **sorted(const struct config_key *key, const void *base)
{
    size_t count = count_of(key, base);
    const char *entries = entries_of(key, base);
    const void **items = calloc(count + 1, sizeof(*items));

    if (!items)
        return NULL;
    for (size_t i = 0; i < count; i++)
        items[i] = entries + i * key->size;
    qsort((void *)items, count, sizeof(*items), by_name);
    return items;
}

static int compare_sorted(const struct config_key *key, const void **before, const void **after,
                          struct config_difference *out)
{
    int status = 0;

    while (status == 0 && (*before || *after)) {
        int order = !*before ? 1 : !*after ? -1 : strcmp(name_of(*before), name_of(*after));

        if (order < 0)
            status = add(out, CONFIG_REMOVED, key->name, name_of(*before));
        else if (order > 0)
            status = add(out, CONFIG_ADDED, key->name, name_of(*after));
        else if (!same_keys(key->keys, *before, *after))
            status = add(out, CONFIG_CHANGED, key->name, name_of(*after));
        before += order <= 0;
        after += order >= 0;
    }
    return status;
}

static int compare_items(const struct config_key *key, const void *before, const void *after,
                         struct config_difference *out)
{
    const void **left = sorted(key, before), **right = sorted(key, after);
    int status = left && right ? compare_sorted(key, left, right, out) : -1;

    free((void *)left);
    free((void *)right);
    return status;
}

static bool has_items(const struct config_key *key)
{
    return key->type == &config_type_list && key->keys && strcmp(key->keys->name, "name") == 0;
}

/* ---- What needs a restart ---- */

static bool has_listener(const struct config *config, const struct config_listener *listener)
{
    unsigned missing = listener->transports;

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *other = &config->listeners[i];

        if (other->channel == listener->channel && other->port == listener->port &&
            strcmp(other->address, listener->address) == 0)
            missing &= ~other->transports;
    }
    return missing == 0;
}

static bool listens(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].channel == CONFIG_CHANNEL_SIGNAL)
            return true;
    }
    return false;
}

static void refuse_listeners(const struct config *before, const struct config *after, struct config_difference *out)
{
    for (size_t i = 0; i < before->listener_count && !out->refused[0]; i++) {
        const struct config_listener *listener = &before->listeners[i];

        if (!has_listener(after, listener))
            snprintf(out->refused, sizeof(out->refused),
                     "listeners: %s port %u cannot be closed, or lose a transport, while its sessions go on; keep it, "
                     "or drain and restart",
                     listener->address, listener->port);
    }
    for (size_t i = 0; i < after->listener_count && !out->refused[0]; i++) {
        const struct config_listener *listener = &after->listeners[i];

        if (listener->channel == CONFIG_CHANNEL_DATA && !has_listener(before, listener))
            snprintf(out->refused, sizeof(out->refused),
                     "listeners: a listener of the data channel, %s port %u, needs a restart", listener->address,
                     listener->port);
    }
    if (!out->refused[0] && !listens(before) && listens(after))
        snprintf(out->refused, sizeof(out->refused), "listeners: the first listener needs a restart");
}

static void refuse_gateway(const struct config *before, const struct config *after, struct config_difference *out)
{
    if (strcmp(before->gateway.name, after->gateway.name) != 0)
        snprintf(out->refused, sizeof(out->refused),
                 "gateway.name: it cannot change from %s to %s while the gateway runs; restart it",
                 before->gateway.name, after->gateway.name);
    else if (strcmp(before->gateway.state_dir, after->gateway.state_dir) != 0)
        snprintf(out->refused, sizeof(out->refused),
                 "gateway.state-dir: the state cannot move from %s while the gateway runs; stop it, move it, start it",
                 before->gateway.state_dir);
}

/* What the process gave up at its start it does not get back. */
static void refuse_confinement(const struct config *before, const struct config *after, struct config_difference *out)
{
    if (!same_text(before->gateway.user, after->gateway.user))
        snprintf(out->refused, sizeof(out->refused),
                 "gateway.user: it cannot change while the gateway runs; restart it");
    else if (before->gateway.seccomp != after->gateway.seccomp)
        snprintf(out->refused, sizeof(out->refused),
                 "gateway.seccomp: it cannot change while the gateway runs; restart it");
}

static bool has_data_upstream(const struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++) {
        if (config->upstreams[i].data.given)
            return true;
    }
    return false;
}

static bool has_data_listener(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].channel == CONFIG_CHANNEL_DATA)
            return true;
    }
    return false;
}

/* But for the paths of credentials: the reload looks at what is in the files. */
static bool same_upstreams(const struct config *before, const struct config *after)
{
    const struct config_key *list = config_keys_root;

    while (list->name && strcmp(list->name, "upstreams") != 0)
        list++;
    if (!list->name) /* it is there: for tools that do not know the table */
        return false;
    if (before->upstream_count != after->upstream_count)
        return false;
    for (size_t i = 0; i < before->upstream_count; i++) {
        for (const struct config_key *key = list->keys; key->name; key++) {
            if (strcmp(key->name, "credentials") != 0 && !same(key, &before->upstreams[i], &after->upstreams[i]))
                return false;
        }
    }
    return true;
}

static void refuse_data(const struct config *before, const struct config *after, struct config_difference *out)
{
    if ((has_data_upstream(before) || has_data_upstream(after)) && !same_upstreams(before, after))
        snprintf(out->refused, sizeof(out->refused),
                 "upstreams: while one of them has a data channel, a change of upstreams needs a restart");
    else if (has_data_upstream(after) && before->gateway.domain_side_server != after->gateway.domain_side_server)
        snprintf(out->refused, sizeof(out->refused),
                 "gateway.domain-side: with a data channel to an upstream it needs a restart");
    else if (has_data_listener(after) && before->limits.data_connections != after->limits.data_connections)
        snprintf(out->refused, sizeof(out->refused), "limits.data-connections: it needs a restart");
}

static void refuse(const struct config *before, const struct config *after, struct config_difference *out)
{
    refuse_gateway(before, after, out);
    if (!out->refused[0])
        refuse_confinement(before, after, out);
    if (!out->refused[0] && (before->fan_out == CONFIG_FAN_OUT_SERIAL) != (after->fan_out == CONFIG_FAN_OUT_SERIAL))
        snprintf(out->refused, sizeof(out->refused),
                 "fan-out: a change to or from serial needs a restart; mitigations go on meanwhile");
    if (!out->refused[0])
        refuse_listeners(before, after, out);
    if (!out->refused[0])
        refuse_data(before, after, out);
    for (const struct config_key *key = config_keys_root; key->name && !out->refused[0]; key++) {
        if (strcmp(key->name, "admin") == 0 && !same(key, before, after))
            snprintf(out->refused, sizeof(out->refused), "admin: its sockets and ports need a restart");
    }
}

int config_difference(const struct config *before, const struct config *after, struct config_difference *out)
{
    int status = 0;

    memset(out, 0, sizeof(*out));
    for (const struct config_key *key = config_keys_root; key->name && status == 0; key++) {
        if (has_items(key))
            status = compare_items(key, before, after, out);
        else if (!same(key, before, after))
            status = add(out, CONFIG_CHANGED, key->name, NULL);
    }
    refuse(before, after, out);
    return status;
}

void config_difference_free(struct config_difference *difference)
{
    free(difference->at);
    memset(difference, 0, sizeof(*difference));
}

/* ---- In words ---- */

static size_t count_kind(const struct config_difference *difference, const char *section, enum config_change_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < difference->count; i++) {
        const struct config_change *change = &difference->at[i];

        count += change->section == section && change->kind == kind && change->name;
    }
    return count;
}

static void append(char *buffer, size_t size, const char *before, const char *text)
{
    size_t length = strlen(buffer);

    snprintf(buffer + length, size - length, "%s%s", length ? before : "", text);
}

static void append_items(const struct config_difference *difference, const char *section, char *buffer, size_t size)
{
    static const char *const words[] = {
        [CONFIG_ADDED] = "added", [CONFIG_REMOVED] = "removed", [CONFIG_CHANGED] = "changed"};
    char text[64];
    bool any = false;

    for (int kind = CONFIG_ADDED; kind <= CONFIG_CHANGED; kind++) {
        size_t count = count_kind(difference, section, (enum config_change_kind)kind);

        if (!count)
            continue;
        if (!any) {
            snprintf(text, sizeof(text), "%s: ", section);
            append(buffer, size, "; ", text);
        }
        snprintf(text, sizeof(text), "%s%zu %s", any ? ", " : "", count, words[kind]);
        append(buffer, size, "", text);
        any = true;
    }
}

const char *config_difference_text(const struct config_difference *difference, char *buffer, size_t size)
{
    const char *section = NULL;

    buffer[0] = '\0';
    for (size_t i = 0; i < difference->count; i++) {
        const struct config_change *change = &difference->at[i];

        if (!change->name)
            append(buffer, size, "; ", change->section);
        else if (change->section != section)
            append_items(difference, change->section, buffer, size);
        section = change->section;
    }
    if (!buffer[0])
        snprintf(buffer, size, "nothing in the file has changed");
    return buffer;
}
