/* table: lists of objects as columns. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"

#define COLUMNS_MAX 12
#define CELL_MAX 160

/* What a terminal would obey instead of show becomes a dot. */
static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '.';
}

static void cell_list(const json_t *list, char text[CELL_MAX])
{
    size_t index, used = 0;
    const json_t *entry;

    text[0] = '\0';
    json_array_foreach(list, index, entry)
    {
        const char *part = json_string_value(entry);
        size_t length = part ? strlen(part) : 0;

        if (used + length + 16 >= CELL_MAX) {
            snprintf(text + used, CELL_MAX - used, " +%zu", json_array_size(list) - index);
            return;
        }
        used += (size_t)snprintf(text + used, CELL_MAX - used, "%s%s", used ? "," : "", part ? part : "?");
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

static size_t columns_count(const struct column *columns)
{
    size_t count = 0;

    while (columns[count].title && count < COLUMNS_MAX)
        count++;
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
            cell(json_object_get(object, columns[i].member), text);
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
    size_t widths[COLUMNS_MAX] = {0}, count = columns_count(columns), index;
    const json_t *object;
    char text[CELL_MAX];

    for (size_t i = 0; i < count; i++)
        widen(&widths[i], columns[i].title);
    json_array_foreach(list, index, object)
    {
        for (size_t i = 0; i < count; i++) {
            cell(json_object_get(object, columns[i].member), text);
            widen(&widths[i], text);
        }
    }
    print_row(NULL, columns, count, widths);
    json_array_foreach(list, index, object)
    {
        print_row(object, columns, count, widths);
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

            printf("%-24s %s\n", name, nested ? nested : "?");
            free(nested);
            continue;
        }
        cell(value, text);
        printf("%-24s %s\n", name, text);
    }
}
