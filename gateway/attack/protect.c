/*
 * protect: mitigation requests for fired triggers. A trigger joins what covers it; else what is there is widened, or
 * merged into a new one, with a higher mid, which takes the place of those that it overlaps (RFC 9132 section 4.4.1.3).
 * Nothing is narrowed before all of its triggers have released.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/attack/state.h"

#define RETRY_MS 30000 /* after a refusal */

struct protection *protection_root(struct protection *protection)
{
    while (protection->into)
        protection = protection->into;
    return protection;
}

/* ---- Scopes ---- */

/* To the rule's length, as far as the detector may report all of it. */
static struct wire_prefix widened(const struct attacks *attacks, const struct seen *seen,
                                  const struct config_attack_rule *rule)
{
    const struct scope_grant_prepared *grant = attacks->policy->detectors[seen->source->index];
    unsigned length = seen->report.target.family == 4 ? rule->length4 : rule->length6;

    for (; length < seen->report.target.length; length++) {
        struct wire_prefix prefix = seen->report.target;

        prefix.length = (uint8_t)length;
        for (unsigned i = 0; i < sizeof(prefix.addr); i++) {
            unsigned kept = length > 8 * i ? length - 8 * i : 0;

            prefix.addr[i] &= kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);
        }
        if (policy_allows(grant, &prefix))
            return prefix;
    }
    return seen->report.target;
}

static void scope_of(const struct attacks *attacks, const struct seen *seen, const struct config_attack_rule *rule,
                     struct protection *out)
{
    const struct attack_report *report = &seen->report;

    memset(out, 0, sizeof(*out));
    out->prefix = widened(attacks, seen, rule);
    out->lifetime = rule->lifetime;
    out->any_protocol = !rule->narrow || report->protocol_count == 0;
    out->any_port = !rule->narrow || report->port_count == 0;
    for (size_t i = 0; !out->any_protocol && i < report->protocol_count; i++)
        out->protocols[report->protocols[i] / 8] |= (uint8_t)(1u << report->protocols[i] % 8);
    if (!out->any_port) {
        memcpy(out->ports, report->ports, report->port_count * sizeof(out->ports[0]));
        out->port_count = report->port_count;
    }
}

static bool covers_ports(const struct protection *outer, const struct protection *inner)
{
    if (outer->any_port || inner->any_port)
        return outer->any_port;
    for (size_t i = 0; i < inner->port_count; i++) {
        bool covered = false;

        for (size_t j = 0; j < outer->port_count && !covered; j++)
            covered = outer->ports[j].lower <= inner->ports[i].lower && outer->ports[j].upper >= inner->ports[i].upper;
        if (!covered)
            return false;
    }
    return true;
}

static bool covers(const struct protection *outer, const struct protection *inner)
{
    if (!scope_prefix_contains(&outer->prefix, &inner->prefix) || (inner->any_protocol && !outer->any_protocol))
        return false;
    for (size_t i = 0; !outer->any_protocol && i < sizeof(outer->protocols); i++) {
        if (inner->protocols[i] & ~outer->protocols[i])
            return false;
    }
    return covers_ports(outer, inner);
}

/* to gets what from has besides; its prefix is the larger one already, or becomes it. */
static void unite(struct protection *to, const struct protection *from)
{
    if (from->prefix.length < to->prefix.length)
        to->prefix = from->prefix;
    if (from->lifetime > to->lifetime)
        to->lifetime = from->lifetime;
    to->any_protocol = to->any_protocol || from->any_protocol;
    for (size_t i = 0; i < sizeof(to->protocols); i++)
        to->protocols[i] |= from->protocols[i];
    if (!covers_ports(to, from)) {
        to->any_port = from->any_port || to->port_count + from->port_count > ATTACK_PORTS_MAX;
        for (size_t i = 0; !to->any_port && i < from->port_count; i++)
            to->ports[to->port_count++] = from->ports[i];
    }
}

/* ---- Asking ---- */

static void ask(struct attacks *attacks, struct protection *protection, int64_t now)
{
    struct wire_port_range ports[ATTACK_PORTS_MAX];
    struct wire_prefix prefix = protection->prefix;
    uint8_t protocols[256];
    struct wire_target target = {.prefixes = &prefix, .prefix_count = 1, .protocols = protocols, .port_ranges = ports};

    for (unsigned i = 0; !protection->any_protocol && i < sizeof(protocols); i++) {
        if (protection->protocols[i / 8] >> i % 8 & 1)
            protocols[target.protocol_count++] = (uint8_t)i;
    }
    if (!protection->any_port) {
        target.port_range_count = protection->port_count;
        memcpy(ports, protection->ports, sizeof(ports));
    }
    if (protection->mid == 0 || !attacks->effects->live(attacks->arg, protection->mid))
        protection->mid = ++attacks->last_mid;
    deadline_set(attacks->protections_due, &protection->due, now + (int64_t)protection->lifetime * 500);
    attacks->effects->ask(attacks->arg, protection->mid, &target, protection->lifetime);
}

static struct protection *find(const struct attacks *attacks, uint32_t mid)
{
    struct protection *protection;

    DL_FOREACH(attacks->protections, protection)
    {
        if (!protection->into && protection->mid == mid)
            return protection;
    }
    return NULL;
}

void attacks_answered(struct attacks *attacks, int64_t now, uint32_t mid, bool accepted, const char *why)
{
    struct protection *protection = find(attacks, mid);
    int64_t again = protection ? (int64_t)protection->lifetime * 500 : 0;

    if (!protection) /* another mid has taken its place, or it was withdrawn */
        return;
    if (!accepted && !protection->refused)
        attacks->effects->event(
            attacks->arg,
            &(struct attack_event){.kind = ATTACK_REFUSED, .why = why, .prefix = &protection->prefix, .mid = mid});
    protection->accepted = accepted;
    protection->refused = !accepted;
    deadline_set(attacks->protections_due, &protection->due, now + (accepted || again < RETRY_MS ? again : RETRY_MS));
}

/* ---- Life ---- */

static void remove_protection(struct attacks *attacks, struct protection *protection)
{
    deadline_cancel(attacks->protections_due, &protection->due);
    if (attacks->protections) /* always: it is in the list, which the analyzer cannot know */
        DL_DELETE(attacks->protections, protection);
    attacks->protection_count--;
    free(protection);
}

static struct protection *add(struct attacks *attacks, const struct protection *scope)
{
    struct protection *protection =
        attacks->protection_count < ATTACK_PROTECTIONS_MAX ? malloc(sizeof(*protection)) : NULL;

    if (!protection)
        return NULL;
    *protection = *scope;
    if (deadline_set(attacks->protections_due, &protection->due, INT64_MAX) != 0) {
        free(protection);
        return NULL;
    }
    DL_APPEND(attacks->protections, protection);
    attacks->protection_count++;
    return protection;
}

/* Everything that lies inside of it becomes part of it. */
static void merge(struct attacks *attacks, struct protection *to)
{
    struct protection *other, *next;

    DL_FOREACH_SAFE(attacks->protections, other, next)
    {
        if (other == to || other->into || !scope_prefix_contains(&to->prefix, &other->prefix))
            continue;
        unite(to, other);
        to->demands += other->demands;
        other->into = to;
        deadline_cancel(attacks->protections_due, &other->due);
        if (other->pointers == 0 && other->demands == 0) /* adopted: the new request takes its place */
            remove_protection(attacks, other);
        else
            to->pointers++;
    }
}

struct protection *protect(struct attacks *attacks, const struct seen *seen, const struct config_attack_rule *rule,
                           int64_t now)
{
    struct protection wanted, *found = NULL, *each;
    bool covered;

    scope_of(attacks, seen, rule, &wanted);
    DL_FOREACH(attacks->protections, each)
    {
        if (!each->into && scope_prefix_contains(&each->prefix, &wanted.prefix))
            found = each;
    }
    covered = found && covers(found, &wanted);
    if (!found) {
        found = add(attacks, &wanted);
        if (!found)
            return NULL;
        merge(attacks, found);
    } else if (!covered) {
        unite(found, &wanted);
        found->mid = 0;
    }
    found->pointers++;
    found->demands++;
    if (wanted.lifetime > found->lifetime)
        found->lifetime = wanted.lifetime;
    /* One that was adopted is not refreshed by anybody else. */
    if (!covered || found->demands == 1)
        ask(attacks, found, now);
    return found;
}

/* Those that nobody points to any more, up to the root. */
static void let_go(struct attacks *attacks, struct protection *protection)
{
    while (protection && --protection->pointers == 0 && protection->into) {
        struct protection *into = protection->into;

        remove_protection(attacks, protection);
        protection = into;
    }
}

void unprotect(struct attacks *attacks, struct protection *protection)
{
    struct protection *root = protection_root(protection);
    struct wire_prefix prefix = root->prefix;

    if (--root->demands > 0) {
        let_go(attacks, protection);
        return;
    }
    let_go(attacks, protection); /* nobody else points to it: the root is what is left */
    remove_protection(attacks, root);
    attacks->effects->withdraw(attacks->arg, &prefix);
}

void protections_due(struct attacks *attacks, int64_t now)
{
    struct deadline *due;

    while ((due = deadline_pop_due(attacks->protections_due, now))) {
        struct protection *protection = (struct protection *)((char *)due - offsetof(struct protection, due));

        if (protection->demands > 0)
            ask(attacks, protection, now);
        else
            remove_protection(attacks, protection);
    }
}

void protections_free(struct attacks *attacks)
{
    struct protection *protection, *next;

    DL_FOREACH_SAFE(attacks->protections, protection, next)
    {
        DL_DELETE(attacks->protections, protection);
        free(protection);
    }
}

static void take_scope(struct protection *protection, const struct wire_target *target)
{
    protection->any_protocol = target->protocol_count == 0;
    for (size_t i = 0; i < target->protocol_count; i++)
        protection->protocols[target->protocols[i] / 8] |= (uint8_t)(1u << target->protocols[i] % 8);
    protection->any_port = target->port_range_count == 0;
    for (size_t i = 0; i < target->port_range_count; i++)
        protection->ports[protection->port_count++] = target->port_ranges[i];
}

void attacks_adopt(struct attacks *attacks, uint32_t mid, const struct wire_target *target, bool live,
                   int64_t expires_ms)
{
    struct protection scope = {.mid = mid, .lifetime = 1, .accepted = true}, *protection;

    if (mid > attacks->last_mid)
        attacks->last_mid = mid;
    if (!live || target->prefix_count != 1 || target->port_range_count > ATTACK_PORTS_MAX)
        return;
    scope.prefix = target->prefixes[0];
    take_scope(&scope, target);
    protection = add(attacks, &scope);
    if (protection)
        deadline_set(attacks->protections_due, &protection->due, expires_ms);
}
