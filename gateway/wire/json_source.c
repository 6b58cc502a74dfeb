/* A source of JSON text (RFC 7951), parsed by jansson. Members that are not known are refused: JSON
 * names carry no range that would make one comprehension-optional. */
#include <inttypes.h>
#include <string.h>

#include "gateway/wire/error.h"
#include "gateway/wire/json_memory.h"
#include "gateway/wire/source.h"

static const char *name_of(const struct wire_row *row)
{
    return row ? row->name : WIRE_BODY;
}

static struct wire_json_source *json(struct wire_source *source)
{
    return (struct wire_json_source *)source;
}

static int open_map(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest)
{
    if (!json_is_object(json(source)->value))
        return wire_fail(source->error, name_of(row), ": must be an object");
    nest->json = json(source)->value;
    nest->iterator = json_object_iter(nest->json);
    nest->left = json_object_size(nest->json);
    return 0;
}

static int open_list(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest)
{
    if (!json_is_array(json(source)->value))
        return wire_fail(source->error, name_of(row), ": must be an array");
    nest->json = json(source)->value;
    nest->left = json_array_size(nest->json);
    return 0;
}

static int next_member(struct wire_source *source, struct wire_nest *nest, const struct wire_row **member)
{
    const char *name;

    if (!nest->iterator)
        return 0;
    name = json_object_iter_key(nest->iterator);
    *member = wire_row_by_name(name);
    if (!*member)
        return wire_fail(source->error, *name ? name : "\"\"", " is not a known parameter");
    json(source)->value = json_object_iter_value(nest->iterator);
    nest->iterator = json_object_iter_next(nest->json, nest->iterator);
    return 1;
}

static int next_entry(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest)
{
    (void)row;
    if (nest->left == 0)
        return 0;
    json(source)->value = json_array_get(nest->json, json_array_size(nest->json) - nest->left);
    nest->left--;
    return 1;
}

/* At most 20 digits of an unsigned number, no sign, no leading zeros; 0, or -1. */
static int parse_digits(const char *text, size_t length, uint64_t *number)
{
    *number = 0;
    if (length == 0 || length > 20 || (length > 1 && text[0] == '0'))
        return -1;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)text[i] - '0';

        if (text[i] < '0' || text[i] > '9' || *number > (UINT64_MAX - digit) / 10)
            return -1;
        *number = *number * 10 + digit;
    }
    return 0;
}

/* Table 5 has 64-bit numbers and retry-timer as strings; a number is understood, too. */
static int read_integer(struct wire_source *source, const struct wire_row *row, const json_t *value,
                        struct wire_scalar *out)
{
    bool string = row->kind == WIRE_KIND_TIMER || row->kind == WIRE_KIND_UINT64;

    if (string && json_is_string(value)) {
        if (parse_digits(json_string_value(value), json_string_length(value), &out->number))
            return wire_fail(source->error, row->name, ": must be a decimal number");
        out->negative = false;
        return 0;
    }
    if (!json_is_integer(value))
        return wire_fail(source->error, row->name, ": must be an integer");
    out->negative = json_integer_value(value) < 0;
    out->number = (uint64_t)json_integer_value(value);
    if (out->negative)
        out->number = ~out->number; /* -1 - n */
    return 0;
}

/* "2", "2.0", "2.00": hundredths. */
static int read_decimal(struct wire_source *source, const struct wire_row *row, const json_t *value,
                        struct wire_scalar *out)
{
    const char *text = json_string_value(value), *point;
    uint64_t whole, hundredths = 0;
    size_t fraction;

    if (!text)
        return wire_fail(source->error, row->name, ": must be a string such as \"2.00\"");
    point = strchr(text, '.');
    fraction = point ? strlen(point + 1) : 0;
    if (parse_digits(text, point ? (size_t)(point - text) : strlen(text), &whole) || whole > UINT32_MAX ||
        (point && (fraction < 1 || fraction > 2)))
        return wire_fail(source->error, row->name, ": must be a number with at most two decimals");
    for (size_t i = 0; i < 2; i++) {
        char digit = '0';

        if (i < fraction)
            digit = point[1 + i];
        if (digit < '0' || digit > '9')
            return wire_fail(source->error, row->name, ": must be a number with at most two decimals");
        hundredths = hundredths * 10 + (uint64_t)(digit - '0');
    }
    out->negative = false;
    out->number = whole * 100 + hundredths;
    return 0;
}

static int read_enum(struct wire_source *source, const struct wire_row *row, const json_t *value,
                     struct wire_scalar *out)
{
    const char *text = json_string_value(value);

    for (size_t i = 0; text && i < row->names->count; i++) {
        if (strcmp(row->names->at[i], text) == 0) {
            out->negative = false;
            out->number = i + 1;
            return 0;
        }
    }
    return wire_fail(source->error, row->name, ": must be a name such as \"%s\"", row->names->at[0]);
}

static int scalar(struct wire_source *source, const struct wire_row *row, struct wire_scalar *out)
{
    const json_t *value = json(source)->value;

    if (row->kind >= WIRE_KIND_STRING) {
        if (!json_is_string(value))
            return wire_fail(source->error, row->name, ": must be a string");
        out->text = json_string_value(value);
        out->length = json_string_length(value);
        return 0;
    }
    if (row->kind == WIRE_KIND_DECIMAL)
        return read_decimal(source, row, value, out);
    if (row->kind == WIRE_KIND_ENUM)
        return read_enum(source, row, value, out);
    if (row->kind != WIRE_KIND_BOOL)
        return read_integer(source, row, value, out);
    if (!json_is_boolean(value))
        return wire_fail(source->error, row->name, ": must be true or false");
    out->truth = json_is_true(value);
    return 0;
}

static const struct wire_source_ops ops = {
    .open_map = open_map,
    .open_list = open_list,
    .next_member = next_member,
    .next_entry = next_entry,
    .scalar = scalar,
};

/* Brackets are counted before jansson recurses into them. */
static bool too_deep(const char *text, size_t length)
{
    bool quoted = false;
    size_t depth = 0;

    for (size_t i = 0; i < length; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > WIRE_DEPTH_MAX)
                return true;
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* position: where jansson stopped, behind the closing quote of the name; its own text has short names only. */
static int fail_duplicate(struct wire_error *error, const char *text, size_t position)
{
    char name[sizeof(error->parameter)] = WIRE_BODY;
    size_t end = position > 0 ? position - 1 : 0, start = end;

    while (start > 0 && text[start - 1] != '"')
        start--;
    if (start < end && end - start < sizeof(name)) {
        memcpy(name, text + start, end - start);
        name[end - start] = '\0';
    }
    return wire_fail(error, name, ": appears more than once");
}

int wire_json_source_begin(struct wire_json_source *source, const char *text, size_t length, struct wire_error *error)
{
    json_error_t fault;

    if (too_deep(text, length))
        return wire_fail(error, WIRE_BODY, ": nested more than %u deep", WIRE_DEPTH_MAX);
    wire_json_memory_watch();
    source->base = (struct wire_source){.ops = &ops, .error = error};
    source->root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &fault);
    source->value = source->root;
    if (wire_json_memory_failed()) {
        json_decref(source->root);
        return wire_out_of_memory(error);
    }
    if (source->root)
        return 0;
    if (json_error_code(&fault) == json_error_duplicate_key)
        return fail_duplicate(error, text, (size_t)fault.position);
    return wire_fail(error, WIRE_BODY, ": line %d, column %d: %s", fault.line, fault.column, fault.text);
}

void wire_json_source_end(struct wire_json_source *source)
{
    json_decref(source->root);
}
