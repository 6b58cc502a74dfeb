/* table: lists of objects as columns. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"

#define COLUMNS_MAX 16
#define CELL_MAX 160
#define ENTRY_MAX 64

/* Control characters, also those of 8 bits (U+0080 to U+009F), become dots. */
static void clean(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f) {
            *at = '.';
        } else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) {
            *at++ = '.';
            *at = '.';
        }
    }
}

void text_print(FILE *file, const char *text)
{
    char *copy = strdup(text ? text : "-");

    if (!copy)
        return;
    clean(copy);
    fputs(copy, file);
    free(copy);
}

/* An entry of a list. */
static const char *entry_text(const json_t *entry, char buffer[ENTRY_MAX])
{
    json_int_t lower = json_integer_value(json_object_get(entry, "lower-port"));
    const json_t *upper = json_object_get(entry, "upper-port");

    if (json_is_string(entry))
        return json_string_value(entry);
    if (json_is_integer(entry))
        snprintf(buffer, ENTRY_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(entry));
    else if (json_is_object(entry) && upper && json_integer_value(upper) != lower)
        snprintf(buffer, ENTRY_MAX, "%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT, lower, json_integer_value(upper));
    else if (json_is_object(entry))
        snprintf(buffer, ENTRY_MAX, "%" JSON_INTEGER_FORMAT, lower);
    else
        return "?";
    return buffer;
}

static void cell_list(const json_t *list, char text[CELL_MAX])
{
    char buffer[ENTRY_MAX];
    size_t index, used = 0;
    const json_t *entry;

    text[0] = '\0';
    json_array_foreach(list, index, entry)
    {
        const char *part = entry_text(entry, buffer);

        if (used + strlen(part) + 16 >= CELL_MAX) {
            snprintf(text + used, CELL_MAX - used, " +%zu", json_array_size(list) - index);
            return;
        }
        used += (size_t)snprintf(text + used, CELL_MAX - used, "%s%s", used ? "," : "", part);
    }
}

static void cell(const json_t *value, char text[CELL_MAX])
{
    if (json_is_string(value))
        snprintf(text, CELL_MAX, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, CELL_MAX, "%.1f", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, CELL_MAX, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_array(value))
        cell_list(value, text);
    else
        snprintf(text, CELL_MAX, "-");
    if (!text[0])
        snprintf(text, CELL_MAX, "-");
    clean(text);
}

/* The value of "A", or a list of what is in the lists of "A+B"; to be decref'd. NULL: there is none. */
static json_t *value_of(const json_t *object, const char *member)
{
    json_t *list, *part;
    char name[ENTRY_MAX];

    member += *member == '?';
    if (!strchr(member, '+'))
        return json_incref(json_object_get(object, member));
    list = json_array();
    while (*member) {
        size_t length = strcspn(member, "+");

        snprintf(name, sizeof(name), "%.*s", (int)length, member);
        part = json_object_get(object, name);
        if (part)
            json_array_extend(list, part);
        member += length + (member[length] == '+');
    }
    return list;
}

static void column_cell(const json_t *object, const struct column *column, char text[CELL_MAX])
{
    json_t *value = value_of(object, column->member);

    cell(value, text);
    json_decref(value);
}

void table_entries(const json_t *object, const char *member)
{
    json_t *list = value_of(object, member), *entry;
    char buffer[ENTRY_MAX];
    size_t index;

    json_array_foreach(list, index, entry)
    {
        putchar(' ');
        text_print(stdout, entry_text(entry, buffer));
    }
    json_decref(list);
}

/* Those that are shown. */
static size_t columns_choose(const json_t *list, const struct column *columns, struct column chosen[COLUMNS_MAX])
{
    char text[CELL_MAX];
    const json_t *object;
    size_t count = 0, index;

    for (; columns->title && count < COLUMNS_MAX; columns++) {
        bool shown = columns->member[0] != '?';

        json_array_foreach(list, index, object)
        {
            if (shown)
                break;
            column_cell(object, columns, text);
            shown = strcmp(text, "-") != 0;
        }
        if (shown)
            chosen[count++] = *columns;
    }
    return count;
}

static void widen(size_t *width, const char *text)
{
    if (strlen(text) > *width)
        *width = strlen(text);
}

static void print_row(const json_t *object, const struct column *columns, size_t count, const size_t *widths)
{
    char text[CELL_MAX];

    for (size_t i = 0; i < count; i++) {
        if (object)
            column_cell(object, &columns[i], text);
        else
            snprintf(text, sizeof(text), "%s", columns[i].title);
        if (i + 1 == count && !columns[i].right)
            printf("%s", text);
        else
            printf(columns[i].right ? "%*s%s" : "%-*s%s", (int)widths[i], text, i + 1 < count ? "  " : "");
    }
    putchar('\n');
}

void table_print(const json_t *list, const struct column *columns)
{
    struct column chosen[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX] = {0}, count = columns_choose(list, columns, chosen), index;
    const json_t *object;
    char text[CELL_MAX];

    for (size_t i = 0; i < count; i++)
        widen(&widths[i], chosen[i].title);
    json_array_foreach(list, index, object)
    {
        for (size_t i = 0; i < count; i++) {
            column_cell(object, &chosen[i], text);
            widen(&widths[i], text);
        }
    }
    print_row(NULL, chosen, count, widths);
    json_array_foreach(list, index, object)
    {
        print_row(object, chosen, count, widths);
    }
}

void table_object(const json_t *object)
{
    char text[CELL_MAX];
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        if (json_is_object(value) || (json_is_array(value) && json_is_object(json_array_get(value, 0)))) {
            char *nested = json_dumps(value, JSON_COMPACT);

            printf("%-24s ", name);
            text_print(stdout, nested);
            putchar('\n');
            free(nested);
            continue;
        }
        cell(value, text);
        printf("%-24s %s\n", name, text);
    }
}
