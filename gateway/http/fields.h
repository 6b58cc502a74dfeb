/* fields: header fields, and other texts, in one growing block. Offsets stay valid, pointers do not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
    size_t name, value; /* offsets */
};

struct fields {
    char *text;
    size_t length, capacity;
    struct field *list;
    size_t count, list_capacity;
};

/* Copies a text, and a NUL behind it: its offset, or SIZE_MAX when out of memory. */
size_t fields_text(struct fields *fields, const char *text, size_t length);
/* Adds a field with its name in lower case. 0, or -1 when out of memory. */
int fields_add(struct fields *fields, const char *name, size_t name_length, const char *value, size_t value_length);
const char *fields_name(const struct fields *fields, size_t index);
const char *fields_value(const struct fields *fields, size_t index);
void fields_free(struct fields *fields);

/* RFC 9110 section 5.6.2, 5.5 */
bool field_is_token(const char *text, size_t length);
bool field_is_value(const char *text, size_t length);
/* Moves both ends over white space. */
void field_trim(const char **text, size_t *length);
