/*
 * served: a server in a process of its own. Each request is answered with 2.05 and 32 bytes. The *gateway* kind is
 * gateway/coap on libuv; *stock* is libcoap with its own coap_io_process() loop; *upstream* is gateway/coap, too, and
 * answers a gateway as a DOTS server does, without any work.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/support/pki.h"
#include "tests/bench/support/process.h"

enum served_kind { SERVED_GATEWAY, SERVED_STOCK, SERVED_UPSTREAM };

struct served {
    pid_t pid;
    uint16_t port;
};

#define SERVED_PSK "a key of sixteen"

/* First in main(): a server is this program, begun again, so that it has no memory of its parent's. */
void served_become(int argc, char **argv);

/* Without a PKI: with PSK. Ends the program when it cannot. */
struct served served_start(enum served_kind kind, bool tcp, const struct pki *pki);
void served_stop(const struct served *served);
