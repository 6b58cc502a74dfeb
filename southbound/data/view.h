/*
 * view: what a GET shows of a resource: 'depth', 'fields' and 'content' (RFC 8040 section 4.8). Pure.
 */
#pragma once

#include <jansson.h>

#include "southbound/data/path.h"

/* Keys of lists are always shown: without them an entry is no entry. */
const char *data_view_key(const char *list);

/* Cuts value down in place to what is wanted below a field (0: the target) and within so many levels (0: unbounded; 1:
 * no children). list: the name of the list that value is an entry of; NULL: of none. */
void data_view(json_t *value, const char *list, const struct data_query *query, unsigned field, unsigned depth);

/* The field of this name below another: 0 none is wanted. Without 'fields', and below one without children, all is
 * wanted: *all. */
unsigned data_view_field(const struct data_query *query, unsigned parent, const char *name, bool *all);

/* Whether anything is cut at all. */
bool data_view_whole(const struct data_query *query);
