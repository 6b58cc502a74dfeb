/* trigger: one rule at one target, from its condition being true to its release. */
#include <string.h>

#include "gateway/attack/state.h"

bool policy_allows(const struct scope_grant_prepared *grant, const struct wire_prefix *prefix)
{
    struct wire_prefix copy = *prefix;
    struct wire_target target = {.prefixes = &copy, .prefix_count = 1};
    char reason[SCOPE_REASON_MAX];

    return !grant || !scope_unauthorized_by(&target, grant, reason, sizeof(reason));
}

bool policy_concerns(const struct attack_policy *policy, const struct seen *seen, size_t rule)
{
    return (policy->masks[seen->source->index] >> rule & 1) && policy_allows(policy->rules[rule], &seen->report.target);
}

static bool reached(const struct attack_report *report, const struct config_condition *condition)
{
    for (int i = 0; i < CONFIG_FIGURES; i++) {
        if (condition->figures[i] && (!report->has[i] || report->figures[i] < condition->figures[i]))
            return false;
    }
    return true;
}

/* Without conditions any report will do. */
static bool any_reached(const struct attack_report *report, const struct config_condition *conditions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (reached(report, &conditions[i]))
            return true;
    }
    return count == 0;
}

static void move(struct trigger *trigger, enum trigger_state state, int64_t since)
{
    trigger->state = state;
    trigger->since_ms = since;
}

static void fire(struct attacks *attacks, struct seen *seen, size_t index, int64_t now)
{
    const struct config_attack_rule *rule = &attacks->policy->config->attack_rules[index];
    struct trigger *trigger = &seen->triggers[index];
    const struct protection *root;

    move(trigger, TRIGGER_FIRED, now);
    attacks->fired_count++;
    trigger->protection = protect(attacks, seen, rule, now);
    root = trigger->protection ? protection_root(trigger->protection) : NULL;
    attacks->effects->event(attacks->arg, &(struct attack_event){.kind = ATTACK_FIRED,
                                                                 .rule = rule->name,
                                                                 .detector = seen->source->name,
                                                                 .report = &seen->report,
                                                                 .prefix = root ? &root->prefix : &seen->report.target,
                                                                 .mid = root ? root->mid : 0});
}

void seen_release(struct attacks *attacks, struct seen *seen, size_t index, const char *why)
{
    struct trigger *trigger = &seen->triggers[index];
    const struct protection *root = trigger->protection ? protection_root(trigger->protection) : NULL;
    bool fired = trigger->state == TRIGGER_FIRED || trigger->state == TRIGGER_FALLING;
    struct attack_event event = {.kind = ATTACK_RELEASED,
                                 .rule = attacks->policy->config->attack_rules[index].name,
                                 .detector = seen->source->name,
                                 .report = &seen->report,
                                 .why = why,
                                 .prefix = root ? &root->prefix : &seen->report.target,
                                 .mid = root ? root->mid : 0};

    if (fired) {
        attacks->effects->event(attacks->arg, &event);
        attacks->fired_count--;
        if (trigger->protection)
            unprotect(attacks, trigger->protection);
    }
    trigger->protection = NULL;
    move(trigger, TRIGGER_IDLE, 0);
}

static void fall(struct attacks *attacks, struct seen *seen, size_t index, int64_t now, bool silent)
{
    const struct config_attack_rule *rule = &attacks->policy->config->attack_rules[index];
    struct trigger *trigger = &seen->triggers[index];

    if (trigger->state == TRIGGER_FIRED)
        move(trigger, TRIGGER_FALLING, silent ? seen->heard_ms + rule->silence_ms : now);
    if (now - trigger->since_ms >= rule->release_ms)
        seen_release(attacks, seen, index,
                     silent               ? "nothing was reported any more"
                     : seen->report.ended ? "the detector says that it has ended"
                                          : "it stayed below");
}

/* When to look at a trigger again, unless something is reported before; INT64_MAX: never. */
static int64_t look_again(const struct config_attack_rule *rule, const struct seen *seen, const struct trigger *trigger)
{
    int64_t silent = seen->heard_ms + rule->silence_ms, next = silent;

    if (trigger->state == TRIGGER_IDLE)
        return INT64_MAX;
    if (trigger->state == TRIGGER_FALLING)
        next = trigger->since_ms + rule->release_ms;
    else if (trigger->state == TRIGGER_PENDING && trigger->since_ms + rule->hold_ms < silent)
        next = trigger->since_ms + rule->hold_ms;
    return next;
}

static int64_t trigger_look(struct attacks *attacks, struct seen *seen, size_t index, int64_t now)
{
    const struct config_attack_rule *rule = &attacks->policy->config->attack_rules[index];
    struct trigger *trigger = &seen->triggers[index];
    const struct attack_report *report = &seen->report;
    bool silent = now - seen->heard_ms >= rule->silence_ms, over = silent || report->ended;

    if (trigger->state == TRIGGER_IDLE && !over && any_reached(report, rule->when, rule->when_count))
        move(trigger, TRIGGER_PENDING, now);
    if (trigger->state == TRIGGER_PENDING) {
        if (over || !any_reached(report, rule->when, rule->when_count))
            move(trigger, TRIGGER_IDLE, 0);
        else if (now - trigger->since_ms >= rule->hold_ms)
            fire(attacks, seen, index, now);
    } else if (trigger->state != TRIGGER_IDLE) {
        if (over || !any_reached(report, rule->until, rule->until_count))
            fall(attacks, seen, index, now, silent);
        else if (trigger->state == TRIGGER_FALLING)
            move(trigger, TRIGGER_FIRED, now);
        if (trigger->state == TRIGGER_FIRED && !trigger->protection) /* there was no room */
            trigger->protection = protect(attacks, seen, rule, now);
    }
    return look_again(rule, seen, trigger);
}

#define KEPT_MS 60000 /* a target of which nothing is left to do is shown for so long */

bool seen_look(struct attacks *attacks, struct seen *seen, int64_t now)
{
    const struct config *config = attacks->policy->config;
    int64_t next = INT64_MAX, kept = seen->report.ended ? now : seen->heard_ms + KEPT_MS;

    for (size_t i = 0; i < config->attack_rule_count; i++) {
        int64_t again;

        if (!policy_concerns(attacks->policy, seen, i))
            continue;
        again = trigger_look(attacks, seen, i, now);
        next = again < next ? again : next;
    }
    /* It is in the heap, or was a moment ago: this takes no memory. */
    deadline_set(attacks->due, &seen->due, next < INT64_MAX ? next : kept);
    return next < INT64_MAX || kept > now;
}
