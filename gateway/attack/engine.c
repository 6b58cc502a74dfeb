/* engine: the policy, detectors and their targets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/attack/state.h"

/* ---- Policy ---- */

static struct scope_grant_prepared *grant_of(const struct config_prefixes *prefixes)
{
    struct wire_prefix *copy = calloc(prefixes->count + 1, sizeof(*copy));
    struct scope_grant_prepared *grant;

    if (!copy)
        return NULL;
    for (size_t i = 0; i < prefixes->count; i++) {
        memcpy(copy[i].addr, prefixes->at[i].addr, sizeof(copy[i].addr));
        copy[i].family = prefixes->at[i].family;
        copy[i].length = prefixes->at[i].length;
    }
    grant = scope_grant_prepare(&(struct scope_grant){.prefixes = copy, .prefix_count = prefixes->count});
    free(copy);
    return grant;
}

static bool listens_to(const struct config_attack_rule *rule, const char *detector)
{
    for (size_t i = 0; i < rule->detectors.count; i++) {
        if (strcmp(rule->detectors.at[i], detector) == 0)
            return true;
    }
    return rule->detectors.count == 0;
}

static int policy_fill(struct attack_policy *policy, const struct config *config)
{
    for (size_t i = 0; i < config->detector_count; i++) {
        policy->detectors[i] = grant_of(&config->detectors[i].targets);
        if (!policy->detectors[i])
            return -1;
        policy->detector_count++;
        for (size_t j = 0; j < config->attack_rule_count; j++)
            policy->masks[i] |= (uint64_t)listens_to(&config->attack_rules[j], config->detectors[i].name) << j;
    }
    policy->rule_count = config->attack_rule_count;
    for (size_t i = 0; i < config->attack_rule_count; i++) {
        if (config->attack_rules[i].targets.count == 0)
            continue;
        policy->rules[i] = grant_of(&config->attack_rules[i].targets);
        if (!policy->rules[i])
            return -1;
    }
    return 0;
}

struct attack_policy *attack_policy_new(const struct config *config)
{
    struct attack_policy *policy = calloc(1, sizeof(*policy));

    if (!policy)
        return NULL;
    policy->config = config;
    policy->detectors = calloc(config->detector_count + 1, sizeof(*policy->detectors));
    policy->rules = calloc(config->attack_rule_count + 1, sizeof(*policy->rules));
    policy->masks = calloc(config->detector_count + 1, sizeof(*policy->masks));
    if (policy->detectors && policy->rules && policy->masks && config->attack_rule_count <= RULES_MAX &&
        policy_fill(policy, config) == 0)
        return policy;
    attack_policy_free(policy);
    return NULL;
}

/* The configuration may be gone already. */
void attack_policy_free(struct attack_policy *policy)
{
    if (!policy)
        return;
    for (size_t i = 0; policy->detectors && i < policy->detector_count; i++)
        scope_grant_release(policy->detectors[i]);
    for (size_t i = 0; policy->rules && i < policy->rule_count; i++)
        scope_grant_release(policy->rules[i]);
    free((void *)policy->detectors);
    free((void *)policy->rules);
    free(policy->masks);
    free(policy);
}

static size_t detector_index(const struct attack_policy *policy, const char *name)
{
    size_t i = 0;

    while (i < policy->config->detector_count && strcmp(policy->config->detectors[i].name, name) != 0)
        i++;
    return i;
}

static const struct config_detector *config_of(const struct attacks *attacks, const struct source *source)
{
    return &attacks->policy->config->detectors[source->index];
}

/* ---- Life ---- */

struct attacks *attacks_new(const struct attack_policy *policy, const struct attack_effects *effects, void *arg)
{
    struct attacks *attacks = calloc(1, sizeof(*attacks));

    if (!attacks)
        return NULL;
    attacks->policy = policy;
    attacks->effects = effects;
    attacks->arg = arg;
    attacks->due = deadline_heap_new();
    attacks->protections_due = deadline_heap_new();
    if (attacks->due && attacks->protections_due)
        return attacks;
    attacks_free(attacks);
    return NULL;
}

/* One that is in no list. */
static void seen_drop(struct attacks *attacks, struct seen *seen)
{
    deadline_cancel(attacks->due, &seen->due);
    HASH_DEL(seen->source->seen, seen);
    attacks->seen_count--;
    free(seen->triggers);
    free(seen);
}

static void seen_free(struct attacks *attacks, struct seen *seen)
{
    DL_DELETE(seen->source->listed, seen);
    seen_drop(attacks, seen);
}

static void source_free(struct attacks *attacks, struct source *source)
{
    struct seen *next;

    for (struct seen *seen = source->listed; seen; seen = next) {
        next = seen->next;
        seen_drop(attacks, seen);
    }
    free(source);
}

void attacks_free(struct attacks *attacks)
{
    if (!attacks)
        return;
    for (size_t i = 0; i < attacks->source_count; i++)
        source_free(attacks, attacks->sources[i]);
    protections_free(attacks);
    deadline_heap_free(attacks->due);
    deadline_heap_free(attacks->protections_due);
    free(attacks);
}

/* ---- Reports ---- */

/* Of a configured detector; NULL: out of memory. */
static struct source *source_get(struct attacks *attacks, const char *name, size_t index)
{
    struct source *source;

    for (size_t i = 0; i < attacks->source_count; i++) {
        if (attacks->sources[i]->index == index)
            return attacks->sources[i];
    }
    source = attacks->source_count < DETECTORS_MAX ? calloc(1, sizeof(*source)) : NULL;
    if (!source)
        return NULL;
    snprintf(source->name, sizeof(source->name), "%s", name);
    source->index = index;
    source->allowance = 2.0 * attacks->policy->config->detectors[index].requests_per_second;
    attacks->sources[attacks->source_count++] = source;
    return source;
}

bool attacks_allow(struct attacks *attacks, int64_t now, const char *detector)
{
    size_t index = detector_index(attacks->policy, detector);
    struct source *source =
        index < attacks->policy->config->detector_count ? source_get(attacks, detector, index) : NULL;
    double rate;

    if (!source)
        return true; /* attacks_report says what is wrong */
    rate = config_of(attacks, source)->requests_per_second;
    if (source->allowance_ms)
        source->allowance += (double)(now - source->allowance_ms) * rate / 1000;
    source->allowance_ms = now;
    if (source->allowance > 2 * rate)
        source->allowance = 2 * rate;
    if (source->allowance < 1)
        return false;
    source->allowance -= 1;
    return true;
}

static struct seen *seen_new(struct attacks *attacks, struct source *source, const struct attack_report *report,
                             int64_t now)
{
    struct seen *seen = calloc(1, sizeof(*seen));

    if (!seen)
        return NULL;
    seen->source = source;
    seen->report = *report;
    seen->first_ms = now;
    seen->triggers = calloc(attacks->policy->config->attack_rule_count + 1, sizeof(*seen->triggers));
    if (!seen->triggers || deadline_set(attacks->due, &seen->due, now) != 0) {
        free(seen->triggers);
        free(seen);
        return NULL;
    }
    HASH_ADD(hh, source->seen, report.target, sizeof(report->target), seen);
    if (!seen->hh.tbl) { /* HASH_NONFATAL_OOM */
        deadline_cancel(attacks->due, &seen->due);
        free(seen->triggers);
        free(seen);
        return NULL;
    }
    DL_APPEND(source->listed, seen);
    attacks->seen_count++;
    return seen;
}

enum attack_verdict attacks_report(struct attacks *attacks, int64_t now, const char *detector,
                                   const struct attack_report *report, char *reason)
{
    const struct attack_policy *policy = attacks->policy;
    size_t index = detector_index(policy, detector);
    char text[WIRE_PREFIX_TEXT];
    struct source *source;
    struct seen *seen;

    if (index == policy->config->detector_count) {
        snprintf(reason, ATTACK_REASON_MAX, "detector: there is no detector \"%.64s\"", detector);
        return ATTACK_UNKNOWN;
    }
    if (!policy_allows(policy->detectors[index], &report->target)) {
        snprintf(reason, ATTACK_REASON_MAX, "target: detector %s may not report %s; it is outside of its targets",
                 detector, wire_prefix_format(&report->target, text));
        return ATTACK_OUTSIDE;
    }
    snprintf(reason, ATTACK_REASON_MAX, "out of memory");
    source = source_get(attacks, detector, index);
    if (!source)
        return ATTACK_NO_MEMORY;
    HASH_FIND(hh, source->seen, &report->target, sizeof(report->target), seen);
    if (!seen && report->ended)
        return ATTACK_NOTED;
    if (!seen && HASH_COUNT(source->seen) >= config_of(attacks, source)->targets_max) {
        snprintf(reason, ATTACK_REASON_MAX, "detector %s has %u targets already, its targets-max; %s is not noted",
                 detector, config_of(attacks, source)->targets_max, wire_prefix_format(&report->target, text));
        return ATTACK_TOO_MANY;
    }
    if (!seen)
        seen = seen_new(attacks, source, report, now);
    if (!seen)
        return ATTACK_NO_MEMORY;
    seen->report = *report;
    seen->heard_ms = now;
    if (!seen_look(attacks, seen, now))
        seen_free(attacks, seen);
    return ATTACK_NOTED;
}

/* ---- Time ---- */

void attacks_tick(struct attacks *attacks, int64_t now)
{
    struct deadline *due;

    while ((due = deadline_pop_due(attacks->due, now))) {
        struct seen *seen = (struct seen *)((char *)due - offsetof(struct seen, due));

        if (!seen_look(attacks, seen, now))
            seen_free(attacks, seen);
    }
    protections_due(attacks, now);
}

int64_t attacks_next(const struct attacks *attacks)
{
    int64_t seen = deadline_next(attacks->due), protections = deadline_next(attacks->protections_due);

    if (seen < 0 || (protections >= 0 && protections < seen))
        seen = protections;
    return seen < 0 ? INT64_MAX : seen;
}

/* ---- Another policy ---- */

static size_t rule_index(const struct config *config, const char *name)
{
    size_t i = 0;

    while (i < config->attack_rule_count && strcmp(config->attack_rules[i].name, name) != 0)
        i++;
    return i;
}

static void release_all(struct attacks *attacks, struct seen *seen, const char *why)
{
    for (size_t i = 0; i < attacks->policy->config->attack_rule_count; i++)
        seen_release(attacks, seen, i, why);
}

/* What is left of a target under another policy. False: nothing, or out of memory. */
static bool carry_over(struct attacks *attacks, struct seen *seen, const struct attack_policy *policy, size_t index)
{
    const struct config *before = attacks->policy->config, *after = policy->config;
    struct seen moved = *seen;
    struct source source = {.index = index};
    struct trigger *triggers;

    if (index == after->detector_count || !policy_allows(policy->detectors[index], &seen->report.target))
        return false;
    triggers = calloc(after->attack_rule_count + 1, sizeof(*triggers));
    if (!triggers)
        return false;
    moved.source = &source;
    for (size_t i = 0; i < before->attack_rule_count; i++) {
        size_t at = rule_index(after, before->attack_rules[i].name);

        if (at < after->attack_rule_count && policy_concerns(policy, &moved, at))
            triggers[at] = seen->triggers[i];
        else
            seen_release(attacks, seen, i, "the rule concerns it no more");
    }
    free(seen->triggers);
    seen->triggers = triggers;
    return true;
}

/* What a detector has reported, without what is left out. */
static void sift(struct attacks *attacks, struct source *source, const struct attack_policy *policy, size_t index)
{
    struct seen *seen = source->listed, *next;

    source->listed = NULL;
    for (; seen; seen = next) {
        next = seen->next;
        if (carry_over(attacks, seen, policy, index)) {
            DL_APPEND(source->listed, seen);
            continue;
        }
        release_all(attacks, seen, "the detector may not report it any more");
        seen_drop(attacks, seen);
    }
    source->index = index;
}

static void look_at_all(struct attacks *attacks, struct source *source, int64_t now)
{
    struct seen *seen = source->listed, *next;

    source->listed = NULL;
    for (; seen; seen = next) {
        next = seen->next;
        if (seen_look(attacks, seen, now))
            DL_APPEND(source->listed, seen);
        else
            seen_drop(attacks, seen);
    }
}

void attacks_use(struct attacks *attacks, int64_t now, const struct attack_policy *policy)
{
    size_t count = 0;

    for (size_t i = 0; i < attacks->source_count; i++) {
        struct source *source = attacks->sources[i];
        size_t index = detector_index(policy, source->name);

        sift(attacks, source, policy, index);
        if (index < policy->config->detector_count)
            attacks->sources[count++] = source;
        else
            source_free(attacks, source);
    }
    attacks->source_count = count;
    attacks->policy = policy;
    for (size_t i = 0; i < count; i++)
        look_at_all(attacks, attacks->sources[i], now);
}
