/* Walks over a relay that changes under them.
 * links: aggregation wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "aggregation/inspect.h"

/* A plain server with one mitigator; the store commits at once, and forgets. */
struct fake {
    struct relay *relay;
    uint64_t sequence;
    int answers;
};

static void answer(void *arg, void *exchange, const struct relay_answer *what)
{
    (void)exchange;
    assert_int_equal(what->code / 100, 2);
    ((struct fake *)arg)->answers++;
}

static void no_exchange(void *arg, void *exchange)
{
    (void)arg;
    (void)exchange;
}

static void no_change(void *arg, const struct mitigation *mitigation, bool gone)
{
    (void)arg;
    (void)mitigation;
    (void)gone;
}

static void no_requester(void *arg, struct requester *requester)
{
    (void)arg;
    (void)requester;
}

static void no_install(void *arg, struct install *install)
{
    (void)arg;
    (void)install;
}

static void no_cuid(void *arg, struct upstream_cuid *cuid)
{
    (void)arg;
    (void)cuid;
}

static int put_record(void *arg, int table, const char *key, size_t key_length, const uint8_t *value, size_t length)
{
    (void)arg;
    (void)table;
    (void)key;
    (void)key_length;
    (void)value;
    (void)length;
    return 0;
}

static int delete_record(void *arg, int table, const char *key, size_t key_length)
{
    (void)arg;
    (void)table;
    (void)key;
    (void)key_length;
    return 0;
}

static uint64_t submit(void *arg)
{
    return ++((struct fake *)arg)->sequence;
}

static void no_alert(void *arg, const char *event, const char *text)
{
    (void)arg;
    (void)event;
    (void)text;
}

static const struct relay_effects effects = {
    .answer = answer,
    .ignore = no_exchange,
    .changed = no_change,
    .requester_gone = no_requester,
    .install = no_install,
    .withdraw = no_install,
    .forget = no_install,
    .upstream_cuid_gone = no_cuid,
    .job_start = no_install,
    .job_stop = no_install,
    .store_put = put_record,
    .store_delete = delete_record,
    .store_submit = submit,
    .alert = no_alert,
};

static const struct relay_target targets[] = {{.name = "ops", .kind = RELAY_MITIGATOR}};
static const struct relay_policy policy = {
    .name = "gw", .targets = targets, .target_count = 1, .mitigations_max = 1000, .hop_limit = 16};

static int64_t now = 1000000;

static struct relay_requester who(const char *cuid)
{
    return (struct relay_requester){.client = "web", .cdid = "", .cuid = cuid, .identity_hash = ""};
}

static void put(struct fake *fake, const char *cuid, uint32_t mid)
{
    struct wire_prefix prefix = {.addr = {203, 0, (uint8_t)cuid[0], (uint8_t)mid}, .family = 4, .length = 32};
    struct wire_scope scope = {
        .target = {.prefixes = &prefix, .prefix_count = 1}, .has_lifetime = true, .lifetime = 600, .trigger = true};
    struct relay_put request = {.requester = who(cuid),
                                .limits = {.mitigations = 1000, .cuids = 10, .max_lifetime = 3600},
                                .mid = mid,
                                .scope = &scope,
                                .hop_limit = 16,
                                .exchange = fake};

    relay_put(fake->relay, now, &request);
    relay_committed(fake->relay, now, fake->sequence);
}

/* It ends at once: there is no active-but-terminating period here. */
static void withdraw(struct fake *fake, const char *cuid, uint32_t mid)
{
    struct relay_requester requester = who(cuid);

    relay_delete(fake->relay, now, &requester, mid, fake);
    relay_committed(fake->relay, now, fake->sequence);
    for (int i = 0; i < 5; i++) {
        now += 20000;
        relay_tick(fake->relay, now);
        relay_committed(fake->relay, now, fake->sequence);
    }
    assert_true(!relay_requester_find(fake->relay, "", cuid) ||
                !relay_mitigation_find(relay_requester_find(fake->relay, "", cuid), mid));
}

static void open_relay(struct fake *fake)
{
    *fake = (struct fake){0};
    fake->relay = relay_new(&policy, &effects, fake);
    assert_non_null(fake->relay);
    relay_start(fake->relay, now);
    for (uint32_t mid = 1; mid <= 3; mid++) {
        put(fake, "a", mid);
        put(fake, "b", mid);
    }
    assert_int_equal(fake->answers, 6);
}

/* "a1 a2 b1": what the rest of a walk visits. */
static const char *rest(struct relay_walk *walk)
{
    static char text[128];
    const struct mitigation *mitigation;
    size_t used = 0;

    text[0] = '\0';
    while ((mitigation = relay_walk_mitigation(walk)))
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u ", mitigation_requester(mitigation)->cuid,
                                 mitigation_mid(mitigation));
    return text;
}

static void test_all_are_visited_once(void **state)
{
    struct fake fake;
    struct relay_walk *walk;
    struct relay_totals totals;
    size_t installs = 0;

    (void)state;
    open_relay(&fake);
    walk = relay_walk_begin(fake.relay);
    assert_string_equal(rest(walk), "a1 a2 a3 b1 b2 b3 ");
    assert_null(relay_walk_mitigation(walk));
    relay_walk_end(walk);
    walk = relay_walk_begin(fake.relay);
    while (relay_walk_install(walk))
        installs++;
    relay_totals(fake.relay, &totals);
    assert_int_equal(installs, 6);
    assert_int_equal(totals.installs, 6);
    assert_int_equal(totals.mitigations, 6);
    assert_int_equal(totals.requesters, 2);
    relay_walk_end(walk);
    relay_free(fake.relay);
}

static void test_what_goes_is_passed_over(void **state)
{
    struct fake fake;
    struct relay_walk *walk;

    (void)state;
    open_relay(&fake);
    walk = relay_walk_begin(fake.relay);
    assert_int_equal(mitigation_mid(relay_walk_mitigation(walk)), 1);
    withdraw(&fake, "a", 2); /* the one it stands before */
    withdraw(&fake, "b", 1); /* the first of the next requester */
    put(&fake, "c", 9);
    assert_string_equal(rest(walk), "a3 b2 b3 c9 ");
    relay_walk_end(walk);
    relay_free(fake.relay);
}

static void test_requester_that_goes_is_passed_over(void **state)
{
    struct fake fake;
    struct relay_walk *walk, *installs;

    (void)state;
    open_relay(&fake);
    walk = relay_walk_begin(fake.relay);
    installs = relay_walk_begin(fake.relay);
    relay_walk_mitigation(walk);
    relay_walk_install(installs);
    for (uint32_t mid = 1; mid <= 3; mid++)
        withdraw(&fake, "b", mid);
    assert_null(relay_requester_find(fake.relay, "", "b"));
    assert_string_equal(rest(walk), "a2 a3 ");
    while (relay_walk_install(installs))
        continue;
    relay_walk_end(installs);
    relay_walk_end(walk);
    relay_free(fake.relay);
}

static void test_relay_that_goes_ends_walks(void **state)
{
    struct fake fake;
    struct relay_walk *walk;

    (void)state;
    open_relay(&fake);
    walk = relay_walk_begin(fake.relay);
    relay_walk_mitigation(walk);
    relay_free(fake.relay);
    assert_null(relay_walk_mitigation(walk));
    assert_null(relay_walk_install(walk));
    relay_walk_end(walk);
    relay_walk_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_visited_once),
        cmocka_unit_test(test_what_goes_is_passed_over),
        cmocka_unit_test(test_requester_that_goes_is_passed_over),
        cmocka_unit_test(test_relay_that_goes_ends_walks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
