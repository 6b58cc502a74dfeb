/* words: KEY=VALUE words of a scenario line. */

#include "tests/support/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(bool good, const char *value)
{
    if (good)
        return;
    fprintf(stderr, "scenario: cannot be understood: %s\n", value);
    exit(1);
}

const char *word_value(char **words, const char *key)
{
    size_t length = strlen(key);

    for (size_t i = 0; words[i]; i++)
        if (strncmp(words[i], key, length) == 0 && words[i][length] == '=')
            return words[i] + length + 1;
    return NULL;
}

bool word_there(char **words, const char *word)
{
    for (size_t i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

long long word_number(char **words, const char *key, long long otherwise)
{
    const char *value = word_value(words, key);
    char *end;
    long long number;

    if (!value)
        return otherwise;
    number = strtoll(value, &end, 10);
    need(end != value && *end == '\0', value);
    return number;
}

bool word_pair(const char *word, char between, unsigned long *first, unsigned long *second)
{
    char *end;

    *first = strtoul(word, &end, 10);
    if (end == word || *end != between)
        return false;
    word = end + 1;
    *second = strtoul(word, &end, 10);
    return end != word && *end == '\0';
}

static size_t split(char *text, const char **items)
{
    size_t count = 0;

    for (char *item = strtok(text, ","); item && count < WORDS_LIST_MAX; item = strtok(NULL, ","))
        items[count++] = item;
    return count;
}

void word_scope(char **words, struct scope_words *out)
{
    struct wire_target *target = &out->scope.target;
    const char *items[WORDS_LIST_MAX], *value;
    size_t count;

    memset(out, 0, sizeof(*out));
    out->scope.trigger = !word_there(words, "preconfigured");
    out->scope.has_trigger = !out->scope.trigger;
    target->prefixes = out->prefixes;
    target->port_ranges = out->ranges;
    target->protocols = out->protocols;
    target->fqdns.at = out->fqdns;
    target->uris.at = out->uris;
    if ((value = word_value(words, "prefix"))) {
        snprintf(out->text, sizeof(out->text), "%s", value);
        count = split(out->text, items);
        target->prefix_count = count;
        for (size_t i = 0; i < count; i++)
            need(wire_prefix_parse(items[i], true, &out->prefixes[i]) == 0, value);
    }
    if ((value = word_value(words, "ports"))) {
        unsigned long lower, upper;

        need(word_pair(value, '-', &lower, &upper), value);
        out->ranges[0] = (struct wire_port_range){(uint16_t)lower, (uint16_t)upper};
        target->port_range_count = 1;
    }
    if ((value = word_value(words, "fqdn"))) {
        out->fqdns[0] = value;
        target->fqdns.count = 1;
    }
    if ((value = word_value(words, "uri"))) {
        out->uris[0] = value;
        target->uris.count = 1;
    }
    out->scope.has_lifetime = word_value(words, "lifetime") != NULL;
    out->scope.lifetime = word_number(words, "lifetime", 0);
    out->scope.status = (enum wire_status)word_number(words, "status", 0);
    out->scope.attack_status = (enum wire_attack_status)word_number(words, "attack", 0);
    out->scope.has_mid = word_value(words, "mid") != NULL;
    out->scope.mid = (uint32_t)word_number(words, "mid", 0);
    out->scope.has_pkts = word_value(words, "pkts") != NULL;
    out->scope.pkts_dropped = (uint64_t)word_number(words, "pkts", 0);
    out->scope.has_bytes = word_value(words, "bytes") != NULL;
    out->scope.bytes_dropped = (uint64_t)word_number(words, "bytes", 0);
    if ((value = word_value(words, "conflict"))) {
        unsigned long status, cause;

        need(word_pair(value, '/', &status, &cause), value);
        out->conflict.status = (enum wire_conflict_status)status;
        out->conflict.cause = (enum wire_conflict_cause)cause;
        out->conflict.has_retry_timer = word_value(words, "retry") != NULL;
        out->conflict.retry_timer = (uint32_t)word_number(words, "retry", 0);
        out->conflict.has_mid = word_value(words, "conflict-mid") != NULL;
        out->conflict.mid = (uint32_t)word_number(words, "conflict-mid", 0);
        out->scope.conflict = &out->conflict;
        out->conflict.target = *target;
        memset(target, 0, sizeof(*target));
    }
}

/* Index of a word in a list; ends the process when it is not there. */
static size_t one_of(const char *word, const char *const *list, size_t count)
{
    size_t i = 0;

    while (i < count && strcmp(list[i], word) != 0)
        i++;
    if (i == count) {
        fprintf(stderr, "what is \"%s\"?\n", word);
        exit(EXIT_FAILURE);
    }
    return i;
}

void word_policy(char **words, struct relay_policy *out)
{
    static const char *const recursions[] = {"always", "never", "manual", "on-exceeded"}; /* as the enum */
    static const char *const fan_outs[] = {"by-prefix", "serial"};
    const char *fan_out = word_value(words, "fan-out"), *recursion = word_value(words, "recursion");

    out->response_wait_ms = (uint32_t)word_number(words, "wait", 1000);
    out->reject_conflicts = word_there(words, "reject");
    if (fan_out)
        out->fan_out = one_of(fan_out, fan_outs, 2) == 0 ? RELAY_FAN_OUT_BY_PREFIX : RELAY_FAN_OUT_SERIAL;
    if (recursion)
        out->recursion = (enum relay_recursion)one_of(recursion, recursions, 4);
    out->failover_wait_ms = (uint32_t)word_number(words, "failover", 10000);
    out->mitigations_max = (size_t)word_number(words, "mitigations", 100000);
}
