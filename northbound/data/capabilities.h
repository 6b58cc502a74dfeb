/* capabilities: the container of RFC 8783 section 7.1. Pure: jansson without I/O. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* The container of an answer, or NULL. json_decref. */
json_t *capabilities_read(const char *body, size_t length);

/* What both can do: values that both list, flags that both set, members that both have. json_decref. */
json_t *capabilities_common(const json_t *a, const json_t *b);
