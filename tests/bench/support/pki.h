/* pki: P-256 certificates of one run, in a folder of their own: a CA, a server, a client. */
#pragma once

struct pki {
    char folder[64];
    char ca[96], server[96], server_key[96], client[96], client_key[96]; /* PEM files */
};

#define PKI_SERVER_NAME "dots.example"
#define PKI_CLIENT_NAME "client.example"

/* Ends the program when it cannot. */
void pki_make(struct pki *pki);
void pki_remove(const struct pki *pki);
