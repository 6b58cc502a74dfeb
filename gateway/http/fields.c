/* fields: see fields.h. */
#include "gateway/http/fields.h"

#include <stdlib.h>
#include <string.h>

size_t fields_text(struct fields *fields, const char *text, size_t length)
{
    if (length >= SIZE_MAX / 4)
        return SIZE_MAX;
    if (fields->capacity - fields->length <= length) {
        size_t capacity = fields->capacity > 0 ? fields->capacity : 512;
        while (capacity - fields->length <= length)
            capacity *= 2;
        char *grown = realloc(fields->text, capacity);
        if (grown == NULL)
            return SIZE_MAX;
        fields->text = grown;
        fields->capacity = capacity;
    }
    size_t at = fields->length;
    if (length > 0)
        memcpy(fields->text + at, text, length);
    fields->text[at + length] = '\0';
    fields->length = at + length + 1;
    return at;
}

int fields_add(struct fields *fields, const char *name, size_t name_length, const char *value, size_t value_length)
{
    if (fields->count == fields->list_capacity) {
        size_t capacity = fields->list_capacity > 0 ? fields->list_capacity * 2 : 16;
        struct field *grown = realloc(fields->list, capacity * sizeof *grown);
        if (grown == NULL)
            return -1;
        fields->list = grown;
        fields->list_capacity = capacity;
    }
    struct field field = {.name = fields_text(fields, name, name_length)};
    field.value = fields_text(fields, value, value_length);
    if (field.name == SIZE_MAX || field.value == SIZE_MAX)
        return -1;
    for (char *c = fields->text + field.name; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    fields->list[fields->count++] = field;
    return 0;
}

const char *fields_name(const struct fields *fields, size_t index)
{
    return fields->text + fields->list[index].name;
}

const char *fields_value(const struct fields *fields, size_t index)
{
    return fields->text + fields->list[index].value;
}

void fields_free(struct fields *fields)
{
    free(fields->text);
    free(fields->list);
    *fields = (struct fields){0};
}

bool field_is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return length > 0;
}

bool field_is_value(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

void field_trim(const char **text, size_t *length)
{
    while (*length > 0 && (**text == ' ' || **text == '\t')) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
        (*length)--;
}
