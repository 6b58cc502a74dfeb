/* The encode walk: from the C structures into a sink, as the parameter table says. Rows have ascending
 * keys, so the members of a map have. */
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"
#include "gateway/wire/sink.h"

static const void *field_of(const void *base, const struct wire_slot *slot)
{
    return (const uint8_t *)base + slot->offset;
}

static uint64_t load_number(const void *field, size_t size)
{
    uint8_t narrow;
    uint16_t middle;
    uint32_t wide;
    uint64_t number;

    switch (size) {
    case sizeof(narrow):
        memcpy(&narrow, field, size);
        return narrow;
    case sizeof(middle):
        memcpy(&middle, field, size);
        return middle;
    case sizeof(wide):
        memcpy(&wide, field, size);
        return wide;
    default:
        memcpy(&number, field, sizeof(number));
        return number;
    }
}

static const void *load_pointer(const void *field)
{
    const void *pointer;

    memcpy(&pointer, field, sizeof(pointer));
    return pointer;
}

static size_t load_count(const void *base, const struct wire_slot *slot)
{
    size_t count;

    memcpy(&count, (const uint8_t *)base + slot->count, sizeof(count));
    return count;
}

static bool has_members(enum wire_place place, const void *base);

static bool has_value(const struct wire_row *row, const struct wire_slot *slot, const void *base)
{
    if (row->list)
        return load_count(base, slot) > 0;
    if (slot->pointer || row->kind >= WIRE_KIND_STRING)
        return load_pointer(field_of(base, slot)) != NULL;
    return load_number(field_of(base, slot), slot->size) != 0;
}

static bool is_present(const struct wire_row *row, const struct wire_slot *slot, const void *base)
{
    switch (slot->presence) {
    case WIRE_BY_FLAG:
        return *((const bool *)base + slot->flag);
    case WIRE_BY_TYPE:
        return ((const struct wire_message *)base)->type == slot->flag;
    case WIRE_BY_MEMBER:
        return has_members(slot->inner, field_of(base, slot));
    case WIRE_BY_UPPER:
        return ((const struct wire_port_range *)base)->upper != ((const struct wire_port_range *)base)->lower;
    case WIRE_ALWAYS:
        return true;
    default:
        return has_value(row, slot, base);
    }
}

static size_t count_members(enum wire_place place, const void *base)
{
    const struct wire_members *members = wire_members_of(place);
    size_t count = 0;

    for (size_t i = 0; i < members->count; i++)
        count += is_present(members->at[i].row, members->at[i].slot, base);
    return count;
}

static bool has_members(enum wire_place place, const void *base)
{
    return count_members(place, base) > 0;
}

static int put_map(struct wire_sink *sink, enum wire_place place, const void *base);

static int put_number(struct wire_sink *sink, const struct wire_row *row, const void *field, size_t size)
{
    struct wire_scalar value = {.number = load_number(field, size)};
    bool enumeration = row->kind == WIRE_KIND_ENUM;
    uint64_t max = enumeration ? row->names->count : wire_kind_traits[row->kind].max;

    if (row->kind == WIRE_KIND_LIFETIME && value.number == (uint64_t)WIRE_LIFETIME_INDEFINITE)
        value = (struct wire_scalar){.negative = true};
    else if (value.number > max || (enumeration && value.number == 0))
        return -1;
    return sink->ops->scalar(sink, row, &value);
}

static int put_prefix(struct wire_sink *sink, const struct wire_row *row, const struct wire_prefix *prefix)
{
    char text[WIRE_PREFIX_TEXT];
    struct wire_scalar value = {.text = wire_prefix_format(prefix, text)};

    value.length = strlen(text);
    return sink->ops->scalar(sink, row, &value);
}

/* One value, or one entry of a list. */
static int put_value(struct wire_sink *sink, const struct wire_row *row, const struct wire_slot *slot,
                     const void *field)
{
    struct wire_scalar value = {.text = NULL};

    if (row->kind == WIRE_KIND_MAP)
        return put_map(sink, slot->inner, field);
    if (row->kind == WIRE_KIND_PREFIX)
        return put_prefix(sink, row, field);
    if (row->kind == WIRE_KIND_BOOL) {
        value.truth = *(const bool *)field;
        return sink->ops->scalar(sink, row, &value);
    }
    if (row->kind < WIRE_KIND_STRING)
        return put_number(sink, row, field, slot->size);
    value.text = load_pointer(field);
    if (!value.text)
        return -1;
    value.length = strlen(value.text);
    return sink->ops->scalar(sink, row, &value);
}

static int put_list(struct wire_sink *sink, const struct wire_row *row, const struct wire_slot *slot, const void *base)
{
    const uint8_t *entries = load_pointer(field_of(base, slot));
    size_t count = load_count(base, slot);

    if (sink->ops->open_list(sink, count))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (put_value(sink, row, slot, entries + i * slot->size))
            return -1;
    }
    return sink->ops->close(sink);
}

static int put_member(struct wire_sink *sink, const struct wire_row *row, const struct wire_slot *slot,
                      const void *base)
{
    const void *field = field_of(base, slot);

    if (sink->ops->member(sink, row))
        return -1;
    if (row->list)
        return put_list(sink, row, slot, base);
    return put_value(sink, row, slot, slot->pointer ? load_pointer(field) : field);
}

static int put_map(struct wire_sink *sink, enum wire_place place, const void *base)
{
    const struct wire_members *members = wire_members_of(place);

    if (sink->ops->open_map(sink, count_members(place, base)))
        return -1;
    for (size_t i = 0; i < members->count; i++) {
        const struct wire_slot *slot = members->at[i].slot;

        if (is_present(members->at[i].row, slot, base) && put_member(sink, members->at[i].row, slot, base))
            return -1;
    }
    return sink->ops->close(sink);
}

static int put_message(struct wire_sink *sink, const struct wire_message *message)
{
    if (!has_members(WIRE_IN_BODY, message))
        return -1; /* no type, or none that there is */
    return put_map(sink, WIRE_IN_BODY, message);
}

size_t wire_encode_cbor(const struct wire_message *message, uint8_t *buffer, size_t size)
{
    struct wire_cbor_sink sink;

    wire_cbor_sink_begin(&sink, buffer, size);
    return put_message(&sink.base, message) ? 0 : sink.at;
}

char *wire_encode_json(const struct wire_message *message)
{
    struct wire_json_sink sink;
    char *text = NULL;

    wire_json_memory_watch();
    wire_json_sink_begin(&sink);
    if (put_message(&sink.base, message) == 0)
        text = json_dumps(wire_json_sink_end(&sink), JSON_INDENT(2));
    json_decref(wire_json_sink_end(&sink));
    if (wire_json_memory_failed()) {
        free(text);
        text = NULL;
    }
    return text;
}
