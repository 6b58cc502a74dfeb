/* load: the relay as it was, from its records, and what changed while it was away. */

#include <cbor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/leaving.h"
#include "aggregation/record.h"
#include "aggregation/relay_state.h"

#define MID_EPOCH_S 1767225600    /* 2026-01-01 */
#define MIDS_A_SECOND 4           /* more than a gateway uses on average; lasts 20 years */
#define MID_FIRST_MAX 2684354560u /* leaves room below the rollover */

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
    return (struct relay_requester){
        .client = memory->client, .cdid = memory->cdid, .cuid = memory->cuid, .identity_hash = memory->hash};
}

/* Mappings may be other ones now: what they do not map stays here, and is ended when all is loaded. */
static struct mitigation *load_scope(struct relay *relay, struct requester_state *requester, uint32_t mid,
                                     const struct wire_target *target)
{
    char reason[SCOPE_REASON_MAX] = "";
    struct mitigation *mitigation;
    struct scope *outside;
    int translated = plan_outside(relay, target, &outside, reason, sizeof(reason));

    if (translated != 0 && !reason[0])
        return NULL;
    mitigation = mitigation_new(relay, requester, mid, target, outside);
    scope_unref(outside);
    if (mitigation && translated != 0) {
        scope_unref(mitigation->outside);
        mitigation->outside = NULL;
    }
    return mitigation;
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
    loaded.recursed_until_ms = take_moment(reader);
    loaded.hop_limit = (uint8_t)take_int(reader, 0, 255);
    message = take_scope(reader);
    if (reader->bad) {
        wire_free(message);
        return -1;
    }
    requester = requester_get(relay, &from);
    mitigation = requester ? load_scope(relay, requester, loaded.mid, &message->scopes[0].target) : NULL;
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
    mitigation->recursed_until_ms = loaded.recursed_until_ms;
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

/* ---- Installs: loose until a bundle claims them ---- */

struct loose {
    struct install *install;
    UT_hash_handle hh;
    uint8_t key[]; /* upstream cuid, trigger, and what it is for */
};

/* Where requests are merged an install is known by its scope; else by the one mitigation it is for. The key is made in
 * the scratch of the relay; its length is returned. */
static size_t loose_key(struct relay *relay, const struct upstream_cuid_state *cuid, bool trigger,
                        const struct scope *scope, const struct requester_state *requester, uint32_t mid)
{
    struct wire_scope only = {.target = scope ? scope->target : (struct wire_target){0}, .trigger = true};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &only, .scope_count = 1};
    size_t head = sizeof(cuid) + 1;

    memcpy(relay->record, &cuid, sizeof(cuid));
    relay->record[sizeof(cuid)] = trigger;
    if (cuid->merges && scope)
        return head + wire_encode_cbor(&message, relay->record + head, WIRE_BODY_MAX);
    return head + (size_t)snprintf((char *)relay->record + head, REQUESTER_KEY_MAX + 12, "%s%c%u",
                                   requester ? requester->key : "", RELAY_SEPARATOR, mid);
}

static int loose_keep(struct relay *relay, struct install *install, const struct requester_state *requester,
                      uint32_t mid)
{
    size_t length = loose_key(relay, install->cuid, install->trigger, install->scope, requester, mid);
    struct loose *loose = calloc(1, sizeof(*loose) + length), *other;

    if (!loose)
        return -1;
    memcpy(loose->key, relay->record, length);
    loose->install = install;
    HASH_FIND(hh, relay->loose, loose->key, length, other);
    if (!other)
        HASH_ADD_KEYPTR(hh, relay->loose, loose->key, length, loose);
    if (other || !loose->hh.tbl) {
        free(loose);
        leaving_add(install); /* the same again: one of them goes */
    }
    return 0;
}

struct install *loose_claim(struct relay *relay, const struct bundle *bundle, const struct scope *scope)
{
    struct install *install;
    struct loose *found;
    size_t length;

    if (!relay->loose)
        return NULL;
    length = loose_key(relay, bundle->cuid, bundle->trigger, scope, bundle->demands->mitigation->owner,
                       bundle->demands->mitigation->mid);
    HASH_FIND(hh, relay->loose, relay->record, length, found);
    if (!found)
        return NULL;
    install = found->install;
    HASH_DEL(relay->loose, found);
    free(found);
    /* Asked of this upstream is something else now: the client's mid must be deleted before it is put again. */
    if (install->scope && !scope_equal(&install->scope->target, &scope->target)) {
        install_withdraw(relay, install);
        return NULL;
    }
    if (!install->scope)
        install->scope = scope_ref((struct scope *)scope);
    serial_track(relay, install); /* without the memory for it, its place is not known to be taken */
    install_block(install);       /* the ids say which of two with the same mid came first */
    return install;
}

/* What upstreams must not be asked for any more, now that mappings have changed. */
static void end_unmapped(struct relay *relay, int64_t now)
{
    struct requester_state *requester;
    struct mitigation *mitigation;

    for (requester = relay->requesters; requester; requester = requester->hh.next) {
        DL_FOREACH(requester->ordered, mitigation)
        {
            if (mitigation->outside || mitigation->state != MITIGATION_LIVE)
                continue;
            relay->effects->alert(relay->arg, "nat-unmapped", requester->public.client);
            feedback_refuse(relay, now, mitigation);
        }
    }
}

/* What nobody wants any more is withdrawn. */
static void loose_withdraw(struct relay *relay)
{
    struct loose *loose = relay->loose, *next;

    HASH_CLEAR(hh, relay->loose);
    for (; loose; loose = next) {
        next = loose->hh.next;
        install_withdraw(relay, loose->install);
        free(loose);
    }
}

/* NULL with reader->bad unset: the install had none. */
static struct scope *take_install_scope(struct reader *reader)
{
    struct wire_message *message;
    struct scope *scope;
    const cbor_item_t *item =
        reader->next < cbor_array_size(reader->array) ? cbor_array_handle(reader->array)[reader->next] : NULL;

    if (item && cbor_isa_bytestring(item) && cbor_bytestring_length(item) == 0)
        return NULL;
    message = take_scope(reader);
    scope = message ? scope_new(&message->scopes[0].target) : NULL;
    if (!scope)
        reader->bad = true;
    wire_free(message);
    return scope;
}

struct loaded_install {
    char target[256], cuid[RELAY_CUID_MAX + 1];
    uint32_t mid;
    enum install_state state;
    enum wire_status status;
    bool trigger;
    int64_t granted_until_ms, member_mid;
    uint8_t hop_limit;
    uint64_t id;
    struct loaded_requester requester;
    struct relay_requester from;
    struct scope *scope;
};

static void take_install(struct reader *reader, struct loaded_install *out)
{
    take_text(reader, out->target, sizeof(out->target));
    take_text(reader, out->cuid, sizeof(out->cuid));
    out->mid = (uint32_t)take_int(reader, 0, UINT32_MAX);
    out->state = (enum install_state)take_int(reader, INSTALL_PUT, INSTALL_GONE);
    out->trigger = take_int(reader, 0, 1) != 0;
    out->granted_until_ms = take_moment(reader);
    out->hop_limit = (uint8_t)take_int(reader, 0, 255);
    out->id = (uint64_t)take_int(reader, 1, INT64_MAX);
    out->from = take_requester(reader, &out->requester);
    out->member_mid = take_int(reader, -1, UINT32_MAX);
    out->status = (enum wire_status)take_int(reader, 0, WIRE_STATUS_SIGNAL_LOSS);
    out->scope = take_install_scope(reader);
}

/* 1: understood, and of no use any more: the target is not configured, or its cuid is another now. */
static int place_install(struct relay *relay, const struct loaded_install *loaded)
{
    struct requester_state *requester = NULL;
    struct upstream_cuid_state *cuid;
    struct install *install;
    size_t target;

    if (!find_target(relay, loaded->target, &target) || loaded->state == INSTALL_REFUSED ||
        loaded->state == INSTALL_GONE)
        return 1;
    if (loaded->from.cuid[0])
        requester = requester_get(relay, &loaded->from);
    cuid = upstream_cuid_get(relay, target, requester);
    if (!cuid)
        return -1;
    if (strcmp(cuid->public.cuid, loaded->cuid) != 0) {
        upstream_cuid_release(relay, cuid);
        return 1;
    }
    install = install_new(relay, cuid, loaded->id);
    if (!install)
        return -1;
    install->counted_before = true;
    install->mid = loaded->mid;
    install->trigger = loaded->trigger;
    install->granted_until_ms = loaded->granted_until_ms;
    if (loaded->state == INSTALL_WITHDRAW) /* of others refreshes since are not on record */
        install->lasts_until_ms = loaded->granted_until_ms;
    install->hop_limit = loaded->hop_limit;
    install->status = loaded->status;
    install->scope = loaded->scope ? scope_ref(loaded->scope) : NULL;
    install->sent = true;
    install->open = loaded->state == INSTALL_PUT;
    install->state = loaded->state;
    install->awaited = loaded->state == INSTALL_PUT;
    if (serial_track(relay, install) != 0)
        return -1;
    if (loaded->state == INSTALL_WITHDRAW) {
        leaving_add(install);
        return 0;
    }
    return loose_keep(relay, install, requester, loaded->member_mid >= 0 ? (uint32_t)loaded->member_mid : 0);
}

static int load_install(struct relay *relay, struct reader *reader)
{
    struct loaded_install loaded = {.scope = NULL};
    int status = -1;

    take_install(reader, &loaded);
    if (!reader->bad)
        status = place_install(relay, &loaded);
    scope_unref(loaded.scope);
    return status;
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

void relay_start(struct relay *relay, int64_t now)
{
    struct requester_state *requester;
    struct mitigation *mitigation;
    struct install *install;

    relay->now = now;
    /* A gateway that lost its state must not begin below what it left upstream: its mids begin with the time. */
    if (now / 1000 > MID_EPOCH_S)
        relay->first_mid = 1 + (uint64_t)(now / 1000 - MID_EPOCH_S) * MIDS_A_SECOND % MID_FIRST_MAX;
    /* The cuids that are ours alone are looked after from the start, whether something is asked for or not. */
    for (size_t target = 0; target < relay->policy->target_count; target++) {
        const struct relay_target *at = &relay->policy->targets[target];

        if (at->kind == RELAY_UPSTREAM && !at->identity_client && !at->per_client)
            upstream_cuid_get(relay, target, NULL);
    }
    /* All demands first: what is installed is compared with whole bundles only. */
    for (requester = relay->requesters; requester; requester = requester->hh.next) {
        DL_FOREACH(requester->ordered, mitigation)
        {
            /* It was not accepted yet: what it overrides stays until it is. */
            if (mitigation->overrides && mitigation->outside && mitigation->state == MITIGATION_LIVE) {
                mitigation->wait = WAIT_CREATED;
                mitigation->wait_until_ms = now + relay->policy->response_wait_ms;
            }
            reconcile_demands(relay, mitigation);
            mitigation_schedule(relay, mitigation);
        }
    }
    settle_bundles(relay, now);
    loose_withdraw(relay);
    end_unmapped(relay, now);
    if (relay->serial)
        serial_started(relay);
    for (install = relay->installs; install; install = install->hh.next) {
        if (install->cuid->job && install->state != INSTALL_GONE)
            install_send(relay, install);
        install_schedule(relay, install);
    }
    effects_flush(relay);
}
