/*
 * nat: random mappings, random traffic through the relay (requests, refreshes, efficacy updates, withdrawals,
 * losses, crashes, other mappings after one), against a model that knows single addresses only. No internal address is
 * ever in what goes to an upstream, nothing goes there that nobody asked for, what can be said outside is not
 * refused, and what upstreams say reaches each client in terms of its own request.
 * links: test_support aggregation wire
 *
 * DOTSGW_SEED replays one history, DOTSGW_HISTORIES says how many are run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/property/nat_model.h"
#include "tests/support/world.h"
#include "tests/unit/seeded_random.h"

#define CLIENTS 4
#define MIDS 80
#define STEPS 150
#define OUTSTANDING_MAX 512
#define SENT_MAX 256
#define UPSTREAMS 2

struct outstanding {
    struct install *install;
    bool withdraw;
};

struct history {
    struct world world;
    struct asked asked[CLIENTS][MIDS];
    uint32_t next_mid[CLIENTS];
    struct outstanding outstanding[OUTSTANDING_MAX];
    size_t outstanding_count;
    struct wire_prefix sent[SENT_MAX]; /* of conflicts, by upstreams */
    size_t sent_count;
    bool changed; /* other mappings since the start */
    unsigned puts, conflicts, refusals;
};

/* ---- What goes out ---- */

static bool somebody_asked(const struct history *history, uint32_t address)
{
    for (unsigned client = 0; client < CLIENTS; client++)
        for (uint32_t mid = 0; mid < history->next_mid[client]; mid++) {
            const struct asked *asked = &history->asked[client][mid];

            for (size_t i = 0; i < asked->target.prefix_count; i++) {
                if (in(&asked->prefixes[i], address))
                    return true;
                for (size_t k = 0; k < history->world.policy.nat_count; k++) {
                    const struct nat_mapping *mapping = &history->world.nat[k];

                    if (in(&mapping->external, address) &&
                        in(&asked->prefixes[i],
                           first_of(&mapping->internal) + (address - first_of(&mapping->external))))
                        return true;
                }
            }
        }
    return false;
}

static void check_leaving(struct history *history, const struct wire_target *target)
{
    for (size_t i = 0; i < target->prefix_count; i++) {
        const struct wire_prefix *prefix = &target->prefixes[i];

        if (prefix->family == 6) {
            assert_false(six_inside(&history->world, prefix) ||
                         (history->world.policy.nat_count && prefix->addr[0] == 0xfd));
            continue;
        }
        for (uint32_t k = 0; k < size_of(prefix); k++) {
            assert_true(is_external(&history->world, first_of(prefix) + k));
            assert_true(somebody_asked(history, first_of(prefix) + k));
        }
    }
    for (size_t i = 0; history->world.policy.nat_count && i < target->uris.count; i++)
        assert_int_equal(strncmp(target->uris.at[i], "https://w", 9), 0);
}

static void on_forget(struct world *world, struct install *install)
{
    struct history *history = world->user;

    for (size_t i = 0; i < history->outstanding_count; i++)
        if (history->outstanding[i].install == install)
            history->outstanding[i--] = history->outstanding[--history->outstanding_count];
}

static void on_install(struct world *world, struct install *install, bool withdraw)
{
    struct history *history = world->user;
    struct install_request request;
    struct wire_scope scratch;

    relay_install_request(install, world->now, &request, &scratch);
    /* A DELETE names a mid only; what it was of may have been mapped otherwise. */
    if (!withdraw || !history->changed)
        check_leaving(history, &request.scope->target);
    history->puts += !withdraw;
    on_forget(world, install);
    assert_true(history->outstanding_count < OUTSTANDING_MAX);
    history->outstanding[history->outstanding_count++] = (struct outstanding){install, withdraw};
}

/* ---- What comes back ---- */

static bool was_sent(const struct history *history, uint32_t address)
{
    for (size_t i = 0; i < history->sent_count; i++)
        if (in(&history->sent[i], address))
            return true;
    return false;
}

static void check_conflict(struct history *history, const struct asked *asked, const struct wire_conflict *conflict)
{
    unsigned own = ports_of(&asked->target);

    for (size_t i = 0; i < conflict->target.prefix_count; i++) {
        const struct wire_prefix *prefix = &conflict->target.prefixes[i];
        bool inside = false;

        for (size_t k = 0; k < asked->target.prefix_count; k++)
            inside = inside || scope_prefix_contains(&asked->prefixes[k], prefix);
        assert_true(inside);
        /* The gateway itself finds overlaps only. */
        for (uint32_t k = 0; conflict->cause == WIRE_CAUSE_ACCEPTLIST && prefix->family == 4 && !history->changed &&
                             k < size_of(prefix);
             k++) {
            uint32_t external = 0;

            assert_true(outside(&history->world, first_of(prefix) + k, own, &external) != 0);
            assert_true(was_sent(history, external));
        }
    }
    if (own != ANY_PORT && conflict->target.prefix_count)
        assert_int_equal(ports_of(&conflict->target) & ~own & 0x7fffu, 0);
    history->conflicts += conflict->target.prefix_count > 0;
}

struct exchange {
    unsigned client;
    uint32_t mid;
    bool deletes, first;
};

static void on_answer(struct world *world, void *arg, const struct relay_answer *answer)
{
    struct history *history = world->user;
    struct exchange *exchange = arg;
    struct asked *asked = &history->asked[exchange->client][exchange->mid];

    if (answer && exchange->first) {
        assert_int_equal(answer->code == 403, asked->refused);
        history->refusals += asked->refused;
    }
    if (answer && answer->body && answer->body->scopes[0].conflict)
        check_conflict(history, asked, answer->body->scopes[0].conflict);
    free(exchange);
}

static void check_clients(struct history *history)
{
    for (unsigned client = 0; client < CLIENTS; client++) {
        char name[16];
        struct requester *requester;

        snprintf(name, sizeof(name), "c%u", client);
        requester = relay_requester_find(history->world.relay, "", name);
        for (uint32_t mid = 0; requester && mid < history->next_mid[client]; mid++) {
            const struct mitigation *mitigation = relay_mitigation_find(requester, mid);
            struct wire_scope scope;

            if (!mitigation)
                continue;
            mitigation_represent(mitigation, history->world.now, MITIGATION_ALL, &scope);
            assert_true(scope_equal(&scope.target, &history->asked[client][mid].target));
            if (scope.conflict)
                check_conflict(history, &history->asked[client][mid], scope.conflict);
        }
    }
}

/* ---- The outside ---- */

static void conflict_prefix(struct history *history, struct wire_prefix *prefix)
{
    unsigned length = 24 + random_below(9), third = random_below(3), fourth = random_below(256);
    char text[32];

    switch (random_below(4)) {
    case 0:
        snprintf(text, sizeof(text), "203.0.%u.%u/%u", third, fourth, length);
        break;
    case 1:
        snprintf(text, sizeof(text), "198.51.100.1/32");
        break;
    case 2: /* an upstream that says what it cannot know */
        snprintf(text, sizeof(text), "10.1.%u.%u/%u", third, fourth, length);
        break;
    default:
        snprintf(text, sizeof(text), "192.0.2.%u/%u", fourth, length);
    }
    assert_int_equal(wire_prefix_parse(text, false, prefix), 0);
    assert_true(history->sent_count < SENT_MAX);
    history->sent[history->sent_count++] = *prefix;
}

static void conflict_of(struct history *history, struct wire_conflict *out, struct wire_prefix *prefixes,
                        struct wire_port_range *port)
{
    *out = (struct wire_conflict){.status = (enum wire_conflict_status)(1 + random_below(2)),
                                  .cause = WIRE_CAUSE_ACCEPTLIST};
    out->target.prefixes = prefixes;
    while (out->target.prefix_count < 2 && history->sent_count < SENT_MAX)
        conflict_prefix(history, &prefixes[out->target.prefix_count++]);
    if (random_below(3) == 0) {
        port->lower = port->upper = numbers[random_below(8)];
        out->target.port_ranges = port;
        out->target.port_range_count = 1;
    }
}

static void deliver(struct history *history, size_t index)
{
    struct outstanding outstanding = history->outstanding[index];
    struct wire_prefix prefixes[2];
    struct wire_port_range port;
    struct wire_conflict conflict;
    struct wire_scope scope = {.has_lifetime = true, .lifetime = 100000, .trigger = true, .conflict = &conflict};
    struct wire_message body = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    struct relay_upstream_answer answer = {.code = outstanding.withdraw ? 202 : 204, .max_age = -1};
    uint32_t what = random_below(20);

    if (!outstanding.withdraw && what < 2) {
        conflict_of(history, &conflict, prefixes, &port);
        answer.code = what ? 409 : 201;
        answer.body = &body;
    }
    history->outstanding[index] = history->outstanding[--history->outstanding_count];
    relay_install_answer(history->world.relay, history->world.now, outstanding.install, &answer);
}

static int notify_one(void *arg, struct install *install)
{
    struct history *history = arg;
    struct wire_prefix prefixes[2];
    struct wire_port_range port;
    struct wire_conflict conflict;
    struct wire_scope scope = {.status = (enum wire_status)(1 + random_below(4)), .trigger = true};

    if (random_below(4))
        return 0;
    if (random_below(2)) {
        conflict_of(history, &conflict, prefixes, &port);
        scope.conflict = &conflict;
    }
    relay_install_status(history->world.relay, history->world.now, install, &scope);
    return 1;
}

static int notify_cuid(void *arg, struct upstream_cuid *cuid)
{
    return upstream_cuid_install_each(cuid, notify_one, arg);
}

/* ---- The clients ---- */

static struct relay_requester requester_of(unsigned client, char name[16])
{
    snprintf(name, 16, "c%u", client);
    return (struct relay_requester){.client = name, .cdid = "", .cuid = name, .identity_hash = "hash"};
}

static struct exchange *exchange_new(unsigned client, uint32_t mid, bool deletes, bool first)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    *exchange = (struct exchange){client, mid, deletes, first};
    return exchange;
}

static void put(struct history *history, unsigned client, uint32_t mid, bool first)
{
    struct asked *asked = &history->asked[client][mid];
    struct wire_scope scope = {.target = asked->target, .has_lifetime = true, .lifetime = 100000};
    struct relay_put request = {.limits = {.mitigations = 1000, .cuids = 10, .max_lifetime = 200000}};
    char name[16];

    scope.trigger = mid % 4 != 0;
    request.if_match = !first && random_below(2);
    if (request.if_match)
        scope.attack_status = WIRE_UNDER_ATTACK;
    request.requester = requester_of(client, name);
    request.mid = mid;
    request.scope = &scope;
    request.exchange = exchange_new(client, mid, false, first);
    relay_put(history->world.relay, history->world.now, &request);
}

static void put_new(struct history *history)
{
    static const char *const names[] = {"https://www.example.com/", "https://10.1.0.1/", "https://192.168.0.1/"};
    unsigned client = random_below(CLIENTS);
    uint32_t mid = history->next_mid[client];
    struct asked *asked = &history->asked[client][mid];

    if (mid == MIDS)
        return;
    asked->used = true;
    asked->target = (struct wire_target){.prefixes = asked->prefixes, .port_ranges = asked->ports};
    asked->target.prefix_count = random_below(3) ? 1 : 1 + random_below(PREFIXES_MAX);
    for (size_t i = 0; i < asked->target.prefix_count; i++)
        random_prefix(&asked->prefixes[i]);
    asked->target.port_range_count = random_below(2) ? 0 : 1 + random_below(2);
    for (size_t i = 0; i < asked->target.port_range_count; i++)
        asked->ports[i].lower = asked->ports[i].upper = numbers[random_below(4)];
    if (random_below(12) == 0) {
        asked->name = names[random_below(3)];
        asked->target.uris = (struct wire_strings){&asked->name, 1};
    }
    asked->refused = !can_be_said(&history->world, asked);
    history->next_mid[client]++;
    put(history, client, mid, true);
}

static void put_again(struct history *history)
{
    unsigned client = random_below(CLIENTS);
    char name[16];
    struct relay_requester from = requester_of(client, name);
    struct requester *requester = relay_requester_find(history->world.relay, "", from.cuid);
    uint32_t mid = history->next_mid[client] ? random_below(history->next_mid[client]) : 0;

    if (requester && relay_mitigation_find(requester, mid))
        put(history, client, mid, false);
}

static void withdraw(struct history *history)
{
    unsigned client = random_below(CLIENTS);
    struct relay_requester requester;
    char name[16];
    uint32_t mid;

    if (history->next_mid[client] == 0)
        return;
    mid = random_below(history->next_mid[client]);
    requester = requester_of(client, name);
    relay_delete(history->world.relay, history->world.now, &requester, mid, exchange_new(client, mid, true, false));
}

static void lose(struct history *history)
{
    char name[16];
    struct relay_requester from = requester_of(random_below(CLIENTS), name);
    struct requester *requester = relay_requester_find(history->world.relay, "", from.cuid);

    if (requester)
        relay_signal_lost(history->world.relay, history->world.now, requester);
}

/* ---- One history ---- */

static void crash(struct history *history, bool ports)
{
    history->outstanding_count = 0;
    if (random_below(3) == 0) {
        random_mappings(&history->world, ports);
        history->changed = true;
    }
    world_crash(&history->world);
    for (size_t i = 0; i < UPSTREAMS; i++)
        relay_upstream_up(history->world.relay, history->world.now, i, NULL);
}

static void step(struct history *history, bool ports)
{
    uint32_t what = random_below(100);

    if (what < 35)
        put_new(history);
    else if (what < 43)
        put_again(history);
    else if (what < 52)
        withdraw(history);
    else if (what < 75 && history->outstanding_count)
        deliver(history, random_below((uint32_t)history->outstanding_count));
    else if (what < 85)
        relay_upstream_cuid_each(history->world.relay, random_below(UPSTREAMS), NULL, notify_cuid, history);
    else if (what < 87)
        lose(history);
    else if (what < 88)
        crash(history, ports);
    else
        world_advance(&history->world, history->world.now + random_below(3000));
    world_advance(&history->world, history->world.now);
    check_clients(history);
}

static unsigned all_puts, all_conflicts, all_refusals; /* of all histories: what never happens proves nothing */

static void run_history(uint64_t seed)
{
    struct history *history = calloc(1, sizeof(*history));
    bool ports = seed % 3 != 1; /* not with identity client: two requests could be one address outside */

    random_start(seed);
    world_init(&history->world);
    for (size_t i = 0; i < UPSTREAMS; i++)
        history->world.targets[i] = (struct relay_target){.name = i ? "two" : "one",
                                                          .kind = RELAY_UPSTREAM,
                                                          .identity_client = seed % 3 == 1,
                                                          .per_client = seed % 3 == 2,
                                                          .body_max = seed % 2 ? 120 : 0};
    history->world.targets[UPSTREAMS] = (struct relay_target){.name = "scrubber", .kind = RELAY_MITIGATOR};
    history->world.policy.target_count = UPSTREAMS + seed % 2;
    random_mappings(&history->world, ports);
    history->world.quiet = true;
    history->world.on_install = on_install;
    history->world.on_forget = on_forget;
    history->world.on_answer = on_answer;
    history->world.user = history;
    world_start(&history->world);
    for (int i = 0; i < STEPS; i++)
        step(history, ports);
    all_puts += history->puts;
    all_conflicts += history->conflicts;
    all_refusals += history->refusals;
    world_free(&history->world);
    free(history);
}

static void test_rfc9132_3_no_internal_address_must_ever_leave(void **state)
{
    uint64_t count = random_histories(300, run_history);

    (void)state;
    assert_true(count == 0 || (all_puts > count && all_conflicts > count && all_refusals > count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rfc9132_3_no_internal_address_must_ever_leave, random_seed_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
