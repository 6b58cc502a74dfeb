/*
 * wire: DOTS signal channel messages (RFC 9132) as C structures, and their two encodings:
 * CBOR (section 6, table 5) and RFC 7951 JSON.
 *
 * Words: a *message* is one body of a CoAP request or response; a *parameter* is a row of the
 * parameter table (params.c): name, CBOR key, type, comprehension-required or not, where allowed;
 * a *direction* says who sends it: some parameters may only come from the server, some only from
 * the client. Called by southbound, northbound, aggregation and dots-client. It does no I/O, knows
 * no clock, no session and no policy: "well-formed and in range" is decided here, "allowed" is not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds checked before memory is taken. A body larger than WIRE_BODY_MAX is refused unread. */
#define WIRE_BODY_MAX 65536u
#define WIRE_JSON_MAX 2097152u /* any such message as indented JSON */
#define WIRE_DEPTH_MAX 8u      /* what table 5 needs; and again within a parameter that is passed over */
#define WIRE_SCOPES_MAX 4096u  /* entries of 'scope' in a response; a request has exactly one */
#define WIRE_LIST_MAX 4096u    /* entries of any other list */
#define WIRE_STRING_MAX 2048u  /* bytes of any text string (a URI is the longest) */

enum wire_direction { WIRE_TO_SERVER, WIRE_TO_CLIENT };

enum wire_type { WIRE_MITIGATION = 1, WIRE_SIGNAL_CONFIG, WIRE_REDIRECT, WIRE_HEARTBEAT };

/* RFC 9132 section 10.6.2 .. 10.6.5; 0 means absent. */
enum wire_status {
    WIRE_STATUS_IN_PROGRESS = 1,
    WIRE_STATUS_MITIGATED = 2,
    WIRE_STATUS_STOPPED = 3,
    WIRE_STATUS_EXCEEDED = 4,
    WIRE_STATUS_CLIENT_WITHDRAWN = 5,
    WIRE_STATUS_TERMINATED = 6,
    WIRE_STATUS_WITHDRAWN = 7,
    WIRE_STATUS_SIGNAL_LOSS = 8,
};
enum wire_conflict_status { WIRE_CONFLICT_INACTIVE = 1, WIRE_CONFLICT_ACTIVE = 2, WIRE_CONFLICT_ALL_INACTIVE = 3 };
enum wire_conflict_cause { WIRE_CAUSE_OVERLAP = 1, WIRE_CAUSE_ACCEPTLIST = 2, WIRE_CAUSE_CUID = 3 };
enum wire_attack_status { WIRE_UNDER_ATTACK = 1, WIRE_ATTACK_MITIGATED = 2 };
/* RFC 9133 section 3.2: value of 'activation-type' (key 52). */
enum wire_activation { WIRE_ACTIVATE_WHEN_MITIGATING = 1, WIRE_ACTIVATE_IMMEDIATE = 2, WIRE_DEACTIVATE = 3 };

#define WIRE_LIFETIME_INDEFINITE (-1)

/* An IPv4 or IPv6 prefix; bits beyond length are zero; an IPv4 address lies in addr[0..3]. */
struct wire_prefix {
    uint8_t addr[16];
    uint8_t family; /* 4 or 6 */
    uint8_t length; /* bits: 0..32 or 0..128 */
};

/* lower <= upper; upper == lower when 'upper-port' was absent. */
struct wire_port_range {
    uint16_t lower, upper;
};

struct wire_strings {
    const char **at; /* each NUL-terminated, never empty, no NUL inside */
    size_t count;
};

/* Target clauses, shared by 'scope' and 'conflict-scope'; order is the sender's. */
struct wire_target {
    struct wire_prefix *prefixes;
    size_t prefix_count;
    struct wire_port_range *port_ranges;
    size_t port_range_count;
    uint8_t *protocols;
    size_t protocol_count;
    struct wire_strings fqdns, uris, aliases;
};

struct wire_acl {
    const char *name;
    const char *type;                /* NULL when absent (conflict-scope only) */
    enum wire_activation activation; /* 0 when absent (RFC 9133 only) */
};

struct wire_conflict {
    enum wire_conflict_status status; /* 0: absent */
    enum wire_conflict_cause cause;   /* 0: absent */
    bool has_retry_timer, has_mid;
    uint32_t retry_timer; /* s */
    uint32_t mid;
    struct wire_target target;
    struct wire_acl *acls;
    size_t acl_count;
};

struct wire_scope {
    struct wire_target target;
    bool has_lifetime, has_trigger, has_mid, has_start;
    bool trigger;     /* 'trigger-mitigation'; true when absent */
    int64_t lifetime; /* s, or WIRE_LIFETIME_INDEFINITE; 0 is refused in requests by name */
    uint32_t mid;
    uint64_t start;                        /* s since 1970-01-01 */
    enum wire_status status;               /* 0: absent */
    enum wire_attack_status attack_status; /* 0: absent */
    struct wire_conflict *conflict;        /* NULL: absent */
    bool has_bytes, has_bps, has_pkts, has_pps;
    uint64_t bytes_dropped, bps_dropped, pkts_dropped, pps_dropped;
    struct wire_acl *acls; /* RFC 9133 'acl-list' (key 53) */
    size_t acl_count;
};

/* One configuration parameter: max, min, current. Decimals are in hundredths (RFC 9132: tag 4, -2). */
struct wire_config_value {
    bool has_max, has_min, has_current;
    uint32_t max, min, current;
};

enum wire_config_parameter {
    WIRE_HEARTBEAT_INTERVAL, /* s; 0 turns heartbeats off */
    WIRE_MISSING_HB_ALLOWED,
    WIRE_PROBING_RATE, /* byte/s */
    WIRE_MAX_RETRANSMIT,
    WIRE_ACK_TIMEOUT,       /* 1/100 s */
    WIRE_ACK_RANDOM_FACTOR, /* 1/100 */
    WIRE_CONFIG_PARAMETERS,
};

struct wire_config {
    bool has_mitigating, has_idle;
    struct wire_config_value mitigating[WIRE_CONFIG_PARAMETERS], idle[WIRE_CONFIG_PARAMETERS];
};

struct wire_redirect {
    const char *alt_server;
    struct wire_strings records; /* IP addresses as text, checked */
};

struct wire_heartbeat {
    bool peer_hb_status;
};

struct wire_arena; /* memory of a decoded message: freed with it, bounded by the size of its input */

struct wire_message {
    enum wire_type type;
    struct wire_scope *scopes; /* WIRE_MITIGATION */
    size_t scope_count;
    struct wire_config config;
    struct wire_redirect redirect;
    struct wire_heartbeat heartbeat;
    struct wire_arena *arena; /* NULL for a message that the caller built of its own memory */
};

/* What is wrong with an input, for the diagnostic payload of 4.00: "target-prefix: ...". Printable
 * ASCII, whatever the input was. */
struct wire_error {
    char parameter[64]; /* its name, "key 77" for one that is not known, "body" for the message as a whole */
    char text[192];     /* a sentence that begins with the parameter and says what was expected */
};

/*
 * Decodes one CBOR body. Accepts definite and indefinite lengths, the optional tag 271
 * (section 10.5) before the object, and unknown comprehension-optional keys (skipped, depth and
 * size still bounded). Refuses: unknown comprehension-required keys (named), duplicate keys, keys
 * where they are not allowed or of the other direction, wrong types, empty strings, trailing bytes,
 * values out of range, invalid UTF-8, malformed prefixes, names and URIs. With WIRE_TO_SERVER also
 * empty lists and maps (section 4.4.1.1) and a lifetime of 0; with WIRE_TO_CLIENT an empty list or map
 * counts as one that is not there. A mitigation message with WIRE_TO_SERVER must have exactly one scope.
 * Whether a request has the parameters it must have (a target, a lifetime) is not asked here.
 * Returns 0 and *out (freed with wire_free), or -1 and *error. -2 with error set: out of memory. *out is
 * NULL after an error. No count is believed: a request takes 1 KiB and at most 20 times its length, a
 * response besides at most 700 bytes for each of its scopes; a typical request takes one allocation.
 */
int wire_decode_cbor(const uint8_t *data, size_t length, enum wire_direction direction, struct wire_message **out,
                     struct wire_error *error);

/* The same from RFC 7951 JSON text (dots-client, store tools, tests). Names that are not known are
 * refused; 64-bit numbers and retry-timer may be strings, as in table 5, or numbers. */
int wire_decode_json(const char *text, size_t length, enum wire_direction direction, struct wire_message **out,
                     struct wire_error *error);

/*
 * Encodes into buffer with definite lengths, shortest integers, keys in ascending order within a
 * map. Returns the length, or 0 when it does not fit in size (a message is never empty) or cannot be
 * encoded: an enumeration has a value it does not know, a mandatory text is NULL.
 */
size_t wire_encode_cbor(const struct wire_message *message, uint8_t *buffer, size_t size);

/* JSON text, indented, freed by the caller with free(); NULL on out of memory or as above. */
char *wire_encode_json(const struct wire_message *message);

void wire_free(struct wire_message *message); /* NULL is fine; so is one without an arena, left alone */

/* Text of a prefix ("192.0.2.0/24", RFC 5952 for IPv6). buffer: at least WIRE_PREFIX_TEXT bytes. */
#define WIRE_PREFIX_TEXT 50
char *wire_prefix_format(const struct wire_prefix *prefix, char *buffer);
/* Parses "a.b.c.d/len" or "x::y/len"; a bare address counts as full length when bare is true.
 * Host bits are cleared. 0, or -1 when malformed. */
int wire_prefix_parse(const char *text, bool bare, struct wire_prefix *out);

/* "attack-mitigation-in-progress"; "unknown" for a value without a name. */
const char *wire_status_name(enum wire_status status);
const char *wire_config_parameter_name(enum wire_config_parameter parameter);

/* One row of the parameter table, for documentation and tests; types as in table 5. */
struct wire_parameter {
    const char *name;
    uint16_t key;
    bool list; /* the types below are those of its entries */
    bool comprehension_required;
    bool to_server, to_client; /* may it stand in a body that way; neither: in none (cdid, cuid, sid) */
    const char *yang_type, *cbor_type, *json_type;
};
size_t wire_parameter_count(void);
bool wire_parameter_at(size_t index, struct wire_parameter *out); /* ascending keys; false past the end */
