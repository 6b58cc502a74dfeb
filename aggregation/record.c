/* record: writing what must survive (docs/behaviour.md). */

#include "aggregation/record.h"

#include <cbor.h>
#include <stdio.h>
#include <string.h>

#include "aggregation/relay_state.h"

struct writer {
    unsigned char *at;
    size_t left;
    bool full;
};

static void advance(struct writer *writer, size_t written)
{
    if (written == 0 || writer->full) {
        writer->full = true;
        return;
    }
    writer->at += written;
    writer->left -= written;
}

static void put_int(struct writer *writer, int64_t value)
{
    if (value < 0)
        advance(writer, cbor_encode_negint((uint64_t)(-1 - value), writer->at, writer->left));
    else
        advance(writer, cbor_encode_uint((uint64_t)value, writer->at, writer->left));
}

static void put_raw(struct writer *writer, const void *from, size_t length)
{
    if (writer->full || length > writer->left) {
        writer->full = true;
        return;
    }
    memcpy(writer->at, from, length);
    writer->at += length;
    writer->left -= length;
}

static void put_text(struct writer *writer, const char *text)
{
    size_t length = strlen(text);

    advance(writer, cbor_encode_string_start(length, writer->at, writer->left));
    put_raw(writer, text, length);
}

/* The scope as a message of its own, behind a byte string header of fixed size. */
static void put_scope(struct writer *writer, const struct scope *scope)
{
    struct wire_scope only = {.target = scope->target, .trigger = true};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &only, .scope_count = 1};
    unsigned char *header = writer->at;
    size_t length;

    if (writer->full || writer->left < 5) {
        writer->full = true;
        return;
    }
    length = wire_encode_cbor(&message, writer->at + 5, writer->left - 5);
    if (length == 0) {
        writer->full = true;
        return;
    }
    header[0] = 0x5a; /* byte string, 32-bit length */
    header[1] = (unsigned char)(length >> 24);
    header[2] = (unsigned char)(length >> 16);
    header[3] = (unsigned char)(length >> 8);
    header[4] = (unsigned char)length;
    writer->at += 5 + length;
    writer->left -= 5 + length;
}

static struct writer begin(struct relay *relay, size_t fields)
{
    struct writer writer = {.at = relay->record, .left = RECORD_MAX};

    advance(&writer, cbor_encode_array_start(fields + 1, writer.at, writer.left));
    put_int(&writer, RECORD_VERSION);
    return writer;
}

static int finish(struct relay *relay, const struct writer *writer, int table, const char *key, size_t key_length)
{
    size_t length = (size_t)(writer->at - relay->record);

    if (writer->full || relay->effects->store_put(relay->arg, table, key, key_length, relay->record, length) != 0) {
        relay->effects->alert(relay->arg, "store", "a record could not be written");
        return -1;
    }
    relay->dirty = true;
    return 0;
}

static void forget(struct relay *relay, int table, const char *key, size_t key_length)
{
    if (relay->effects->store_delete(relay->arg, table, key, key_length) != 0)
        relay->effects->alert(relay->arg, "store", "a record could not be deleted");
    relay->dirty = true;
}

/* "Never" is on disk as -1, so that it does not depend on how wide a time is. */
static int64_t moment(int64_t ms)
{
    return ms == RELAY_FOREVER ? -1 : ms;
}

static size_t mitigation_key(const struct mitigation *mitigation, char key[RELAY_KEY_MAX + 12])
{
    return (size_t)snprintf(key, RELAY_KEY_MAX + 12, "%s%c%u", mitigation->owner->key, RELAY_SEPARATOR,
                            mitigation->mid);
}

static size_t install_key(const struct install *install, char key[24])
{
    return (size_t)snprintf(key, 24, "%020llu", (unsigned long long)install->id);
}

int record_mitigation(struct relay *relay, const struct mitigation *mitigation)
{
    const struct requester *owner = &mitigation->owner->public;
    struct writer writer = begin(relay, 16);
    char key[RELAY_KEY_MAX + 12];

    put_text(&writer, owner->client);
    put_text(&writer, owner->cdid);
    put_text(&writer, owner->cuid);
    put_text(&writer, owner->identity_hash);
    put_int(&writer, mitigation->mid);
    put_int(&writer, mitigation->state);
    put_int(&writer, mitigation->status);
    put_int(&writer,
            mitigation->trigger | mitigation->active << 1 | mitigation->activated << 2 | mitigation->overrides << 3);
    put_int(&writer, mitigation->lifetime);
    put_int(&writer, moment(mitigation->expires_ms));
    put_int(&writer, mitigation->start_s);
    put_int(&writer, mitigation->terminating_ms);
    put_int(&writer, moment(mitigation->state_until_ms));
    put_int(&writer, moment(mitigation->recursed_until_ms));
    put_int(&writer, mitigation->hop_limit);
    put_scope(&writer, mitigation->scope);
    return finish(relay, &writer, TABLE_MITIGATION, key, mitigation_key(mitigation, key));
}

int record_install(struct relay *relay, const struct install *install)
{
    const struct requester_state *requester = install->cuid->requester;
    const struct mitigation *member = NULL; /* the only one, where nothing is merged */
    struct writer writer = begin(relay, 15);
    char key[24];

    if (install->bundle && !install->cuid->merges)
        member = install->bundle->demands->mitigation;
    if (!requester && member)
        requester = member->owner;
    put_text(&writer, install_target(relay, install)->name);
    put_text(&writer, install->cuid->public.cuid);
    put_int(&writer, install->mid);
    /* After a crash what was to be replaced goes. */
    put_int(&writer, install->superseded ? INSTALL_WITHDRAW : install->state);
    put_int(&writer, install->trigger);
    put_int(&writer, moment(install->state == INSTALL_WITHDRAW ? install->lasts_until_ms : install->granted_until_ms));
    put_int(&writer, install->hop_limit);
    put_int(&writer, install->id <= INT64_MAX ? (int64_t)install->id : 0);
    put_text(&writer, requester ? requester->public.client : "");
    put_text(&writer, requester ? requester->public.cdid : "");
    put_text(&writer, requester ? requester->public.cuid : "");
    put_text(&writer, requester ? requester->public.identity_hash : "");
    put_int(&writer, member ? (int64_t)member->mid : -1);
    put_int(&writer, install->status);
    if (install->scope)
        put_scope(&writer, install->scope);
    else
        advance(&writer, cbor_encode_bytestring_start(0, writer.at, writer.left));
    return finish(relay, &writer, TABLE_INSTALL, key, install_key(install, key));
}

int record_counter(struct relay *relay, const struct counter *counter)
{
    struct writer writer = begin(relay, 2);

    put_int(&writer, (int64_t)counter->reserved);
    put_int(&writer, counter->attempt);
    return finish(relay, &writer, TABLE_COUNTER, counter->key, strlen(counter->key));
}

int record_binding(struct relay *relay, const struct binding *binding)
{
    struct writer writer = begin(relay, 1);

    put_text(&writer, binding->identity);
    return finish(relay, &writer, TABLE_BINDING, binding->cuid, strlen(binding->cuid));
}

void record_forget_binding(struct relay *relay, const struct binding *binding)
{
    forget(relay, TABLE_BINDING, binding->cuid, strlen(binding->cuid));
}

void record_forget_mitigation(struct relay *relay, const struct mitigation *mitigation)
{
    char key[RELAY_KEY_MAX + 12];

    forget(relay, TABLE_MITIGATION, key, mitigation_key(mitigation, key));
}

void record_forget_install(struct relay *relay, const struct install *install)
{
    char key[24];

    forget(relay, TABLE_INSTALL, key, install_key(install, key));
}
