/*
 * gateway: the program dotsgw, with a configuration of its own: one configured client, the PSK identity "bench", under
 * which as many clients ask as the benchmark wants (each has a cuid), and at most one upstream. Its state lies in
 * memory (/dev/shm): no disk is measured.
 */
#pragma once

#include "tests/bench/support/process.h"
#include "tests/bench/support/served.h"

struct gateway {
    pid_t pid;
    uint16_t port;    /* of UDP and TCP */
    uint16_t metrics; /* the port of them */
    char folder[64];
    char command[256]; /* of dotsgw */
};

/* upstream: port of the DOTS server behind it, over DTLS; 0: it is a server itself, and tells a program that does
 * nothing. Without starting it. */
void gateway_make(struct gateway *gateway, uint16_t upstream);
/* The client has the certificate of pki as well; ticket_keys: the text of tls.ticket-keys-file, or NULL. */
void gateway_make_tls(struct gateway *gateway, uint16_t upstream, const struct pki *pki, const char *ticket_keys);
void gateway_start(struct gateway *gateway); /* returns when it listens */
void gateway_stop(const struct gateway *gateway, int signal);
void gateway_remove(const struct gateway *gateway);
/* What it tells under this name, which has no labels. Ends the program when it cannot. */
double gateway_metric(const struct gateway *gateway, const char *name);
