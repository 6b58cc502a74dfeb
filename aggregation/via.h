/*
 * via: the Via header field, by which a loop of DOTS gateways is found (RFC 8783 section 3.4, RFC 7230
 * section 5.7.1).
 *
 * Words: an *element* is one hop's "1.1 gw1.example.com:443 (comment)"; its *received-by* is the host with an
 * optional port, or a pseudonym. Southbound looks for the gateway's own name in what it received, northbound
 * appends it to what it sends. Text comes from the network: anything is scanned, nothing is trusted to be
 * well-formed. Pure: no I/O, no clock, no global state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define VIA_MAX 2048u /* bytes of the whole field; a longer one is as good as a loop */

/* Is name the received-by of an element, with or without a port? Letters compare without case. Several
 * fields of one message are joined with ", " by the caller. NULL and "" have none. */
bool via_has(const char *via, const char *name);

/* via with ", VERSION NAME" at its end, or just "VERSION NAME" when via is NULL or empty. What in the name
 * may not stand in a token is written as '-', as via_has reads it. 0, or -1 when it does not fit in size. */
int via_append(const char *via, const char *version, const char *name, char *buffer, size_t size);
