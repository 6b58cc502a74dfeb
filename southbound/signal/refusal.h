/*
 * refusal: which refused requests reach the log, so that one client cannot fill it.
 *
 * The same code to the same client is one line in ten seconds; the next line says how many were left
 * out. The table is of fixed size; two clients in one place only make a line more. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SOUTH_REFUSAL_SLOTS 1024
#define SOUTH_REFUSAL_MS 10000

struct south_refusals {
    struct south_refusal {
        const void *client; /* or the session of one that is unknown */
        uint16_t code;      /* of CoAP, or of HTTP */
        int64_t logged_ms;
        uint32_t left_out;
    } slots[SOUTH_REFUSAL_SLOTS];
};

/* True: write a line now, and say that *left_out were not written before it. */
bool south_refusal_note(struct south_refusals *refusals, const void *client, uint16_t code, int64_t now,
                        uint32_t *left_out);
