/*
 * text: the syntax of the texts that parameters carry (RFC 6991 types, RFC 7950 string, RFC 3986).
 * Texts are octets with a length, not terminated. Nothing is resolved and nothing is authorized here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/wire.h"

/* UTF-8 of the characters that a YANG string may have (RFC 7950 section 9.4): no NUL and no other C0
 * control than tab, CR, LF; no surrogates, no noncharacters; shortest form. */
bool wire_text_is_string(const char *text, size_t length);

bool wire_text_is_domain(const char *text, size_t length);  /* inet:domain-name */
bool wire_text_is_uri(const char *text, size_t length);     /* inet:uri: an absolute URI, maybe with fragment */
bool wire_text_is_address(const char *text, size_t length); /* inet:ip-address without a zone */

/* As wire_prefix_parse, for a text that is not terminated. */
int wire_text_prefix(const char *text, size_t length, bool bare, struct wire_prefix *out);
