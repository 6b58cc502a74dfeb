/* docs/conformance.md, what the relay owes and no scenario can say: numbers near their end. */
/* links: test_support aggregation wire */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/store/store.h"
#include "tests/support/world.h"

#define THREE_QUARTERS 3221225471u /* of 2^32 - 1, RFC 9132 section 4.4.1.1 */

static struct world world;

/* A gateway whose next mid at its upstream is this one, as its store says. */
static void start(uint32_t next_mid)
{
    const uint8_t record[] = {0x83,
                              0x01,
                              0x1a,
                              (uint8_t)(next_mid >> 24),
                              (uint8_t)(next_mid >> 16),
                              (uint8_t)(next_mid >> 8),
                              (uint8_t)next_mid,
                              0x00};
    struct world_record *counter = calloc(1, sizeof(*counter));

    assert_non_null(counter);
    world_init(&world);
    world.targets[0] = (struct relay_target){.name = "isp-a", .kind = RELAY_UPSTREAM};
    world.policy.target_count = 1;
    counter->table = STORE_COUNTER;
    counter->key_length = (size_t)snprintf(counter->key, sizeof(counter->key), "mid/isp-a/");
    counter->value = malloc(sizeof(record));
    assert_non_null(counter->value);
    memcpy(counter->value, record, sizeof(record));
    counter->length = sizeof(record);
    counter->sequence = world.sequence = world.committed = 1;
    world.first = world.last = counter;
    world_start(&world);
}

static void put(uint32_t mid, const char *prefix)
{
    struct wire_prefix target;
    struct wire_scope scope = {
        .target = {.prefixes = &target, .prefix_count = 1}, .has_lifetime = true, .lifetime = 3600, .trigger = true};
    struct relay_put request = {.requester = {.client = "web", .cdid = "", .cuid = "c", .identity_hash = "hash"},
                                .limits = {.mitigations = 64, .cuids = 16, .max_lifetime = 86400},
                                .mid = mid,
                                .scope = &scope,
                                .exchange = strdup("x")};

    assert_int_equal(wire_prefix_parse(prefix, true, &target), 0);
    relay_put(world.relay, world.now, &request);
    world_advance(&world, world.now);
}

static void withdraw(uint32_t mid)
{
    struct relay_requester requester = {.client = "web", .cdid = "", .cuid = "c", .identity_hash = "hash"};

    relay_delete(world.relay, world.now, &requester, mid, strdup("x"));
    world_advance(&world, world.now);
}

static void upstream_answers(uint32_t mid, int code)
{
    struct relay_upstream_answer answer = {.code = code, .max_age = -1};
    struct install *install = world_install(&world, 0, NULL, mid);

    assert_non_null(install);
    relay_install_answer(world.relay, world.now, install, &answer);
    world_advance(&world, world.now);
}

static void test_rfc9132_4_4_1_1_mid_must_increase_monotonically_while_an_attack_is_on(void **state)
{
    (void)state;
    start(THREE_QUARTERS - 1);
    put(1, "203.0.113.1/32");
    put(2, "203.0.113.2/32");
    put(3, "203.0.113.3/32");
    for (uint32_t i = 0; i < 3; i++) {
        assert_non_null(world_install(&world, 0, NULL, THREE_QUARTERS - 1 + i));
        upstream_answers(THREE_QUARTERS - 1 + i, 201);
    }
    for (uint32_t i = 0; i < 3; i++) {
        withdraw(1 + i);
        upstream_answers(THREE_QUARTERS - 1 + i, 202);
    }
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_4_1_1_mid_must_increase_monotonically_while_an_attack_is_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
