/*
 * resolve: names of servers to addresses, off the loop (getaddrinfo on libuv's thread pool), with a
 * small cache. An answer is fresh for RESOLVE_FRESH_MS; when a later look-up fails, the last good answer
 * stays in use: the name server may be under the same attack (RFC 9132 section 4.6).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#define RESOLVE_FRESH_MS 60000u
#define RESOLVE_RETRY_MS 5000u /* a name that failed is not asked for again sooner */
#define RESOLVE_ADDRESSES_MAX 16u
#define RESOLVE_NAMES_MAX 64u

struct resolver;

struct resolved {
    struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX]; /* port 0; in getaddrinfo's order (RFC 6724) */
    size_t count;
    char error[128]; /* why there is none, or why it is an old one; "" */
};

/* Kept by the caller until called or cancelled. */
struct resolve_waiter {
    void (*done)(void *arg); /* ask resolver_get again */
    void *arg;
    struct resolve_waiter *prev, *next;
    void *name; /* NULL: not waiting */
    bool ready;
};

struct resolver *resolver_new(uv_loop_t *loop);
/* Waiters are no longer called. on_closed (may be NULL) when the last look-up has come back. */
void resolver_close(struct resolver *resolver, void (*on_closed)(void *arg), void *arg);

/* What is known of a name, numeric ones included; NULL when nothing is yet, then ask. *fresh: no need to ask.
 * Valid until the loop runs again. */
const struct resolved *resolver_get(struct resolver *resolver, const char *host, bool *fresh);
/* Starts a look-up, or joins the one under way. 0; -1: it could not be started. */
int resolver_ask(struct resolver *resolver, const char *host, struct resolve_waiter *waiter);
void resolver_cancel(struct resolve_waiter *waiter); /* fine when it does not wait */

/* The numeric address in text, with port 0. 0, or -1. */
int resolve_numeric(const char *text, struct sockaddr_storage *out, socklen_t *length);
socklen_t resolve_address_length(const struct sockaddr_storage *address);
