/*
 * catalog: aliases and filtering rules of the data channel (RFC 8783), as every upstream should hold them.
 *
 * Words: a *client* here is one 'dots-client' resource, by its cuid; its *owner* is the configured client that
 * registered it; an *entry* is one alias or one ACL; a *rule* is what an ACL says of one set of packets; a *stamp*
 * numbers changes and only grows. Entries do not change, they are replaced: who reads for longer holds a reference.
 * Southbound writes it once an entry is validated, authorized and accepted upstream; northbound reads it to repair
 * what an upstream holds (catalog_upstream.h). JSON is text here: what is in it was taken apart before.
 *
 * Pure: no I/O, no clock, no global state. Times are ms since 1970.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregation/deadline.h"
#include "aggregation/scope.h"

#define CATALOG_CUID_MAX 128u     /* bytes of a cuid or cdid */
#define CATALOG_NAME_MAX 255u     /* bytes of the name of an entry; YANG bounds that of an ACL to 64 characters */
#define CATALOG_UPSTREAM_NAME 65u /* an entry's name upstream, with its NUL */

enum catalog_kind { CATALOG_ALIAS, CATALOG_ACL, CATALOG_KINDS };

/* What an ACL says of packets: two rules of one domain with the same match and different verdicts conflict. */
struct catalog_rule {
    const char *match; /* 'matches' of an ACE in one canonical form */
    bool drop;
};

/* What the entries of an ACL matched, as one mitigator or upstream counts it. */
struct catalog_counts {
    struct catalog_counts *next;
    size_t source; /* its target */
    char json[]; /* {"NAME":{"matched-packets":"n","matched-octets":"n"},...}; names may be of entries that are gone */
};
#define CATALOG_COUNTS_MAX 131072u /* bytes of one */

/* Written by the catalog only. */
struct catalog_entry {
    enum catalog_kind kind;
    uint64_t id;      /* durable, unique in the catalog, survives replacement */
    const char *name; /* as the client knows it */
    const char *json; /* the list entry, RFC 7951: configuration only, member names without module */
    size_t json_length;
    struct scope *target;            /* of an alias; NULL with an ACL */
    enum wire_activation activation; /* of an ACL; 0 with an alias */
    bool switched;                   /* its activation was changed otherwise than by the mitigations that are active */
    int64_t expires_ms;
    struct catalog_counts *counts; /* of an ACL, by source; not durable; of the one it replaces, until told anew */
    struct catalog_client *client; /* NULL once it was removed or replaced */
    struct catalog_entry *next;    /* of the client and kind, in the client's order */
};

struct catalog_client {
    uint64_t id; /* durable, unique in the catalog */
    char owner[128];
    char cdid[CATALOG_CUID_MAX + 1], cuid[CATALOG_CUID_MAX + 1]; /* cdid "": none */
    char identity_hash[23];                                      /* of the peer's key: the cdid to insert */
    char domain[256];                                            /* what conflicts and quotas are shared in */
    uint64_t stamp;                                              /* of its last change */
    int64_t modified_ms;
    struct catalog_entry *entries[CATALOG_KINDS]; /* the first ones; ACLs in the order that the client gave */
    size_t counts[CATALOG_KINDS];
    size_t switched;   /* ACLs */
    bool switched_now; /* one more since this was set to false */
    void *user;        /* northbound's; NULL at first */
};

struct catalog;

struct catalog *catalog_new(void);
void catalog_free(struct catalog *catalog);
/* An id that nobody has, for a client that is not there yet. */
uint64_t catalog_next_id(struct catalog *catalog);

/* ---- Clients ---- */

struct catalog_client_values {
    uint64_t id; /* 0: a new one is taken */
    const char *owner, *cdid, *cuid, *identity_hash, *domain;
    uint64_t stamp;
    int64_t modified_ms;
};
/* NULL: out of memory, or a text is too long. There must be none with this cuid. */
struct catalog_client *catalog_client_add(struct catalog *catalog, const struct catalog_client_values *values);
/* With its entries, as catalog_entries_clear. */
void catalog_client_remove(struct catalog *catalog, struct catalog_client *client);
struct catalog_client *catalog_client_find(const struct catalog *catalog, const char *cuid);
/* In no order; each may remove the client it was given. Ends with the first non-zero result, which is returned. */
int catalog_client_each(const struct catalog *catalog, int (*each)(void *arg, struct catalog_client *client),
                        void *arg);

/* Something of this client changed, or a client of this owner is gone (client NULL): a stamp above all before.
 * 0, or -1 out of memory. */
int catalog_changed(struct catalog *catalog, const char *owner, struct catalog_client *client, int64_t now);
/* The last change of anything of an owner, also of clients that are gone by now. */
uint64_t catalog_owner_stamp(const struct catalog *catalog, const char *owner);
int64_t catalog_owner_modified(const struct catalog *catalog, const char *owner);
/* 0, or -1 out of memory. At start, and by catalog_changed. */
int catalog_owner_set(struct catalog *catalog, const char *owner, uint64_t stamp, int64_t modified_ms);

/* ---- Entries ---- */

struct catalog_entry_values {
    enum catalog_kind kind;
    uint64_t id; /* 0: a new one is taken */
    const char *name;
    const char *json;
    size_t json_length;
    const struct wire_target *target; /* NULL with an ACL; copied */
    enum wire_activation activation;
    const struct catalog_rule *rules; /* copied */
    size_t rule_count;
    uint64_t order; /* as loaded; 0: catalog_place decides */
    int64_t expires_ms;
};
/* One reference, in no client yet. NULL: out of memory. */
struct catalog_entry *catalog_entry_new(struct catalog *catalog, const struct catalog_entry_values *values);
struct catalog_entry *catalog_entry_ref(struct catalog_entry *entry);
void catalog_entry_unref(struct catalog_entry *entry); /* NULL is fine */

/* RFC 8040 section 4.8.5. KEEP: where the one of that name is, else last. */
enum catalog_insert { CATALOG_KEEP, CATALOG_FIRST, CATALOG_LAST, CATALOG_BEFORE, CATALOG_AFTER };

/* Puts an entry (its reference is taken over) in place of the one of that name. point: BEFORE and AFTER, of the same
 * client and kind, and not the one that is replaced. 0; -1: out of memory, nothing is changed and the reference stays.
 */
int catalog_entry_put(struct catalog *catalog, struct catalog_client *client, struct catalog_entry *entry,
                      enum catalog_insert insert, const struct catalog_entry *point);
void catalog_entry_remove(struct catalog *catalog, struct catalog_entry *entry);
/* The same, and all of a client and kind: gone at once. Taking apart what they were takes longer, and is left to
 * catalog_reap: at most max of them; false: none is left. */
void catalog_entry_discard(struct catalog *catalog, struct catalog_entry *entry);
void catalog_entries_clear(struct catalog *catalog, struct catalog_client *client, enum catalog_kind kind);
bool catalog_reap(struct catalog *catalog, size_t max);
struct catalog_entry *catalog_entry_find(const struct catalog_client *client, enum catalog_kind kind, const char *name);
/* In place of what this source said before. 0, or -1: out of memory, or longer than CATALOG_COUNTS_MAX. */
int catalog_entry_count(struct catalog_entry *entry, size_t source, const char *json);
/* Of an ACL that is in a client; what replaces it is as it was. */
void catalog_entry_switch(struct catalog_entry *entry, bool switched);
/* Its mitigations are over: none of its ACLs is switched. */
void catalog_switches_forget(struct catalog_client *client);
/* Its life is extended. */
void catalog_entry_refresh(struct catalog *catalog, struct catalog_entry *entry, int64_t expires_ms);
/* All of this client and kind were given new orders since this was asked last: they have to be recorded anew. */
bool catalog_renumbered(struct catalog_client *client, enum catalog_kind kind);

/* When the next one expires, or would have that waits for catalog_reap; INT64_MAX: never. */
int64_t catalog_next(const struct catalog *catalog);
/* One that has expired and is to be removed; NULL: none. */
struct catalog_entry *catalog_expired(const struct catalog *catalog, int64_t now);

/* How many entries all clients of a domain have. */
size_t catalog_domain_count(const struct catalog *catalog, const char *domain, enum catalog_kind kind);
/* An entry of another client of this domain that has a rule with the same match and the other verdict; NULL: none. */
const struct catalog_entry *catalog_conflict(const struct catalog *catalog, const struct catalog_client *client,
                                             const struct catalog_rule *rules, size_t count);

/* ---- Names upstream, where all clients meet under the gateway's cuid (identity: gateway) ---- */

/*
 * "c3.https1", or "c3~17" when that is longer than the name of an ACL may be: stable over restarts, different for
 * different entries, and says nothing about the client but a number. client and entry are ids.
 */
void catalog_upstream_name(uint64_t client, uint64_t entry, const char *name, char out[CATALOG_UPSTREAM_NAME]);
/* The entry behind such a name; NULL: it is none of ours. */
struct catalog_entry *catalog_upstream_find(const struct catalog *catalog, enum catalog_kind kind, const char *name);

/* ---- Records, as the store keeps them ---- */

/* A client's key is its id in 16 hexadecimal digits, an entry's that, "/" and the name, an owner's "owner/" and its
 * name, in the table of clients. Returns the length. */
#define CATALOG_KEY_MAX (16u + 1 + CATALOG_NAME_MAX)
size_t catalog_client_key(const struct catalog_client *client, char key[CATALOG_KEY_MAX + 1]);
size_t catalog_owner_key(const char *owner, char key[CATALOG_KEY_MAX + 1]);
size_t catalog_entry_key(const struct catalog_client *client, const char *name, char key[CATALOG_KEY_MAX + 1]);
/* What is behind the keys of all entries of a client, which begin with that of the name "". */
size_t catalog_entries_end(const struct catalog_client *client, char key[CATALOG_KEY_MAX + 1]);

/* Values: into memory of the caller. Length, 0 when it does not fit. */
size_t catalog_client_encode(const struct catalog_client *client, uint8_t *out, size_t size);
size_t catalog_owner_encode(const struct catalog *catalog, const char *owner, uint8_t *out, size_t size);
size_t catalog_entry_encode(const struct catalog_entry *entry, uint8_t *out, size_t size);
#define CATALOG_ENTRY_OVERHEAD 64u /* of a record, beside JSON */

/* One record of a client or an owner into the catalog. 0, or -1: it cannot be understood, or out of memory. */
int catalog_client_load(struct catalog *catalog, const char *key, size_t key_length, const uint8_t *value,
                        size_t length);
/* One record of an entry, taken apart: its client and what the record says by itself; the rest (target, activation,
 * rules) is in JSON, which lies in value. name: room for CATALOG_NAME_MAX + 1. */
int catalog_entry_decode(const struct catalog *catalog, enum catalog_kind kind, const char *key, size_t key_length,
                         const uint8_t *value, size_t length, struct catalog_client **client,
                         struct catalog_entry_values *out, char *name);
