/*
 * body: a response made of many entries, piece by piece while it is sent: a client that downloads all its ACLs takes
 * neither much memory nor a long turn of the loop. Entries are held as they were when it began.
 */
#pragma once

#include <jansson.h>

#include "gateway/http/http.h"
#include "southbound/data/path.h"

struct data_body;

/* now: for pending-lifetime. query is copied. NULL: out of memory. */
struct data_body *data_body_new(const struct data_query *query, int64_t now);
void data_body_free(struct data_body *body);

/* Each appends; -1: out of memory. */
int data_body_text(struct data_body *body, const char *text);
/* All entries of a client and kind, with commas between. field: of the query, for an entry; all: no field cuts it;
 * depth: levels that are left for an entry, 0 unbounded. */
int data_body_entries(struct data_body *body, const struct catalog_client *client, enum catalog_kind kind,
                      unsigned field, bool all, unsigned depth);
int data_body_entry(struct data_body *body, struct catalog_entry *entry, unsigned field, bool all, unsigned depth);

/* Gives it away: read and release of the source do the rest. */
struct http_source data_body_source(struct data_body *body);

/* One entry as a GET shows it, before 'fields' and 'depth'; a new reference. */
json_t *data_entry_json(const struct catalog_entry *entry, enum data_content content, int64_t now);
