/*
 * config: the configuration file, from YAML text to typed, checked values.
 *
 * Words: a *key* is a path in the file ("upstreams[0].servers[1].port"); a *default* is what an
 * absent key means (docs/configuration.md lists them all and a test holds the list to the parser).
 * Called once at start, by `dotsgw -t`, and on reload, always off the hot path: it reads files.
 * It checks everything that can be checked without a network: types, ranges, unknown keys, files
 * readable, certificate and key fit, identities unique. It knows nothing of sessions or CoAP.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/log/log.h"

struct config_strings {
    char **at;
    size_t count;
};

/* As struct wire_prefix; config is a leaf and includes no other module. */
struct config_prefix {
    uint8_t addr[16];
    uint8_t family; /* 4 or 6 */
    uint8_t length;
};

struct config_prefixes {
    struct config_prefix *at;
    size_t count;
};

struct config_bytes {
    uint8_t *at;
    size_t length;
};

#define CONFIG_TICKET_KEY 80u /* bytes: name 16, AES 32, HMAC 32 */

/* Files in PEM, made absolute; NULL when not given. A PSK has an identity and a key (read from the
 * key file: one line of hexadecimal, or of text when it starts with "text:"; 16..64 bytes). */
struct config_credentials {
    char *certificate, *private_key, *trust_anchors;
    char *psk_identity;
    struct config_bytes psk_key;
    struct config_bytes ticket_keys; /* of tls only: from ticket-keys-file, one behind the other; the first seals */
};

enum config_channel { CONFIG_CHANNEL_SIGNAL, CONFIG_CHANNEL_DATA };
enum config_transport { CONFIG_UDP = 1, CONFIG_TCP = 2 }; /* bits */

struct config_listener {
    enum config_channel channel;
    char *address; /* numeric; "::" also takes IPv4 */
    uint16_t port;
    unsigned transports; /* bits of enum config_transport */
};

enum config_identity_kind { CONFIG_IDENTITY_SAN, CONFIG_IDENTITY_SPKI, CONFIG_IDENTITY_PSK };

struct config_client_identity {
    enum config_identity_kind kind;
    char *name;       /* SAN (DNS or IP or URI text) or PSK identity */
    uint8_t spki[32]; /* SHA-256 of the DER SubjectPublicKeyInfo; the file gives hex or base64 */
    struct config_bytes psk_key;
    int line, column;
};

struct config_limits {
    uint32_t mitigations;              /* live requests of one client; default 64 */
    uint32_t cuids;                    /* distinct cuids one client may bind; default 16, 1000000 with supplies-cdid */
    uint32_t requests_per_second;      /* default 20; a burst of twice that */
    uint32_t max_lifetime;             /* s; default 86400 */
    bool indefinite_lifetime;          /* key indefinite-lifetime: may lifetime -1 be granted; default false */
    uint32_t aliases, acls;            /* under one cuid, on the data channel; default 10000, 1000 */
    uint32_t data_requests_per_second; /* default 100; a burst of twice that */
};

struct config_client {
    char *name;
    struct config_client_identity *identities;
    size_t identity_count;
    char *domain;
    struct config_prefixes prefixes; /* scopes */
    struct config_strings fqdns;     /* scopes; "*.example.com" allowed */
    struct config_strings uris;      /* scopes: allowed URI prefixes, or hosts by fqdns */
    struct config_limits limits;
    bool supplies_cdid; /* key supplies-cdid: a server-domain gateway trusted to send 'cdid' */
};

struct config_server {
    char *host; /* the DNS name that its certificate must have, sent as SNI */
    uint16_t port;
    struct config_strings addresses; /* numeric; empty: host is resolved (off the loop) */
};

/* The data channel of an upstream (RFC 8783). */
struct config_upstream_data {
    bool given;                      /* key data is there */
    char *host;                      /* the DNS name that its certificate must have; default: of the first server */
    uint16_t port;                   /* TCP; default 443 */
    struct config_strings addresses; /* numeric; empty: host is resolved; default with host: of the first server */
};

enum config_upstream_identity { CONFIG_IDENTITY_GATEWAY, CONFIG_IDENTITY_CLIENT };
enum config_upstream_sessions { CONFIG_SESSIONS_SHARED, CONFIG_SESSIONS_PER_CLIENT };

struct config_upstream {
    char *name;
    struct config_server *servers;
    size_t server_count;
    unsigned transports;
    struct config_credentials credentials;
    enum config_upstream_identity identity;
    enum config_upstream_sessions sessions;
    struct config_prefixes owns;
    bool insert_cdid; /* key insert-cdid; default: domain-side server and identity client */
    struct config_upstream_data data;
    uint16_t mtu; /* key mtu: path MTU; default 1280, 576..9000 */
};

enum config_fan_out { CONFIG_FAN_OUT_ALL, CONFIG_FAN_OUT_BY_PREFIX, CONFIG_FAN_OUT_SERIAL };
enum config_recursion {
    CONFIG_RECURSION_NEVER,
    CONFIG_RECURSION_MANUAL,
    CONFIG_RECURSION_ON_EXCEEDED,
    CONFIG_RECURSION_ALWAYS
};
enum config_driver { CONFIG_DRIVER_NOTIFY, CONFIG_DRIVER_EXEC };
/* Requests of different clients that overlap (RFC 9132 section 4.4.1.3), key conflicts:
 * 'reject' refuses the later one with 4.09; 'accept' keeps both and tells both. */
enum config_conflicts { CONFIG_CONFLICTS_REJECT, CONFIG_CONFLICTS_ACCEPT };

struct config_mitigator {
    char *name;
    enum config_driver driver;
    char *exec; /* program, absolute path; required for exec, optional for notify */
};

struct config_nat_mapping {
    struct config_prefix internal, external; /* same family and length */
    uint16_t internal_port, external_port;   /* 0: ports pass unchanged */
};

/* One session parameter: acceptable range and value in force. Decimals in hundredths. */
struct config_range {
    uint32_t min, max, current;
};

struct config_session {
    struct config_range heartbeat_interval, missing_hb_allowed, probing_rate, max_retransmit, ack_timeout,
        ack_random_factor;
};

struct config_redirect {
    char *alt_server; /* NULL: no redirect */
    struct config_strings addresses;
    uint32_t ttl; /* s, Max-Age */
};

struct config_server_limits {
    uint32_t sessions;                    /* live downstream sessions; default 100000 */
    uint32_t handshakes;                  /* handshakes under way at once; default 1000 */
    uint32_t handshakes_per_source;       /* per second and source address (/64 for IPv6); default 20 */
    uint32_t mitigations;                 /* in all; default 200000 */
    uint32_t body_size;                   /* bytes of a request body; default 8192, at most 65536 */
    uint32_t requests_per_source;         /* per second and source address; default 200 */
    uint32_t domain_aliases, domain_acls; /* of all clients of a domain; default 100000, 10000 */
    uint32_t data_connections;            /* of the data channel; default 1024 */
};

/* Who reports attacks. */
#define CONFIG_TOKENS_MAX 2u /* of one detector: one that goes and one that comes */
struct config_detector {
    char *name;
    struct config_prefixes targets; /* what it may name */
    char *san;                      /* of its certificate; NULL: none */
    bool has_spki;
    uint8_t spki[32];
    uint32_t targets_max;                  /* that are held at once; default 1000 */
    uint32_t requests_per_second;          /* default 100; a burst of twice that */
    uint8_t tokens[CONFIG_TOKENS_MAX][32]; /* SHA-256 of each, from admin.detectors.tokens-file */
    unsigned token_count;
};

enum config_figure { CONFIG_PPS, CONFIG_BPS, CONFIG_CONNECTIONS, CONFIG_SOURCES, CONFIG_FIGURES };

/* True when all the figures that are given are reached; 0: not given. */
struct config_condition {
    uint64_t figures[CONFIG_FIGURES];
};

/* What is asked for when detectors report that. */
struct config_attack_rule {
    char *name;
    struct config_strings detectors; /* whose reports; none: of all */
    struct config_prefixes targets;  /* only these; none: all that the detector may name */
    struct config_condition *when;   /* any of them is true; none: any report */
    size_t when_count;
    struct config_condition *until; /* none of them is true any more; key until-below */
    size_t until_count;
    uint32_t hold_ms, release_ms, silence_ms;
    uint32_t lifetime; /* s */
    uint8_t length4, length6;
    bool narrow; /* only the protocols and ports that are reported */
};

struct config {
    char *file; /* as given, for messages */
    struct {
        char *name;
        bool domain_side_server; /* domain-side: server */
        char *state_dir;
        uint8_t hop_limit;   /* 1..255 */
        uint32_t drain_time; /* s */
        char *user;          /* key user: NULL: stays who it is */
        bool seccomp;        /* key seccomp; default true */
    } gateway;
    struct config_credentials tls; /* defaults of listeners and upstreams */
    struct config_listener *listeners;
    size_t listener_count;
    struct config_client *clients;
    size_t client_count;
    struct config_upstream *upstreams;
    size_t upstream_count;
    enum config_fan_out fan_out;
    uint32_t failover_wait_ms; /* key failover-wait, for fan-out serial; default 10s, 1s..10m */
    enum config_recursion recursion;
    enum config_conflicts conflicts;
    uint32_t response_wait_ms;
    uint32_t data_lifetime; /* s, of aliases and ACLs without a refresh; default and at least a week */
    struct config_mitigator *mitigators;
    size_t mitigator_count;
    struct config_nat_mapping *nat;
    size_t nat_count;
    /* key session-config: with sub-keys mitigating and idle, or its parameters directly (then the
     * same for both); defaults of RFC 9132 section 4.5.2 and appendix C. */
    struct config_session mitigating, idle;
    uint32_t session_config_max_age; /* key session-config.max-age, s; default 86400 */
    uint32_t status_interval_ms;     /* key status-interval: periodic notifications; default 15s, at least 3s */
    struct {
        uint32_t initial_ms, max_ms; /* key active-but-terminating: { initial, max }; 120s, 300s */
    } terminating;
    struct config_redirect redirect; /* key redirect: where clients go over the session limit or on drain */
    struct config_server_limits limits;
    struct {
        char *socket, *metrics, *detectors_listen, *detectors_tokens;
    } admin;
    struct config_detector *detectors;
    size_t detector_count;
    struct config_attack_rule *attack_rules;
    size_t attack_rule_count;
    struct {
        enum log_level level;
        enum log_format format;
    } log;
};

struct config_error {
    char file[256];
    int line, column; /* from 1; 0 when the file could not be read at all */
    char text[384];   /* what is wrong, and what to write instead */
};

/*
 * Reads and checks a file. Everything it points to is owned by the result; relative paths are made
 * absolute against the directory of the file. Returns NULL and *error at the first fault.
 * Durations take "500ms", "1s", "5m", "1h" or a bare number of seconds.
 */
struct config *config_load(const char *file, struct config_error *error);
void config_free(struct config *config);
