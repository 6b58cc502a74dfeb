/* refusal: an upstream's no, in the words of the client. */
/* links: northbound_data */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "northbound/data/refusal.h"

static const char *entry_name(void *arg, const char *token)
{
    (void)arg;
    return strcmp(token, "c3.https1") == 0 ? "https1" : strcmp(token, "c7.web") == 0 ? "another client's entry" : NULL;
}

static const struct refusal_terms hidden = {.entry_name = entry_name,
                                            .upstream_cuid = "gw-cuid",
                                            .cuid = "client-cuid",
                                            .gateway = "gw1"},
                                  open_ = {.upstream_cuid = "c", .cuid = "c"};

static struct refusal translate(const struct refusal_terms *terms, int status, const char *body)
{
    struct refusal refusal;

    refusal_translate(terms, status, 0, body, body ? strlen(body) : 0, &refusal);
    return refusal;
}

#define ERROR(MEMBERS) "{\"ietf-restconf:errors\":{\"error\":[{" MEMBERS "}]}}"

static void test_tags_and_messages_come_through(void **state)
{
    struct refusal refusal = translate(&open_, 409,
                                       ERROR("\"error-type\":\"application\",\"error-tag\":\"resource-denied\","
                                             "\"error-message\":\"it conflicts\""));

    (void)state;
    assert_int_equal(refusal.status, 409);
    assert_string_equal(refusal.tag, "resource-denied");
    assert_string_equal(refusal.message, "it conflicts");
    assert_null(refusal.app_tag);
    refusal = translate(&open_, 400, ERROR("\"error-tag\":\"missing-attribute\""));
    assert_string_equal(refusal.tag, "missing-attribute");
    assert_true(refusal.message[0]);
}

static void test_names_come_back_as_the_client_knows_them(void **state)
{
    struct refusal refusal =
        translate(&hidden, 409,
                  ERROR("\"error-message\":\"c3.https1: 'c3.https1' in /dots-client=gw-cuid/aliases/alias=c3.https1 "
                        "(not xc3.https1) is c7.web. gw-cuid-2\""));

    (void)state;
    assert_string_equal(refusal.message, "https1: 'https1' in /dots-client=client-cuid/aliases/alias=https1 "
                                         "(not xc3.https1) is another client's entry. gw-cuid-2");
}

/* What stands between the gateway and the upstream is not the client's fault, and not its business. */
static void test_statuses(void **state)
{
    static const int pairs[][2] = {{400, 400}, {401, 503}, {403, 403}, {404, 404}, {405, 405}, {409, 409}, {412, 412},
                                   {413, 413}, {418, 400}, {429, 503}, {500, 500}, {501, 501}, {502, 503}, {503, 503},
                                   {504, 503}, {507, 500}, {508, 508}, {301, 503}, {100, 503}, {0, 503},   {999, 503}};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct refusal refusal = translate(&open_, pairs[i][0], NULL);

        assert_int_equal(refusal.status, pairs[i][1]);
        assert_non_null(refusal.tag);
        assert_true(refusal.message[0]);
        assert_true((refusal.status == 503) == (refusal.retry_after > 0));
    }
    assert_string_equal(translate(&open_, 401, ERROR("\"error-message\":\"bad certificate\"")).tag, "operation-failed");
    assert_null(strstr(translate(&open_, 401, ERROR("\"error-message\":\"bad certificate\"")).message, "bad"));
}

static void test_retry_after_is_bounded(void **state)
{
    struct refusal refusal;

    (void)state;
    refusal_translate(&open_, 503, 77, NULL, 0, &refusal);
    assert_int_equal(refusal.retry_after, 77);
    refusal_translate(&open_, 503, 1000000, NULL, 0, &refusal);
    assert_int_equal(refusal.retry_after, 3600);
    refusal_unreachable(5, &refusal);
    assert_int_equal(refusal.status, 503);
    assert_int_equal(refusal.retry_after, 5);
}

static void test_rfc8783_3_4_a_loop_further_north_is_told(void **state)
{
    static const char body[] = ERROR("\"error-type\":\"transport\",\"error-tag\":\"operation-failed\","
                                     "\"error-app-tag\":\"loop-detected\",\"error-info\":"
                                     "{\"ietf-dots:via-header\":\"1.1 secret, 1.1 gw1\"}");
    struct refusal refusal = translate(&open_, 508, body);

    (void)state;
    assert_int_equal(refusal.status, 508);
    assert_string_equal(refusal.app_tag, "loop-detected");
    assert_string_equal(refusal.via, "1.1 secret, 1.1 gw1");
    refusal = translate(&hidden, 508, body);
    assert_string_equal(refusal.via, "1.1 gw1"); /* topology hiding */
}

static void test_hostile_bodies(void **state)
{
    static const char *const bodies[] = {"",
                                         "<errors/>",
                                         "{",
                                         "[]",
                                         "{\"errors\":7}",
                                         "{\"errors\":{\"error\":{}}}",
                                         "{\"errors\":{\"error\":[7]}}",
                                         ERROR("\"error-tag\":7,\"error-message\":[]"),
                                         ERROR("\"error-tag\":\"made-up\",\"error-app-tag\":{}")};
    static const char start[] = "{\"errors\":{\"error\":[{\"error-message\":\"", end[] = "\"}]}}";
    char body[4096];
    struct refusal refusal;

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        refusal = translate(&hidden, 400, bodies[i]);
        assert_string_equal(refusal.tag, "invalid-value");
        assert_true(refusal.message[0]);
    }
    memcpy(body, start, sizeof(start) - 1);
    for (size_t i = 0; i < 2000; i++)
        body[sizeof(start) - 1 + i] = i % 2 ? '\xa9' : '\xc3';
    memcpy(body + sizeof(start) - 1 + 2000, end, sizeof(end));
    refusal = translate(&hidden, 400, body);
    assert_true(strlen(refusal.message) >= REFUSAL_MESSAGE_MAX - 4);
    assert_int_equal(strlen(refusal.message) % 2, 0); /* no half of a character */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags_and_messages_come_through),
        cmocka_unit_test(test_names_come_back_as_the_client_knows_them),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_retry_after_is_bounded),
        cmocka_unit_test(test_rfc8783_3_4_a_loop_further_north_is_told),
        cmocka_unit_test(test_hostile_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
