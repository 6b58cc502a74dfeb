/* keys_detectors: the tables of detectors and of what follows from their reports. */
#include "gateway/config/rules.h"
#include "gateway/config/schema.h"

const struct config_key config_keys_detector[] = {
    KEY("name", name, FIELD(config_detector, name), "the detector's name in tokens-file, rules, logs and tools",
        .max = 64, .required = true),
    KEY("targets", list, ENTRIES(config_detector, targets.at, targets.count), "addresses that it may report",
        .of = &config_type_prefix, .min = 1, .max = 65536, .required = true),
    KEY("san", san, FIELD(config_detector, san), "a subjectAltName of its certificate"),
    KEY("spki-sha256", hash, FIELD(config_detector, spki), "hash of the DER SubjectPublicKeyInfo of its certificate"),
    KEY("targets-max", integer, FIELD(config_detector, targets_max), "targets that are held of it at once", .min = 1,
        .max = 100000, .fallback = "1000"),
    KEY("requests-per-second", integer, FIELD(config_detector, requests_per_second),
        "and twice that in a burst; a body of Alertmanager is one", .min = 1, .max = 100000, .fallback = "100"),
    {0},
};

static const struct config_key keys_condition[] = {
    KEY("pps", quantity, FIELD(config_condition, figures[CONFIG_PPS]), "at least so many packets a second"),
    KEY("bps", quantity, FIELD(config_condition, figures[CONFIG_BPS]), "at least so many bits a second"),
    KEY("connections", quantity, FIELD(config_condition, figures[CONFIG_CONNECTIONS]), "at least so many connections"),
    KEY("sources", quantity, FIELD(config_condition, figures[CONFIG_SOURCES]), "at least so many source addresses"),
    {0},
};

const struct config_key config_keys_attack_rule[] = {
    KEY("name", name, FIELD(config_attack_rule, name), "the rule's name in logs and tools", .max = 64,
        .required = true),
    KEY("detectors", list, ENTRIES(config_attack_rule, detectors.at, detectors.count), "whose reports count",
        .of = &config_type_name, .max = 64, .shown = "all"),
    KEY("targets", list, ENTRIES(config_attack_rule, targets.at, targets.count), "attacks on these addresses only",
        .of = &config_type_prefix, .max = 65536, .shown = "all that its detectors may report"),
    KEY("when", list, ENTRIES(config_attack_rule, when, when_count), "fires when all figures of any entry are reached",
        .of = &config_type_map, .keys = keys_condition, .min = 1, .max = 16, .check = config_rule_condition,
        .shown = "with any report"),
    KEY("until-below", list, ENTRIES(config_attack_rule, until, until_count),
        "releases when of each entry a figure is not reached", .of = &config_type_map, .keys = keys_condition, .min = 1,
        .max = 16, .check = config_rule_condition, .shown = "80 % of when"),
    KEY("hold", milliseconds, FIELD(config_attack_rule, hold_ms), "for so long when must be true before it fires",
        .max = 3600000, .fallback = "10s"),
    KEY("release-after", milliseconds, FIELD(config_attack_rule, release_ms),
        "for so long it must be below before it releases", .max = 86400000, .fallback = "1m"),
    KEY("silence", milliseconds, FIELD(config_attack_rule, silence_ms),
        "without a report for so long the attack counts as below", .min = 1000, .max = 86400000, .fallback = "2m"),
    KEY("lifetime", seconds, FIELD(config_attack_rule, lifetime),
        "of the mitigation request; refreshed at half of it while the attack lasts", .min = 10, .max = 86400,
        .fallback = "15m"),
    KEY("ipv4-length", integer, FIELD(config_attack_rule, length4),
        "prefix length that an IPv4 address is widened to, as far as the detector's targets reach", .min = 8, .max = 32,
        .fallback = "32"),
    KEY("ipv6-length", integer, FIELD(config_attack_rule, length6), "the same for IPv6", .min = 16, .max = 128,
        .fallback = "128"),
    KEY("narrow", boolean, FIELD(config_attack_rule, narrow),
        "true: ask for the reported protocols and ports only, where there are any", .fallback = "false"),
    {0},
};
