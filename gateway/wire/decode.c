/* The decode walk: from a source into the C structures, as the parameter table says. */
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "gateway/wire/arena.h"
#include "gateway/wire/error.h"
#include "gateway/wire/source.h"
#include "gateway/wire/text.h"

/* A list takes this much before its entries have come, whatever its claimed length. */
#define LIST_START_MAX 1024u
_Static_assert(LIST_START_MAX >= sizeof(struct wire_scope), "at least one entry");

struct walk {
    struct wire_source *source;
    enum wire_direction direction;
    struct wire_arena *arena;
    struct wire_message *message;
    struct wire_error *error;
};

/* The rows of which a map has had a member. */
struct seen {
    uint64_t bits[WIRE_ROWS_MAX / 64];
};

static bool has_seen(const struct seen *seen, const struct wire_row *row)
{
    size_t index = (size_t)(row - wire_rows);

    return (seen->bits[index / 64] >> (index % 64) & 1) != 0;
}

static void see(struct seen *seen, const struct wire_row *row)
{
    size_t index = (size_t)(row - wire_rows);

    seen->bits[index / 64] |= UINT64_C(1) << (index % 64);
}

static void *field_of(void *base, const struct wire_slot *slot)
{
    return (uint8_t *)base + slot->offset;
}

_Static_assert(sizeof(enum wire_status) == sizeof(uint32_t), "store_number keeps enumerations in 4 octets");

static void store_number(void *field, size_t size, uint64_t number)
{
    uint8_t narrow = (uint8_t)number;
    uint16_t middle = (uint16_t)number;
    uint32_t wide = (uint32_t)number;

    switch (size) {
    case sizeof(narrow):
        memcpy(field, &narrow, size);
        break;
    case sizeof(middle):
        memcpy(field, &middle, size);
        break;
    case sizeof(wide):
        memcpy(field, &wide, size);
        break;
    default:
        memcpy(field, &number, sizeof(number));
    }
}

static int take_number(struct walk *walk, const struct wire_row *row, const struct wire_scalar *value, void *field,
                       size_t size)
{
    uint64_t max = row->kind == WIRE_KIND_ENUM ? row->names->count : wire_kind_traits[row->kind].max;

    if (row->kind == WIRE_KIND_LIFETIME && value->negative && value->number == 0) {
        store_number(field, size, (uint64_t)WIRE_LIFETIME_INDEFINITE);
        return 0;
    }
    if (value->negative || value->number > max || (row->kind == WIRE_KIND_ENUM && value->number == 0))
        return wire_fail(walk->error, row->name,
                         row->kind == WIRE_KIND_LIFETIME ? ": must be a number of seconds below 2^32, or -1"
                                                         : ": is out of range");
    /* Section 4.4.1.1: a request cannot ask for a lifetime of 0; a status can report it. */
    if (row->kind == WIRE_KIND_LIFETIME && value->number == 0 && walk->direction == WIRE_TO_SERVER)
        return wire_fail(walk->error, row->name, ": must not be 0 in a request");
    store_number(field, size, value->number);
    return 0;
}

static bool is_valid_text(enum wire_kind kind, const struct wire_scalar *value)
{
    switch (kind) {
    case WIRE_KIND_DOMAIN:
        return wire_text_is_domain(value->text, value->length);
    case WIRE_KIND_URI:
        return wire_text_is_uri(value->text, value->length);
    case WIRE_KIND_ADDRESS:
        return wire_text_is_address(value->text, value->length);
    default:
        return true;
    }
}

static int take_text(struct walk *walk, const struct wire_row *row, const struct wire_scalar *value, void *field)
{
    int shown = value->length < 64 ? (int)value->length : 64;
    char *copy;

    if (value->length == 0)
        return wire_fail(walk->error, row->name, ": must not be empty");
    if (value->length > WIRE_STRING_MAX)
        return wire_fail(walk->error, row->name, ": longer than %u octets", WIRE_STRING_MAX);
    if (!wire_text_is_string(value->text, value->length))
        return wire_fail(walk->error, row->name, ": must be UTF-8 without control characters");
    if (row->kind == WIRE_KIND_PREFIX) {
        if (wire_text_prefix(value->text, value->length, false, field) == 0)
            return 0;
    } else if (is_valid_text(row->kind, value)) {
        copy = wire_arena_take(walk->arena, value->length + 1, 1);
        if (!copy)
            return wire_out_of_memory(walk->error);
        memcpy(copy, value->text, value->length);
        copy[value->length] = '\0';
        memcpy(field, &copy, sizeof(copy));
        return 0;
    }
    return wire_fail(walk->error, row->name, ": \"%.*s\" is not of type %s", shown, value->text,
                     wire_kind_traits[row->kind].yang);
}

static int take_map(struct walk *walk, const struct wire_row *self, enum wire_place place, void *base);

/* One value, or one entry of a list. */
static int take_value(struct walk *walk, const struct wire_row *row, const struct wire_slot *slot, void *field)
{
    struct wire_scalar value;

    if (row->kind == WIRE_KIND_MAP)
        return take_map(walk, row, slot->inner, field);
    if (walk->source->ops->scalar(walk->source, row, &value))
        return -1;
    if (row->kind >= WIRE_KIND_STRING)
        return take_text(walk, row, &value, field);
    if (row->kind != WIRE_KIND_BOOL)
        return take_number(walk, row, &value, field, slot->size);
    memcpy(field, &value.truth, sizeof(value.truth));
    return 0;
}

/* A structure whose defaults are not all zero. */
static void set_defaults(enum wire_place place, void *base)
{
    if (place == WIRE_IN_SCOPE)
        ((struct wire_scope *)base)->trigger = true;
}

/* Makes room for one entry more; *capacity entries are there. */
static int grow_list(struct walk *walk, const struct wire_slot *slot, uint8_t **entries, size_t *capacity, size_t start)
{
    size_t more = *capacity ? *capacity * 2 : start;
    void *grown = wire_arena_grow(walk->arena, *entries, *capacity * slot->size, more * slot->size, alignof(uint64_t));

    if (!grown)
        return wire_out_of_memory(walk->error);
    *entries = grown;
    *capacity = more;
    return 0;
}

/* Entries to begin with: as many as the list claims, in bounds; a few when it does not say. */
static size_t list_start(const struct wire_nest *nest, const struct wire_slot *slot)
{
    size_t most = LIST_START_MAX / slot->size, start = 4;

    if (!nest->indefinite)
        start = nest->left;
    return start < most ? start : most;
}

static int take_list(struct walk *walk, const struct wire_row *row, const struct wire_slot *slot, void *base)
{
    size_t limit = WIRE_LIST_MAX, count = 0, capacity = 0, start;
    struct wire_nest nest = {.left = 0};
    uint8_t *entries = NULL, *entry;
    int more, result;

    /* Section 4.4.1.1: a request asks for one mitigation. */
    if (slot->inner == WIRE_IN_SCOPE)
        limit = walk->direction == WIRE_TO_SERVER ? 1 : WIRE_SCOPES_MAX;
    if (walk->source->ops->open_list(walk->source, row, &nest))
        return -1;
    if (nest.left > limit)
        return wire_fail(walk->error, row->name, ": has %zu entries, %zu at most", nest.left, limit);
    start = list_start(&nest, slot);
    while ((more = walk->source->ops->next_entry(walk->source, row, &nest)) > 0) {
        if (count == limit)
            return wire_fail(walk->error, row->name, ": has more than %zu entries", limit);
        if (count == capacity) {
            result = grow_list(walk, slot, &entries, &capacity, start);
            if (result)
                return result;
        }
        entry = entries + count * slot->size;
        memset(entry, 0, slot->size);
        set_defaults(slot->inner, entry);
        result = take_value(walk, row, slot, entry);
        if (result)
            return result;
        count++;
    }
    if (more < 0)
        return -1;
    if (count == 0 && walk->direction == WIRE_TO_SERVER)
        return wire_fail(walk->error, row->name, ": must not be empty");
    memcpy(field_of(base, slot), &entries, sizeof(entries));
    memcpy((uint8_t *)base + slot->count, &count, sizeof(count));
    return 0;
}

static int take_member(struct walk *walk, const struct wire_row *row, const struct wire_slot *slot, void *base)
{
    void *field = field_of(base, slot);

    if (slot->presence == WIRE_BY_FLAG)
        *((bool *)base + slot->flag) = true;
    if (slot->presence == WIRE_BY_TYPE) {
        if (walk->message->type != 0)
            return wire_fail(walk->error, row->name, ": a message has one object only");
        walk->message->type = slot->flag;
    }
    if (row->list)
        return take_list(walk, row, slot, base);
    if (slot->pointer) {
        void *pointed = wire_arena_take(walk->arena, slot->size, alignof(uint64_t));

        if (!pointed)
            return wire_out_of_memory(walk->error);
        memset(pointed, 0, slot->size);
        memcpy(field, &pointed, sizeof(pointed));
        field = pointed;
    }
    return take_value(walk, row, slot, field);
}

/* May row stand here, now? */
static int admit(struct walk *walk, const struct wire_row *self, enum wire_place place, const struct wire_row *row,
                 struct seen *seen)
{
    const struct wire_slot *slot = wire_slot_in(row, place);

    if (row->slot[0].place == WIRE_NOWHERE)
        return wire_fail(walk->error, row->name, ": must not be in a message body");
    if (!slot)
        return wire_fail(walk->error, row->name, ": is not allowed in %s", self ? self->name : "the " WIRE_BODY);
    if (!(slot->from & (1u << walk->direction)))
        return wire_fail(walk->error, row->name, ": is only sent by a %s",
                         walk->direction == WIRE_TO_SERVER ? "server" : "client");
    if (has_seen(seen, row))
        return wire_fail(walk->error, row->name, ": appears more than once");
    see(seen, row);
    return 0;
}

/* What must be in the map is, and its members fit together. */
static int check_map(struct walk *walk, const struct wire_row *self, enum wire_place place, void *base,
                     const struct seen *seen, bool empty)
{
    const struct wire_members *members = wire_members_of(place);

    for (size_t i = 0; i < members->count; i++) {
        const struct wire_row *row = members->at[i].row;

        if (members->at[i].slot->presence == WIRE_ALWAYS && !has_seen(seen, row))
            return wire_fail(walk->error, row->name, ": is missing");
        if (members->at[i].slot->presence == WIRE_BY_UPPER) {
            struct wire_port_range *range = base;

            if (!has_seen(seen, row))
                range->upper = range->lower;
            else if (range->upper < range->lower)
                return wire_fail(walk->error, row->name, ": must not be below lower-port");
        }
    }
    if (place == WIRE_IN_BODY && walk->message->type == 0)
        return wire_fail(walk->error, WIRE_BODY, ": has no object of the DOTS signal channel");
    /* Section 4.4.1.1: no empty values in requests; section 4.5.2: at least one attribute. */
    if (empty && walk->direction == WIRE_TO_SERVER)
        return wire_fail(walk->error, self ? self->name : WIRE_BODY, ": must not be empty");
    return 0;
}

static int take_map(struct walk *walk, const struct wire_row *self, enum wire_place place, void *base)
{
    const struct wire_row *row;
    struct wire_nest nest;
    struct seen seen = {{0}};
    bool empty = true;
    int more, result;

    if (walk->source->ops->open_map(walk->source, self, &nest))
        return -1;
    while ((more = walk->source->ops->next_member(walk->source, &nest, &row)) > 0) {
        result = admit(walk, self, place, row, &seen);
        if (result == 0)
            result = take_member(walk, row, wire_slot_in(row, place), base);
        if (result)
            return result;
        empty = false;
    }
    if (more < 0)
        return -1;
    return check_map(walk, self, place, base, &seen, empty);
}

/* One block holds a typical message whole: the strings, and about as much again for the lists of them. */
static int begin(struct walk *walk, size_t length)
{
    size_t room = sizeof(struct wire_message) + sizeof(struct wire_scope) + 256 + 4 * (length < 1024 ? length : 1024);

    walk->arena = wire_arena_new(room);
    if (walk->arena)
        walk->message = wire_arena_take(walk->arena, sizeof(*walk->message), alignof(struct wire_message));
    if (!walk->message) {
        wire_arena_free(walk->arena);
        return wire_out_of_memory(walk->error);
    }
    *walk->message = (struct wire_message){.arena = walk->arena};
    return 0;
}

int wire_decode_cbor(const uint8_t *data, size_t length, enum wire_direction direction, struct wire_message **out,
                     struct wire_error *error)
{
    struct wire_cbor_source source;
    struct walk walk = {.source = &source.base, .direction = direction, .error = error};
    int result;

    *out = NULL;
    if (length > WIRE_BODY_MAX)
        return wire_fail(error, WIRE_BODY, ": longer than %u octets", WIRE_BODY_MAX);
    result = wire_cbor_source_begin(&source, data, length, error);
    if (result == 0)
        result = begin(&walk, length);
    if (result)
        return result;
    result = take_map(&walk, NULL, WIRE_IN_BODY, walk.message);
    if (result == 0)
        result = wire_cbor_source_end(&source);
    if (result)
        wire_arena_free(walk.arena);
    else
        *out = walk.message;
    return result;
}

int wire_decode_json(const char *text, size_t length, enum wire_direction direction, struct wire_message **out,
                     struct wire_error *error)
{
    struct wire_json_source source;
    struct walk walk = {.source = &source.base, .direction = direction, .error = error};
    int result;

    *out = NULL;
    if (length > WIRE_JSON_MAX)
        return wire_fail(error, WIRE_BODY, ": longer than %u octets", WIRE_JSON_MAX);
    result = wire_json_source_begin(&source, text, length, error);
    if (result)
        return result;
    result = begin(&walk, length);
    if (result == 0) {
        result = take_map(&walk, NULL, WIRE_IN_BODY, walk.message);
        if (result)
            wire_arena_free(walk.arena);
        else
            *out = walk.message;
    }
    wire_json_source_end(&source);
    return result;
}

void wire_free(struct wire_message *message)
{
    if (message)
        wire_arena_free(message->arena); /* the message lies in it */
}
