/*
 * overlap_names: the places of FQDNs, URIs and aliases. Private to overlap.
 *
 * A balanced tree, not a hash table: names come from clients, who could choose them to collide.
 */
#pragma once

#include "aggregation/overlap_place.h"

enum overlap_name_kind { OVERLAP_FQDN, OVERLAP_URI, OVERLAP_ALIAS };

/* The place of a name, made when there is none; NULL: out of memory, nothing changed. root: NULL at first. */
struct overlap_place *overlap_names_place(void **root, enum overlap_name_kind kind, const char *text);

/* Removes the name of a place that has no attachments any more. */
void overlap_names_prune(void **root, struct overlap_place *place);

int overlap_names_visit(void **root, enum overlap_name_kind kind, const char *text, struct overlap_visit *visit);

void overlap_names_free(void *root);
