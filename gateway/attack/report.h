/*
 * report: what a detector says of one attack, from JSON of its own form or from that of Prometheus' Alertmanager.
 *
 * Words: a *figure* is one of pps, bps, connections, sources; what a report does not have is unknown, and reaches no
 * threshold. Pure. All input is hostile: numbers, counts and lengths are bounded here; whether a detector may name the
 * target is not asked here.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/wire/wire.h"

#define ATTACK_FIGURE_MAX UINT64_C(1000000000000000) /* a larger one counts as this */
#define ATTACK_PROTOCOLS_MAX 16u
#define ATTACK_PORTS_MAX 16u    /* ranges */
#define ATTACK_ALERTS_MAX 1024u /* of one body */
#define ATTACK_REASON_MAX 256u

struct attack_report {
    struct wire_prefix target;
    bool has[CONFIG_FIGURES];
    uint64_t figures[CONFIG_FIGURES];
    uint8_t protocols[ATTACK_PROTOCOLS_MAX]; /* none: any */
    size_t protocol_count;
    struct wire_port_range ports[ATTACK_PORTS_MAX]; /* none: any */
    size_t port_count;
    bool ended;
};

extern const char *const attack_figure_names[CONFIG_FIGURES];

/* The members that a report may have, ended by NULL; "detector" is for who gets it. */
extern const char *const attack_members[];

/* 0, or -1 with a sentence in reason (ATTACK_REASON_MAX bytes). body: any JSON. */
int attack_report_decode(const json_t *body, struct attack_report *out, char *reason);

/*
 * Alertmanager's webhook (version "4"). Returns the number of alerts, each to be taken by attack_alert_decode, or -1
 * with a sentence.
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
int attack_alerts(const json_t *body, char *reason);
/* By its index. 0, or -1 with a sentence that begins with the alert's number. */
int attack_alert_decode(const json_t *body, size_t index, struct attack_report *out, char *reason);
