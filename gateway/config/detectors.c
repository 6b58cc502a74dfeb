/* detectors: what must hold of detectors, their tokens, and the rules about their reports. */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/config/file.h"
#include "gateway/config/rules.h"

#define TOKENS_FILE_MAX ((size_t)64 * 1024)
#define TOKEN_MIN 32u /* characters: a random one of 128 bits in hexadecimal digits */
#define TOKEN_MAX 256u
#define BLANKS " \t\r"

/* RFC 6750 section 2.1: b64token. */
#define TOKEN_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

#define KEPT_PERCENT 80 /* until-below, where it is not given */

/* ---- One mapping ---- */

int config_rule_detector(struct loader *loader, const struct node *map, void *base)
{
    (void)loader;
    ((struct config_detector *)base)->has_spki = config_node_find(map, "spki-sha256") != NULL;
    return 0;
}

int config_rule_condition(struct loader *loader, const struct node *map, void *base)
{
    (void)base;
    if (map->count > 0)
        return 0;
    return config_fault(loader, map,
                        "an entry needs one or more of pps, bps, connections, sources; leave out when "
                        "for a rule that fires with any report");
}

/* Whenever all figures of one are reached, all of the other are. */
static bool implies(const struct config_condition *one, const struct config_condition *other)
{
    for (int i = 0; i < CONFIG_FIGURES; i++) {
        if (other->figures[i] > one->figures[i])
            return false;
    }
    return true;
}

/* What fires must not be below at once. */
static int check_hysteresis(struct loader *loader, const struct node *map, const struct config_attack_rule *rule)
{
    const struct node *place = config_node_find(map, "until-below");

    for (size_t i = 0; i < rule->when_count; i++) {
        bool any = false;

        for (size_t j = 0; j < rule->until_count && !any; j++)
            any = implies(&rule->when[i], &rule->until[j]);
        if (!any)
            return config_fault(loader, place,
                                "until-below: entry %zu of when can be true while this is below already; give an entry "
                                "here with its figures, none higher and no others",
                                i + 1);
    }
    return 0;
}

static int default_until(struct loader *loader, const struct node *map, struct config_attack_rule *rule)
{
    if (rule->when_count == 0)
        return 0;
    rule->until = calloc(rule->when_count, sizeof(*rule->until));
    if (!rule->until)
        return config_fault(loader, map, "out of memory");
    rule->until_count = rule->when_count;
    for (size_t i = 0; i < rule->when_count; i++) {
        for (int j = 0; j < CONFIG_FIGURES; j++) {
            uint64_t figure = rule->when[i].figures[j];

            rule->until[i].figures[j] = figure ? (figure * KEPT_PERCENT + 99) / 100 : 0;
        }
    }
    return 0;
}

int config_rule_attack(struct loader *loader, const struct node *map, void *base)
{
    struct config_attack_rule *rule = base;
    const struct node *until = config_node_find(map, "until-below"), *hold = config_node_find(map, "hold");

    if (rule->hold_ms / 1000 > rule->lifetime / 2)
        return config_fault(
            loader, hold ? hold : map,
            "hold: it must not be longer than half of lifetime (%u s), so that after a restart the rule "
            "fires again before its mitigation ends",
            rule->lifetime);
    if (until && rule->when_count == 0)
        return config_fault(loader, until, "until-below: when is missing; without it there is nothing to be below of");
    return until ? check_hysteresis(loader, map, rule) : default_until(loader, map, rule);
}

/* ---- Tokens ---- */

struct token_line {
    const char *name;
    size_t name_length;
    const char *token;
    size_t token_length;
};

static struct config_detector *detector_named(struct config *config, const char *name, size_t length)
{
    for (size_t i = 0; i < config->detector_count; i++) {
        if (strlen(config->detectors[i].name) == length && memcmp(config->detectors[i].name, name, length) == 0)
            return &config->detectors[i];
    }
    return NULL;
}

/* "sha256:" and digits, or the token itself. */
static int hash_token(const struct token_line *line, uint8_t hash[32], char *reason, size_t size)
{
    static const char introduction[] = "sha256:";
    const size_t introduced = sizeof(introduction) - 1;
    char digits[65] = "";

    if (line->token_length > introduced && memcmp(line->token, introduction, introduced) == 0) {
        if (line->token_length == introduced + 64)
            memcpy(digits, line->token + introduced, 64);
        if (OPENSSL_hexstr2buf_ex(hash, 32, NULL, digits, 0) == 1 && digits[0])
            return 0;
        snprintf(reason, size,
                 "expected 64 hexadecimal digits after \"sha256:\"; make them with: printf %%s TOKEN | "
                 "sha256sum");
        return -1;
    }
    if (line->token_length < TOKEN_MIN || line->token_length > TOKEN_MAX ||
        strspn(line->token, TOKEN_CHARACTERS) < line->token_length) {
        snprintf(reason, size,
                 "the token must have %u to %u of letters, digits and -._~+/=; make one with: openssl rand -hex 32",
                 TOKEN_MIN, TOKEN_MAX);
        return -1;
    }
    SHA256((const unsigned char *)line->token, line->token_length, hash);
    return 0;
}

static bool token_is_taken(const struct config *config, const uint8_t hash[32])
{
    for (size_t i = 0; i < config->detector_count; i++) {
        for (unsigned j = 0; j < config->detectors[i].token_count; j++) {
            if (memcmp(config->detectors[i].tokens[j], hash, 32) == 0)
                return true;
        }
    }
    return false;
}

/* 0, or -1 with a reason, which has nothing of a token in it. */
static int take_line(struct config *config, const struct token_line *line, char *reason, size_t size)
{
    struct config_detector *detector = detector_named(config, line->name, line->name_length);
    uint8_t hash[32];

    if (line->token_length == 0) {
        snprintf(reason, size, "expected a detector's name and its token, with a space between");
        return -1;
    }
    if (!detector) {
        snprintf(reason, size,
                 "its first word is the name of no detector; add one under detectors, or remove the line");
        return -1;
    }
    if (detector->token_count == CONFIG_TOKENS_MAX) {
        snprintf(reason, size, "detector %s has %u tokens already; remove one", detector->name, CONFIG_TOKENS_MAX);
        return -1;
    }
    if (hash_token(line, hash, reason, size) != 0)
        return -1;
    if (token_is_taken(config, hash)) {
        snprintf(reason, size, "the token is given twice; each stands for one detector");
        return -1;
    }
    memcpy(detector->tokens[detector->token_count++], hash, sizeof(hash));
    return 0;
}

/* text ends with a NUL; one inside ends it, too. */
static int take_tokens(struct config *config, const char *text, char *reason, size_t size)
{
    unsigned number = 1;

    for (const char *at = text; *at; number++) {
        const char *end = at + strcspn(at, "\n");
        struct token_line line = {.name = at + strspn(at, BLANKS)};
        char why[192];

        line.name_length = strcspn(line.name, BLANKS "\n");
        line.token = line.name + line.name_length + strspn(line.name + line.name_length, BLANKS);
        line.token_length = strcspn(line.token, BLANKS "\n");
        if (line.name_length > 0 && *line.name != '#') {
            const char *rest = line.token + line.token_length;

            if (rest + strspn(rest, BLANKS) != end) {
                snprintf(reason, size, "line %u: there is more than a name and a token", number);
                return -1;
            }
            if (take_line(config, &line, why, sizeof(why)) != 0) {
                snprintf(reason, size, "line %u: %s", number, why);
                return -1;
            }
        }
        at = *end ? end + 1 : end;
    }
    return 0;
}

static int read_tokens(struct loader *loader, const struct node *place, struct config *config)
{
    const char *path = config->admin.detectors_tokens;
    struct config_bytes text = {0};
    char reason[256];
    int result;

    if (!path || !loader->read_files)
        return 0;
    config_warn_open(loader, path);
    result = config_file_read(path, TOKENS_FILE_MAX, &text, reason, sizeof(reason));
    if (result == 0)
        result = take_tokens(config, (const char *)text.at, reason, sizeof(reason));
    config_bytes_free(&text);
    return result == 0
               ? 0
               : config_fault(loader, config_node_find(place, "tokens-file"), "tokens-file: %s: %s", path, reason);
}

/* ---- Across the file ---- */

static int check_port(struct loader *loader, const struct node *place, const struct config *config)
{
    const struct node *listen = config_node_find(place, "listen");

    if (!config->tls.certificate)
        return config_fault(
            loader, listen,
            "listen: HTTPS needs tls: { certificate, private-key } in this file, which detectors are shown");
    if (config->detector_count == 0)
        return config_fault(loader, listen, "listen: there are no detectors; list them under detectors");
    return 0;
}

static bool same_identity(const struct config_detector *a, const struct config_detector *b)
{
    return (a->san && b->san && strcasecmp(a->san, b->san) == 0) ||
           (a->has_spki && b->has_spki && memcmp(a->spki, b->spki, sizeof(a->spki)) == 0);
}

static int check_identity(struct loader *loader, const struct node *entry, const struct config *config,
                          const struct config_detector *detector)
{
    for (const struct config_detector *other = config->detectors; other < detector; other++) {
        if (same_identity(other, detector))
            return config_fault(loader, entry,
                                "detectors %s and %s have the same certificate; an identity stands for one detector",
                                other->name, detector->name);
    }
    return 0;
}

static int check_detector(struct loader *loader, const struct node *entry, const struct config *config,
                          const struct config_detector *detector)
{
    const struct node *place = config_node_find(entry, detector->san ? "san" : "spki-sha256");

    if (place && !config->admin.detectors_listen)
        return config_fault(loader, place,
                            "%s: a detector shows its certificate at admin.detectors.listen, which is "
                            "missing",
                            detector->san ? "san" : "spki-sha256");
    if (place && !config->tls.trust_anchors)
        return config_fault(loader, place, "%s: certificates of detectors need tls.trust-anchors in this file",
                            detector->san ? "san" : "spki-sha256");
    if (!place && detector->token_count == 0 && loader->read_files && !config->admin.socket)
        log_warning("config-detector-mute",
                    "detector %s has neither a token nor a certificate, and there is no admin.socket: it cannot report",
                    detector->name);
    return 0;
}

static int check_rule(struct loader *loader, const struct node *entry, const struct config *config,
                      const struct config_attack_rule *rule)
{
    const struct node *list = config_node_find(entry, "detectors"), *name = list ? list->first : NULL;

    if (config->detector_count == 0)
        return config_fault(loader, entry, "attack-rules: there are no detectors; list them under detectors");
    for (size_t i = 0; name && i < rule->detectors.count; i++, name = name->next) {
        bool found = false;

        for (size_t j = 0; j < config->detector_count && !found; j++)
            found = strcmp(config->detectors[j].name, rule->detectors.at[i]) == 0;
        if (!found)
            return config_fault(loader, name, "detectors: there is no detector \"%s\"; add it under detectors",
                                rule->detectors.at[i]);
    }
    return 0;
}

int config_rule_detectors(struct loader *loader, const struct node *root, struct config *config)
{
    const struct node *admin = config_node_find(root, "admin");
    const struct node *port = admin ? config_node_find(admin, "detectors") : NULL;
    const struct node *detectors = config_node_find(root, "detectors"), *rules = config_node_find(root, "attack-rules");
    const struct node *entry = detectors ? detectors->first : NULL;

    if (port && (check_port(loader, port, config) != 0 || read_tokens(loader, port, config) != 0))
        return -1;
    for (size_t i = 0; entry && i < config->detector_count; i++, entry = entry->next) {
        if (check_detector(loader, entry, config, &config->detectors[i]) != 0 ||
            check_identity(loader, entry, config, &config->detectors[i]) != 0)
            return -1;
    }
    entry = rules ? rules->first : NULL;
    for (size_t i = 0; entry && i < config->attack_rule_count; i++, entry = entry->next) {
        if (check_rule(loader, entry, config, &config->attack_rules[i]) != 0)
            return -1;
    }
    return 0;
}
