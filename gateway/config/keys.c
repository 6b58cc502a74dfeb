/* keys: the tables of all keys but session-config's. Keys are fixed: add, do not rename. */
#include "gateway/config/rules.h"
#include "gateway/config/schema.h"

#define WORDS(...)                   \
    .choices = (const char *const[]) \
    {                                \
        __VA_ARGS__, NULL            \
    }

static const struct config_key keys_gateway[] = {
    /* RFC 8768 section 4: the name is one word of the diagnostic payload of 5.08. */
    KEY("name", name, FIELD(config, gateway.name),
        "the gateway's name in 5.08 (Hop Limit Reached) payloads; unique among DOTS gateways", .max = 42,
        .required = true),
    KEY("domain-side", choice, FIELD(config, gateway.domain_side_server),
        "client: for one enterprise; server: at a provider, adds 'cdid'", WORDS("client", "server"),
        .fallback = "client"),
    KEY("state-dir", path, FIELD(config, gateway.state_dir), "directory of the durable state", .required = true),
    KEY("hop-limit", integer, FIELD(config, gateway.hop_limit),
        "Hop-Limit of requests that come without one (RFC 8768)", .min = 1, .max = 255, .fallback = "16"),
    KEY("drain-time", seconds, FIELD(config, gateway.drain_time),
        "how long a drain waits for clients to leave before it ends the gateway", .max = 86400, .fallback = "5m"),
    KEY("user", name, FIELD(config, gateway.user), "the user that dotsgw becomes when it is started as root", .max = 32,
        .shown = "who starts it"),
    KEY("seccomp", boolean, FIELD(config, gateway.seccomp),
        "refuse system calls that the gateway does not need; false: for debuggers", .fallback = "true"),
    {0},
};

#define CERTIFICATE_KEYS                                                                                            \
    KEY("certificate", file, FIELD(config_credentials, certificate), "PEM; the certificate and then its chain"),    \
        KEY("private-key", file, FIELD(config_credentials, private_key), "PEM, not encrypted; of the certificate"), \
        KEY("trust-anchors", file, FIELD(config_credentials, trust_anchors),                                        \
            "PEM; the authorities whose certificates peers may show")
#define KEY_FILE(STRUCT)                            \
    KEY("key-file", secret, FIELD(STRUCT, psk_key), \
        "key of psk: one line of hexadecimal digits, or of text after \"text:\"; 16 to 64 bytes")

static const struct config_key keys_tls[] = {
    CERTIFICATE_KEYS,
    KEY("ticket-keys-file", tickets, FIELD(config_credentials, ticket_keys),
        "keys of session tickets that several gateways share, a line for each: 80 bytes in base64; the first seals, all "
        "open",
        .shown = "own ones, made at random, changed each 12h"),
    {0},
};

static const struct config_key keys_credentials[] = {
    CERTIFICATE_KEYS,
    KEY("psk", identity, FIELD(config_credentials, psk_identity), "PSK identity, instead of a certificate"),
    KEY_FILE(config_credentials),
    {0},
};

static const struct config_key keys_listener[] = {
    KEY("channel", choice, FIELD(config_listener, channel), "signal: RFC 9132; data: RFC 8783", WORDS("signal", "data"),
        .fallback = "signal"),
    KEY("address", address, FIELD(config_listener, address), "\"::\" takes IPv4 as well", .fallback = "::"),
    KEY("port", integer, FIELD(config_listener, port), "UDP and TCP port", .min = 1, .max = 65535, .fallback = "4646"),
    KEY("transports", transports, FIELD(config_listener, transports), "udp: DTLS; tcp: TLS", .fallback = "[udp, tcp]"),
    {0},
};

static const struct config_key keys_identity[] = {
    KEY("san", san, FIELD(config_client_identity, name), "a subjectAltName of the client's certificate"),
    KEY("spki-sha256", hash, FIELD(config_client_identity, spki),
        "hash of the DER SubjectPublicKeyInfo of the client's certificate"),
    KEY("psk", identity, FIELD(config_client_identity, name), "PSK identity"),
    KEY_FILE(config_client_identity),
    {0},
};

static const struct config_key keys_scopes[] = {
    KEY("prefixes", list, ENTRIES(config_client, prefixes.at, prefixes.count),
        "addresses the client may ask to protect", .of = &config_type_prefix, .max = 65536),
    KEY("fqdns", list, ENTRIES(config_client, fqdns.at, fqdns.count),
        "names; *.example.com stands for all below example.com", .of = &config_type_fqdn, .max = 65536),
    KEY("uris", list, ENTRIES(config_client, uris.at, uris.count),
        "URIs, and all that continue them at a '/', '?' or '#'", .of = &config_type_uri, .max = 65536),
    {0},
};

static const struct config_key keys_client_limits[] = {
    KEY("mitigations", integer, FIELD(config_limits, mitigations), "live requests of the client", .min = 1,
        .max = 1000000, .fallback = "64"),
    KEY("cuids", integer, FIELD(config_limits, cuids), "distinct 'cuid's the client may bind", .min = 1, .max = 1000000,
        .shown = "16, or 1000000 with supplies-cdid"),
    KEY("requests-per-second", integer, FIELD(config_limits, requests_per_second), "and twice that in a burst",
        .min = 1, .max = 1000000, .fallback = "20"),
    KEY("max-lifetime", seconds, FIELD(config_limits, max_lifetime), "longest lifetime that is granted", .min = 1,
        .max = INT32_MAX, .fallback = "24h"),
    KEY("indefinite-lifetime", boolean, FIELD(config_limits, indefinite_lifetime), "may lifetime -1 be granted?",
        .fallback = "false"),
    KEY("aliases", integer, FIELD(config_limits, aliases), "aliases under one 'cuid' (RFC 8783)", .min = 1,
        .max = 1000000, .fallback = "10000"),
    KEY("acls", integer, FIELD(config_limits, acls), "ACLs under one 'cuid' (RFC 8783)", .min = 1, .max = 1000000,
        .fallback = "1000"),
    KEY("data-requests-per-second", integer, FIELD(config_limits, data_requests_per_second),
        "on the data channel, and twice that in a burst", .min = 1, .max = 1000000, .fallback = "100"),
    {0},
};

static const struct config_key keys_client[] = {
    KEY("name", name, FIELD(config_client, name), "the client's name in logs and tools", .max = 64, .required = true),
    KEY("identities", list, ENTRIES(config_client, identities, identity_count),
        "what the client may prove; each is exactly one of san, spki-sha256, psk", .of = &config_type_map,
        .keys = keys_identity, .min = 1, .max = 64, .required = true, .check = config_rule_identity),
    KEY("domain", host, FIELD(config_client, domain), "the client's DOTS client domain"),
    KEY("scopes", map, PARENT, "what the client may ask to protect; without any, nothing", .keys = keys_scopes),
    KEY("limits", map, FIELD(config_client, limits), "limits of this client", .keys = keys_client_limits),
    KEY("supplies-cdid", boolean, FIELD(config_client, supplies_cdid),
        "true: a server-domain gateway, trusted to send 'cdid'", .fallback = "false"),
    {0},
};

static const struct config_key keys_server[] = {
    KEY("host", host, FIELD(config_server, host), "the name that the server's certificate must have; sent as SNI",
        .required = true),
    KEY("port", integer, FIELD(config_server, port), "UDP and TCP port", .min = 1, .max = 65535, .fallback = "4646"),
    KEY("addresses", list, ENTRIES(config_server, addresses.at, addresses.count),
        "where the server is, so that no DNS is needed under attack; without any, host is resolved",
        .of = &config_type_address, .max = 64),
    {0},
};

static const struct config_key keys_upstream_data[] = {
    KEY("host", host, FIELD(config_upstream_data, host),
        "the name that the server's certificate must have; sent as SNI", .shown = "that of the first of servers"),
    KEY("port", integer, FIELD(config_upstream_data, port), "TCP port", .min = 1, .max = 65535, .fallback = "443"),
    KEY("addresses", list, ENTRIES(config_upstream_data, addresses.at, addresses.count),
        "where it is; without any, host is resolved", .of = &config_type_address, .max = 64,
        .shown = "without host those of the first of servers"),
    {0},
};

static const struct config_key keys_upstream[] = {
    KEY("name", name, FIELD(config_upstream, name), "the upstream's name in logs and tools", .max = 64,
        .required = true),
    KEY("servers", list, ENTRIES(config_upstream, servers, server_count), "in order of preference",
        .of = &config_type_map, .keys = keys_server, .min = 1, .max = 16, .required = true),
    KEY("transports", transports, FIELD(config_upstream, transports), "udp: DTLS; tcp: TLS", .fallback = "[udp, tcp]"),
    KEY("credentials", map, FIELD(config_upstream, credentials), "what the gateway shows and trusts at this upstream",
        .keys = keys_credentials, .check = config_rule_credentials, .shown = "those of tls"),
    KEY("identity", choice, FIELD(config_upstream, identity),
        "gateway: clients stay hidden behind the gateway's own 'cuid'; client: their 'cuid's pass",
        WORDS("gateway", "client"), .fallback = "gateway"),
    KEY("sessions", choice, FIELD(config_upstream, sessions), "one session for all clients, or one for each",
        WORDS("shared", "per-client"), .fallback = "shared"),
    KEY("owns", list, ENTRIES(config_upstream, owns.at, owns.count),
        "address space of this upstream, for fan-out by-prefix", .of = &config_type_prefix, .max = 65536),
    KEY("data", map, FIELD(config_upstream, data), "its data channel: aliases and filtering rules are kept there, too",
        .keys = keys_upstream_data, .check = config_rule_upstream_data),
    KEY("insert-cdid", boolean, FIELD(config_upstream, insert_cdid), "add 'cdid' to requests",
        .shown = "true with domain-side server and identity client, else false"),
    KEY("mtu", integer, FIELD(config_upstream, mtu), "path MTU in bytes; a larger request is split", .min = 576,
        .max = 9000, .fallback = "1280"),
    {0},
};

static const struct config_key keys_mitigator[] = {
    KEY("name", name, FIELD(config_mitigator, name), "the mitigator's name in logs and tools", .max = 64,
        .required = true),
    KEY("driver", choice, FIELD(config_mitigator, driver), "notify: tell the operators; exec: a program mitigates",
        WORDS("notify", "exec"), .required = true),
    KEY("exec", program, FIELD(config_mitigator, exec), "the program to run",
        .shown = "none; required with driver exec"),
    {0},
};

static const struct config_key keys_mapping[] = {
    KEY("internal", prefix, FIELD(config_nat_mapping, internal), "prefix that clients use", .required = true),
    KEY("external", prefix, FIELD(config_nat_mapping, external),
        "prefix of the same family and length that upstreams see", .required = true),
    KEY("internal-port", integer, FIELD(config_nat_mapping, internal_port), "this port only; 0: ports pass unchanged",
        .max = 65535, .fallback = "0"),
    KEY("external-port", integer, FIELD(config_nat_mapping, external_port), "what upstreams see; given with the other",
        .max = 65535, .fallback = "0"),
    {0},
};

static const struct config_key keys_nat[] = {
    KEY("mappings", list, ENTRIES(config, nat, nat_count), "applied on the way north, reversed on the way south",
        .of = &config_type_map, .keys = keys_mapping, .max = 1024, .check = config_rule_mapping),
    {0},
};

/* RFC 9132 section 4.4.4: initially 120 s, at most 300 s. */
static const struct config_key keys_terminating[] = {
    KEY("initial", milliseconds, FIELD(config, terminating.initial_ms),
        "after a first withdrawal; doubled by each further one", .max = 300000, .fallback = "120s"),
    KEY("max", milliseconds, FIELD(config, terminating.max_ms), "where doubling ends", .max = 300000,
        .fallback = "300s"),
    {0},
};

static const struct config_key keys_redirect[] = {
    KEY("alt-server", host, FIELD(config_redirect, alt_server), "DNS name of the other DOTS server", .required = true),
    KEY("addresses", list, ENTRIES(config_redirect, addresses.at, addresses.count), "its addresses",
        .of = &config_type_address, .max = 16),
    KEY("ttl", seconds, FIELD(config_redirect, ttl),
        "how long clients stay there (Max-Age); 0: for the request in progress only", .max = UINT32_MAX,
        .fallback = "1h"),
    {0},
};

static const struct config_key keys_limits[] = {
    KEY("sessions", integer, FIELD(config_server_limits, sessions), "live downstream sessions", .min = 1,
        .max = 10000000, .fallback = "100000"),
    KEY("handshakes", integer, FIELD(config_server_limits, handshakes), "handshakes under way at once", .min = 1,
        .max = 1000000, .fallback = "1000"),
    KEY("handshakes-per-source", integer, FIELD(config_server_limits, handshakes_per_source),
        "per second and source address (/64 for IPv6)", .min = 1, .max = 1000000, .fallback = "20"),
    KEY("mitigations", integer, FIELD(config_server_limits, mitigations), "live requests in all", .min = 1,
        .max = 10000000, .fallback = "200000"),
    KEY("body-size", integer, FIELD(config_server_limits, body_size), "bytes of a request body", .min = 256,
        .max = 65536, .fallback = "8192"),
    KEY("requests-per-source", integer, FIELD(config_server_limits, requests_per_source),
        "per second and source address", .min = 1, .max = 1000000, .fallback = "200"),
    KEY("domain-aliases", integer, FIELD(config_server_limits, domain_aliases),
        "aliases of all clients of one domain (RFC 8783)", .min = 1, .max = 10000000, .fallback = "100000"),
    KEY("domain-acls", integer, FIELD(config_server_limits, domain_acls),
        "ACLs of all clients of one domain (RFC 8783)", .min = 1, .max = 10000000, .fallback = "10000"),
    KEY("data-connections", integer, FIELD(config_server_limits, data_connections), "connections of the data channel",
        .min = 1, .max = 1000000, .fallback = "1024"),
    {0},
};

static const struct config_key keys_detectors[] = {
    KEY("listen", endpoint, FIELD(config, admin.detectors_listen), "HTTPS; may only report attacks", .required = true),
    KEY("tokens-file", file, FIELD(config, admin.detectors_tokens),
        "tokens of detectors, a line for each: its name, and the token or its SHA-256"),
    {0},
};

static const struct config_key keys_admin[] = {
    /* 107: what fits into struct sockaddr_un. */
    KEY("socket", path, FIELD(config, admin.socket), "control socket; its permissions are the access control",
        .max = 107),
    KEY("metrics", endpoint, FIELD(config, admin.metrics),
        "read-only: metrics and a page for people over HTTP, without credentials (docs/control.md)"),
    KEY("detectors", map, PARENT, "attack reports from detectors", .keys = keys_detectors),
    {0},
};

static const struct config_key keys_log[] = {
    KEY("level", choice, FIELD(config, log.level), "this level and the more severe ones are written to standard error",
        WORDS("error", "warning", "notice", "info", "debug"), .fallback = "info"),
    KEY("format", choice, FIELD(config, log.format), "one line for an event", WORDS("text", "json"),
        .fallback = "text"),
    {0},
};

const struct config_key config_keys_root[] = {
    KEY("gateway", map, PARENT, "the gateway itself", .keys = keys_gateway, .required = true),
    KEY("tls", map, FIELD(config, tls), "credentials of listeners, and of upstreams without their own",
        .keys = keys_tls, .check = config_rule_tls),
    KEY("listeners", list, ENTRIES(config, listeners, listener_count), "where clients connect", .of = &config_type_map,
        .keys = keys_listener, .max = 64),
    KEY("clients", list, ENTRIES(config, clients, client_count), "who may connect", .of = &config_type_map,
        .keys = keys_client, .max = 1000000, .check = config_rule_client),
    KEY("upstreams", list, ENTRIES(config, upstreams, upstream_count), "DOTS servers that are asked for mitigation",
        .of = &config_type_map, .keys = keys_upstream, .max = 64),
    KEY("fan-out", choice, FIELD(config, fan_out), "which upstreams are asked", WORDS("all", "by-prefix", "serial"),
        .fallback = "all"),
    KEY("failover-wait", milliseconds, FIELD(config, failover_wait_ms),
        "with fan-out serial: an upstream that does not answer for so long is silent, and the next one is asked",
        .min = 1000, .max = 600000, .fallback = "10s"),
    KEY("recursion", choice, FIELD(config, recursion), "with mitigators and upstreams: are upstreams asked as well?",
        WORDS("never", "manual", "on-exceeded", "always"), .fallback = "always"),
    KEY("conflicts", choice, FIELD(config, conflicts),
        "overlapping requests of different clients, without upstreams: refuse the later with 4.09, or keep and tell both",
        WORDS("reject", "accept"), .fallback = "reject"),
    KEY("data-lifetime", seconds, FIELD(config, data_lifetime),
        "how long aliases and ACLs are kept without a refresh (RFC 8783: at least a week)", .min = 604800,
        .max = 31536000, .fallback = "168h"),
    KEY("response-wait", milliseconds, FIELD(config, response_wait_ms),
        "how long a client's answer waits for the verdict of upstreams", .max = 30000, .fallback = "1s"),
    KEY("mitigators", list, ENTRIES(config, mitigators, mitigator_count), "what mitigates here", .of = &config_type_map,
        .keys = keys_mitigator, .max = 16, .check = config_rule_mitigator),
    KEY("nat", map, PARENT, "address translation between clients and upstreams", .keys = keys_nat),
    KEY("session-config", map, PARENT, "session parameters; directly for both sets, under mitigating and idle for one",
        .keys = config_keys_session),
    KEY("status-interval", milliseconds, FIELD(config, status_interval_ms),
        "between periodic notifications of a mitigation's status", .min = 3000, .max = 3600000, .fallback = "15s"),
    KEY("active-but-terminating", map, PARENT,
        "mitigation goes on for this long after a withdrawal (RFC 9132 section 4.4.4)", .keys = keys_terminating,
        .check = config_rule_terminating),
    KEY("redirect", map, FIELD(config, redirect), "where clients are sent over the session limit or on drain",
        .keys = keys_redirect),
    KEY("limits", map, FIELD(config, limits), "limits of the whole gateway", .keys = keys_limits),
    KEY("admin", map, PARENT, "operators' interfaces", .keys = keys_admin),
    KEY("detectors", list, ENTRIES(config, detectors, detector_count), "who reports attacks", .of = &config_type_map,
        .keys = config_keys_detector, .max = 64, .check = config_rule_detector),
    KEY("attack-rules", list, ENTRIES(config, attack_rules, attack_rule_count),
        "what is asked for when detectors report what", .of = &config_type_map, .keys = config_keys_attack_rule,
        .max = 64, .check = config_rule_attack),
    KEY("log", map, PARENT, "what is logged and how", .keys = keys_log),
    {0},
};
