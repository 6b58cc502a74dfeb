/* inspect: what is known of attacks, for operators. */
#include <string.h>

#include "gateway/attack/state.h"

static int view(const struct attacks *attacks, const struct seen *seen,
                int (*each)(void *arg, const struct attack_view *view), void *arg)
{
    static const char *const states[] = {[TRIGGER_IDLE] = "idle",
                                         [TRIGGER_PENDING] = "pending",
                                         [TRIGGER_FIRED] = "fired",
                                         [TRIGGER_FALLING] = "falling"};
    struct attack_view out = {.detector = seen->source->name,
                              .report = &seen->report,
                              .first_ms = seen->first_ms,
                              .heard_ms = seen->heard_ms};
    const struct config *config = attacks->policy->config;
    int status = 0;

    for (size_t i = 0; i < config->attack_rule_count && status == 0; i++) {
        const struct trigger *trigger = &seen->triggers[i];
        const struct protection *root = trigger->protection ? protection_root(trigger->protection) : NULL;

        if (!policy_concerns(attacks->policy, seen, i))
            continue;
        out.rule = config->attack_rules[i].name;
        out.state = states[trigger->state];
        out.since_ms = trigger->since_ms;
        out.mid = root ? root->mid : 0;
        out.accepted = root && root->accepted;
        status = each(arg, &out);
    }
    return out.rule ? status : each(arg, &out);
}

int attacks_each(const struct attacks *attacks, int (*each)(void *arg, const struct attack_view *view), void *arg)
{
    const struct seen *seen;
    int status;

    for (size_t i = 0; i < attacks->source_count; i++) {
        DL_FOREACH(attacks->sources[i]->listed, seen)
        {
            status = view(attacks, seen, each, arg);
            if (status != 0)
                return status;
        }
    }
    return 0;
}

void attacks_totals(const struct attacks *attacks, struct attack_totals *out)
{
    const struct protection *protection;

    *out = (struct attack_totals){.targets = attacks->seen_count, .fired = attacks->fired_count};
    DL_FOREACH(attacks->protections, protection)
    {
        out->protections += protection->into == NULL;
    }
}

size_t attacks_targets(const struct attacks *attacks, const char *detector)
{
    for (size_t i = 0; i < attacks->source_count; i++) {
        if (strcmp(attacks->sources[i]->name, detector) == 0)
            return HASH_COUNT(attacks->sources[i]->seen);
    }
    return 0;
}
