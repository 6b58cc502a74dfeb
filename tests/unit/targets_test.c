/* Places of upstreams and mitigators over reloads. The root is no library: its file is part of this program. */
/* links: log */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* NOLINTNEXTLINE(bugprone-suspicious-include): see above */
#include "gateway/targets.c"

static struct config_upstream upstreams[3];
static struct config_mitigator mitigators[2];
static struct config config = {.upstreams = upstreams, .mitigators = mitigators};
static struct targets targets;
static bool another; /* the upstream "b" is another one than before */

static bool same(void *arg, size_t place, const struct target *target, size_t index)
{
    (void)arg, (void)place, (void)index;
    return !(another && strcmp(target->name, "b") == 0);
}

static void set_names(const char *up, const char *mitigator)
{
    config.upstream_count = strlen(up);
    config.mitigator_count = strlen(mitigator);
    for (size_t i = 0; i < config.upstream_count; i++)
        upstreams[i].name = (char *[]){(char *)"a", (char *)"b", (char *)"c"}[up[i] - 'a'];
    for (size_t i = 0; i < config.mitigator_count; i++)
        mitigators[i].name = mitigator[i] == 'm' ? (char *)"m" : (char *)"n";
}

static void reload(const char *up, const char *mitigator)
{
    struct targets next;

    set_names(up, mitigator);
    assert_int_equal(targets_plan(&targets, &config, 1000, same, NULL, &next), 0);
    free(targets.at);
    targets = next;
}

/* One letter for each place: in capitals when it is leaving, "-" free. */
static void expect(const char *places)
{
    assert_int_equal(targets.count, strlen(places));
    for (size_t i = 0; i < targets.count; i++) {
        const struct target *target = &targets.at[i];
        char letter = '-';

        if (target->kind != TARGET_FREE)
            letter = (char)(target->leaving ? target->name[0] - 'a' + 'A' : target->name[0]);
        assert_int_equal(letter, places[i]);
        if (target->kind == TARGET_UPSTREAM && !target->leaving)
            assert_string_equal(upstreams[target->index].name, target->name);
        if (target->kind == TARGET_MITIGATOR && !target->leaving)
            assert_string_equal(mitigators[target->index].name, target->name);
    }
}

static int start(void **state)
{
    (void)state;
    targets = (struct targets){0};
    another = false;
    return 0;
}

static int forget(void **state)
{
    (void)state;
    free(targets.at);
    return 0;
}

static void test_at_first_upstreams_then_mitigators(void **state)
{
    (void)state;
    reload("ab", "m");
    expect("abm");
}

static void test_what_stays_keeps_its_place(void **state)
{
    (void)state;
    reload("ab", "m");
    reload("cba", "nm");
    expect("abmcn");
}

static void test_what_is_gone_leaves_and_its_place_is_used_only_when_it_is_free(void **state)
{
    (void)state;
    reload("ab", "m");
    reload("b", "m");
    expect("Abm");
    assert_int_equal(targets.at[0].left_ms, 1000);
    reload("bc", "m");
    expect("Abmc");
    targets.at[0] = (struct target){.kind = TARGET_FREE};
    reload("bc", "mn");
    expect("nbmc");
}

static void test_one_that_comes_back_while_it_leaves_is_a_new_one(void **state)
{
    (void)state;
    reload("ab", "");
    reload("b", "");
    reload("ab", "");
    expect("Aba");
}

static void test_another_one_of_the_same_name_gets_its_own_place(void **state)
{
    (void)state;
    reload("ab", "m");
    another = true;
    reload("ab", "m");
    expect("aBmb");
}

static void test_an_upstream_is_no_mitigator_of_the_same_name(void **state)
{
    (void)state;
    reload("a", "m");
    mitigators[0].name = (char *)"a";
    reload("", "m");
    expect("Am");
}

#define with_targets(name) cmocka_unit_test_setup_teardown(name, start, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_targets(test_at_first_upstreams_then_mitigators),
        with_targets(test_what_stays_keeps_its_place),
        with_targets(test_what_is_gone_leaves_and_its_place_is_used_only_when_it_is_free),
        with_targets(test_one_that_comes_back_while_it_leaves_is_a_new_one),
        with_targets(test_another_one_of_the_same_name_gets_its_own_place),
        with_targets(test_an_upstream_is_no_mitigator_of_the_same_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
