/* load: the relay as it was, from its records, and what changed while it was away. */

#include <cbor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/record.h"
#include "aggregation/relay_state.h"

struct reader {
    cbor_item_t *array;
    size_t next;
    bool bad;
};

static cbor_item_t *take(struct reader *reader)
{
    if (reader->bad || reader->next >= cbor_array_size(reader->array)) {
        reader->bad = true;
        return NULL;
    }
    return cbor_array_handle(reader->array)[reader->next++];
}

static int64_t take_int(struct reader *reader, int64_t least, int64_t most)
{
    cbor_item_t *item = take(reader);
    int64_t value = 0;

    if (item && cbor_is_int(item) && cbor_get_int(item) <= INT64_MAX) {
        value = (int64_t)cbor_get_int(item);
        if (cbor_isa_negint(item))
            value = -1 - value;
    } else {
        reader->bad = true;
    }
    if (value < least || value > most)
        reader->bad = true;
    return reader->bad ? least : value;
}

static int64_t take_moment(struct reader *reader)
{
    int64_t at = take_int(reader, -1, INT64_MAX);

    return at == -1 ? RELAY_FOREVER : at;
}

static void take_text(struct reader *reader, char *buffer, size_t size)
{
    cbor_item_t *item = take(reader);

    buffer[0] = '\0';
    if (!item || !cbor_isa_string(item) || !cbor_string_is_definite(item) || cbor_string_length(item) >= size) {
        reader->bad = true;
        return;
    }
    memcpy(buffer, cbor_string_handle(item), cbor_string_length(item));
    buffer[cbor_string_length(item)] = '\0';
}

static struct wire_message *take_scope(struct reader *reader)
{
    cbor_item_t *item = take(reader);
    struct wire_message *message = NULL;
    struct wire_error error;

    if (!item || !cbor_isa_bytestring(item) || !cbor_bytestring_is_definite(item) ||
        wire_decode_cbor(cbor_bytestring_handle(item), cbor_bytestring_length(item), WIRE_TO_CLIENT, &message,
                         &error) != 0) {
        reader->bad = true;
        return NULL;
    }
    if (message->type != WIRE_MITIGATION || message->scope_count != 1) {
        wire_free(message);
        reader->bad = true;
        return NULL;
    }
    return message;
}

struct loaded_requester {
    char client[128], cdid[RELAY_CUID_MAX + 1], cuid[RELAY_CUID_MAX + 1], hash[23];
};

static struct relay_requester take_requester(struct reader *reader, struct loaded_requester *memory)
{
    take_text(reader, memory->client, sizeof(memory->client));
    take_text(reader, memory->cdid, sizeof(memory->cdid));
    take_text(reader, memory->cuid, sizeof(memory->cuid));
    take_text(reader, memory->hash, sizeof(memory->hash));
    return (struct relay_requester){memory->client, memory->cdid, memory->cuid, memory->hash};
}

static int load_mitigation(struct relay *relay, struct reader *reader)
{
    struct loaded_requester memory;
    struct relay_requester from = take_requester(reader, &memory);
    struct mitigation loaded = {.mid = (uint32_t)take_int(reader, 0, UINT32_MAX)};
    struct requester_state *requester;
    struct wire_message *message;
    struct mitigation *mitigation;
    int64_t flags;

    loaded.state = (enum mitigation_state)take_int(reader, MITIGATION_LIVE, MITIGATION_ENDED);
    loaded.status = (enum wire_status)take_int(reader, WIRE_STATUS_IN_PROGRESS, WIRE_STATUS_SIGNAL_LOSS);
    flags = take_int(reader, 0, 15);
    loaded.lifetime = take_int(reader, -1, UINT32_MAX);
    loaded.expires_ms = take_moment(reader);
    loaded.start_s = take_int(reader, 0, INT64_MAX);
    loaded.terminating_ms = (uint32_t)take_int(reader, 0, UINT32_MAX);
    loaded.state_until_ms = take_moment(reader);
    loaded.hop_limit = (uint8_t)take_int(reader, 0, 255);
    message = take_scope(reader);
    if (reader->bad) {
        wire_free(message);
        return -1;
    }
    requester = requester_get(relay, &from);
    mitigation = requester ? mitigation_new(relay, requester, loaded.mid, &message->scopes[0].target) : NULL;
    wire_free(message);
    if (!mitigation)
        return -1;
    mitigation->trigger = flags & 1;
    mitigation->activated = (flags & 4) != 0;
    mitigation->overrides = (flags & 8) != 0;
    mitigation->status = loaded.status;
    mitigation->lifetime = loaded.lifetime;
    mitigation->expires_ms = loaded.expires_ms;
    mitigation->terminating_ms = loaded.terminating_ms;
    mitigation->state_until_ms = loaded.state_until_ms;
    mitigation->hop_limit = loaded.hop_limit;
    mitigation_set_state(mitigation, loaded.state);
    mitigation_set_active(mitigation, (flags & 2) != 0, 0);
    mitigation->start_s = loaded.start_s;
    return loaded.state == MITIGATION_ENDED ? 0 : mitigation_index(relay, mitigation);
}

static bool find_target(const struct relay *relay, const char *name, size_t *target)
{
    for (size_t i = 0; i < relay->policy->target_count; i++) {
        if (strcmp(relay->policy->targets[i].name, name) == 0) {
            *target = i;
            return true;
        }
    }
    return false;
}

/* 1: understood, and of no use any more: the target is not configured, or its cuid is another now. */
static int load_install(struct relay *relay, struct reader *reader)
{
    char target_name[256], cuid_text[RELAY_CUID_MAX + 1];
    struct install loaded = {0};
    struct loaded_requester memory;
    struct relay_requester from;
    struct requester_state *requester = NULL;
    struct upstream_cuid_state *cuid;
    struct install *install;
    struct mitigation *member = NULL;
    size_t target;
    int64_t member_mid;

    take_text(reader, target_name, sizeof(target_name));
    take_text(reader, cuid_text, sizeof(cuid_text));
    loaded.mid = (uint32_t)take_int(reader, 0, UINT32_MAX);
    loaded.state = (enum install_state)take_int(reader, INSTALL_PUT, INSTALL_GONE);
    loaded.trigger = take_int(reader, 0, 1) != 0;
    loaded.granted_until_ms = take_moment(reader);
    loaded.hop_limit = (uint8_t)take_int(reader, 0, 255);
    loaded.id = (uint64_t)take_int(reader, 1, INT64_MAX);
    from = take_requester(reader, &memory);
    member_mid = take_int(reader, -1, UINT32_MAX);
    loaded.status = (enum wire_status)take_int(reader, 0, WIRE_STATUS_SIGNAL_LOSS);
    if (reader->bad)
        return -1;
    if (!find_target(relay, target_name, &target) || loaded.state == INSTALL_REFUSED || loaded.state == INSTALL_GONE)
        return 1;
    if (from.cuid[0])
        requester = requester_get(relay, &from);
    if (member_mid >= 0 && requester)
        member = mitigation_look(requester, (uint32_t)member_mid);
    cuid = upstream_cuid_get(relay, target, requester);
    if (!cuid)
        return -1;
    if (strcmp(cuid->public.cuid, cuid_text) != 0) {
        upstream_cuid_release(relay, cuid);
        return 1;
    }
    install = install_new(relay, cuid, loaded.id);
    if (!install)
        return -1;
    install->mid = loaded.mid;
    install->trigger = loaded.trigger;
    install->granted_until_ms = loaded.granted_until_ms;
    install->hop_limit = loaded.hop_limit;
    install->status = loaded.status;
    install->sent = true;
    install->state = member ? loaded.state : INSTALL_WITHDRAW;
    if (member && loaded.state != INSTALL_WITHDRAW) {
        install->scope = scope_ref(member->scope);
        install_attach(relay, install, member);
        install_block(install); /* the ids say which of two with the same mid came first */
    }
    return 0;
}

static int load_counter(struct relay *relay, const char *key, struct reader *reader)
{
    struct counter *counter;
    uint64_t reserved = (uint64_t)take_int(reader, 0, INT64_MAX);
    uint32_t attempt = (uint32_t)take_int(reader, 0, UINT32_MAX);

    if (reader->bad)
        return -1;
    counter = counter_get(relay, key);
    if (!counter)
        return -1;
    counter->next = counter->reserved = reserved;
    counter->attempt = attempt;
    return 0;
}

static int load_binding(struct relay *relay, const char *key, struct reader *reader)
{
    char identity[160];

    take_text(reader, identity, sizeof(identity));
    return reader->bad || strlen(key) > RELAY_CUID_MAX ? -1 : binding_add(relay, key, identity);
}

int relay_load(struct relay *relay, int table, const char *key, size_t key_length, const uint8_t *value, size_t length,
               char *error, size_t error_size)
{
    char text[RELAY_KEY_MAX + 16];
    struct cbor_load_result result;
    struct reader reader = {.array = cbor_load(value, length, &result)};
    int status = -1;

    snprintf(text, sizeof(text), "%.*s", (int)key_length, key);
    if (reader.array && cbor_isa_array(reader.array) && take_int(&reader, RECORD_VERSION, RECORD_VERSION) == 1 &&
        !reader.bad && key_length < sizeof(text)) {
        if (table == TABLE_MITIGATION)
            status = load_mitigation(relay, &reader);
        else if (table == TABLE_INSTALL)
            status = load_install(relay, &reader);
        else if (table == TABLE_COUNTER)
            status = load_counter(relay, text, &reader);
        else if (table == TABLE_BINDING)
            status = load_binding(relay, text, &reader);
    }
    if (reader.array)
        cbor_decref(&reader.array);
    if (status == 1) {
        relay->effects->store_delete(relay->arg, table, key, key_length);
        relay->dirty = true;
        return 0;
    }
    if (status != 0)
        snprintf(error, error_size, "record %s of table %d cannot be understood, or there is not enough memory", text,
                 table);
    return status;
}

/* It was not accepted yet: what it overrides stays until it is. */
static void wait_on(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    struct install *install;

    mitigation->wait = WAIT_CREATED;
    mitigation->wait_until_ms = now + relay->policy->response_wait_ms;
    DL_FOREACH(mitigation->installs, install)
    {
        install->awaited = install->state == INSTALL_PUT;
    }
}

void relay_start(struct relay *relay, int64_t now)
{
    struct requester_state *requester, *next;
    struct mitigation *mitigation, *after;
    struct install *install, *next_install;

    HASH_ITER(hh, relay->requesters, requester, next)
    {
        requester->held++;
        DL_FOREACH_SAFE(requester->ordered, mitigation, after)
        {
            if (mitigation->overrides && mitigation->state == MITIGATION_LIVE)
                wait_on(relay, now, mitigation);
            reconcile(relay, now, mitigation, RECONCILE_CHANGE);
            mitigation_schedule(relay, mitigation);
        }
        requester->held--;
    }
    HASH_ITER(hh, relay->installs, install, next_install)
    {
        if (install->cuid->job && install->state != INSTALL_GONE)
            install_send(relay, install);
        install_schedule(relay, install);
    }
    effects_flush(relay);
}
