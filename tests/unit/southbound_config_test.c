/* The config resource: negotiated, kept, observed (RFC 9132 section 4.5). */
/* links: southbound_signal */
#include "tests/unit/southbound_asking.h"

#define SET(inner) CONFIG_JSON("\"mitigating-config\":{" inner "},\"idle-config\":{" inner "}")
#define INTERVAL(value) "\"heartbeat-interval\":{\"current-value\":" value "}"
#define RETRANSMIT(value) "\"max-retransmit\":{\"current-value\":" value "}"

static struct dots_session *up(enum dots_transport transport)
{
    return fake_up("a.example", "192.0.2.1", transport);
}

static uint32_t interval(struct dots_session *session, const char *path)
{
    struct dots_exchange *get = ask(session, DOTS_GET, path, NULL);
    struct wire_message *message;
    uint32_t value;

    expect(get, 205, NULL);
    message = answer_body(get);
    assert_int_equal(message->type, WIRE_SIGNAL_CONFIG);
    value = message->config.idle[WIRE_HEARTBEAT_INTERVAL].current;
    wire_free(message);
    return value;
}

static void test_rfc9132_4_5_1_get_conveys_figure_20(void **state)
{
    struct dots_exchange *get = ask(up(DOTS_UDP), DOTS_GET, "/config", NULL);
    struct wire_message *message;

    (void)state;
    expect(get, 205, NULL);
    assert_int_equal(get->response.max_age, 600);
    message = answer_body(get);
    assert_true(message->config.has_mitigating && message->config.has_idle);
    assert_int_equal(message->config.mitigating[WIRE_ACK_TIMEOUT].min, 100);
    assert_int_equal(message->config.mitigating[WIRE_ACK_TIMEOUT].max, 3000);
    assert_int_equal(message->config.idle[WIRE_MISSING_HB_ALLOWED].current, 15);
    wire_free(message);
}

static void test_rfc9132_4_5_2_new_sid_is_created_known_one_changed(void **state)
{
    struct dots_session *session = up(DOTS_UDP);
    struct dots_exchange *put = ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("60")));

    (void)state;
    expect(put, 201, NULL);
    assert_int_equal(put->response.max_age, 600);
    assert_int_equal(put->response.body_length, 0);
    expect(ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("61"))), 204, NULL);
    assert_int_equal(interval(session, "/config"), 61);
    assert_int_equal(interval(session, "/config/sid=10"), 61);
    expect(ask(session, DOTS_PUT, "/config/sid=11", SET(INTERVAL("62"))), 201, NULL);
    expect(ask(session, DOTS_GET, "/config/sid=10", NULL), 404, "sid");
    expect(ask(session, DOTS_GET, "/config/sid=12", NULL), 404, "sid");
}

static void test_rfc9132_4_5_2_sids_must_increase(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("60"))), 201, NULL);
    expect(ask(session, DOTS_PUT, "/config/sid=9", SET(INTERVAL("90"))), 400, "sid: 9 is lower than 10");
    assert_int_equal(interval(session, "/config"), 60);
}

static void test_rfc9132_4_5_2_bad_configurations(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, "/config", SET(INTERVAL("60"))), 400, "sid");
    expect(ask(session, DOTS_PUT, "/config/sid=1", SET(INTERVAL("14"))), 422, "heartbeat-interval");
    expect(ask(session, DOTS_PUT, "/config/sid=1", SET(INTERVAL("241"))), 422, "15 to 240");
    expect(ask(session, DOTS_PUT, "/config/sid=1", SET(RETRANSMIT("99"))), 422, "max-retransmit");
    expect(ask(session, DOTS_PUT, "/config/sid=1", HEARTBEAT_JSON("true")), 400, "signal-config");
    expect(ask(session, DOTS_PUT, "/config/cuid=a/sid=1", SET(INTERVAL("60"))), 400, "cuid");
    expect(ask_with(session, DOTS_PUT, "/config/sid=1",
                    (struct asking){.body = SET(INTERVAL("60")), .content_format = 60}),
           415, NULL);
    expect(ask(session, DOTS_GET, "/config/sid=1", NULL), 404, NULL);
    assert_int_equal(interval(session, "/config"), 30);
}

static void test_a_configuration_is_acknowledged_when_it_is_on_disk(void **state)
{
    struct dots_session *session = up(DOTS_UDP);
    struct dots_exchange *put, *reset;

    (void)state;
    world.hold_disk = true;
    put = ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("60")));
    expect(put, 0, NULL);
    assert_true(put->held);
    southbound_committed(world.southbound, fake_on_disk);
    expect(put, 0, NULL);
    world_commit();
    expect(put, 201, NULL);
    reset = ask(session, DOTS_DELETE, "/config/sid=10", NULL);
    expect(reset, 0, NULL);
    world_commit();
    expect(reset, 202, NULL);
    fake_failing = true;
    expect(ask(session, DOTS_PUT, "/config/sid=11", SET(INTERVAL("60"))), 503, "cannot keep");
    fake_failing = false;
    fake_refusing = true;
    expect(ask(session, DOTS_PUT, "/config/sid=11", SET(INTERVAL("60"))), 503, "cannot keep");
    fake_refusing = false;
    assert_int_equal(interval(session, "/config"), 30);
}

static void test_rfc9132_4_5_4_delete_resets_to_defaults(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_DELETE, "/config", NULL), 202, NULL);
    expect(ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("60"))), 201, NULL);
    expect(ask(session, DOTS_DELETE, "/config/sid=9", NULL), 202, NULL); /* is not there */
    assert_int_equal(interval(session, "/config"), 60);
    expect(ask(session, DOTS_DELETE, "/config/sid=10", NULL), 202, NULL);
    assert_int_equal(interval(session, "/config"), 30);
    expect(ask(session, DOTS_GET, "/config/sid=10", NULL), 404, NULL);
    expect(ask(session, DOTS_PUT, "/config/sid=1", SET(INTERVAL("60"))), 201, NULL); /* counts from anew */
    expect(ask(session, DOTS_DELETE, "/config", NULL), 202, NULL);
    assert_int_equal(interval(session, "/config"), 30);
}

static void test_rfc9132_4_5_3_changes_are_notified_to_observers(void **state)
{
    struct dots_session *session = up(DOTS_UDP), *second = up(DOTS_TCP),
                        *beta = fake_up("b.example", "192.0.2.2", DOTS_UDP);
    struct wire_message *message;
    struct dots_exchange *get;

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("60"))), 201, NULL);
    get = ask_with(session, DOTS_GET, "/config", (struct asking){.observe = 1, .token = 7});
    assert_true(get->response.observe >= 0);
    ask_with(session, DOTS_GET, "/config/sid=10", (struct asking){.observe = 1, .token = 8});
    expect(ask(beta, DOTS_PUT, "/config/sid=1", SET(INTERVAL("90"))), 201, NULL);
    assert_int_equal(sent_count(true), 0);
    expect(ask(second, DOTS_PUT, "/config/sid=11", SET(INTERVAL("120"))), 201, NULL);
    world_advance(3000);
    assert_int_equal(sent_count(true), 2);
    assert_int_equal(sent_at(true, 0)->token.bytes[0], 7);
    assert_int_equal(sent_at(true, 0)->response.max_age, 600);
    message = decode(sent_at(true, 0)->body, sent_at(true, 0)->body_length);
    assert_int_equal(message->config.idle[WIRE_HEARTBEAT_INTERVAL].current, 120);
    wire_free(message);
    /* The lower sid is no longer available (section 4.5.2). */
    assert_int_equal(sent_at(true, 1)->token.bytes[0], 8);
    assert_int_equal(sent_at(true, 1)->response.code, DOTS_CODE(4, 4));
}

static void test_rfc9132_4_5_transmission_parameters_follow_the_mitigation(void **state)
{
    struct dots_session *session = up(DOTS_UDP), *tcp = up(DOTS_TCP);

    (void)state;
    assert_int_equal(session->transmission.max_retransmit, 3);
    assert_int_equal(session->transmission.ack_timeout, 200);
    expect(ask(session, DOTS_PUT, "/config/sid=10",
               CONFIG_JSON("\"mitigating-config\":{" RETRANSMIT("9") "},\"idle-config\":{" RETRANSMIT("5") "}")),
           201, NULL);
    assert_int_equal(session->transmission.max_retransmit, 5);
    expect(ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=1", PREFIX_JSON("203.0.113.7/32")), 201, NULL);
    world_settle();
    assert_int_equal(session->transmission.max_retransmit, 9);
    expect(ask(session, DOTS_DELETE, "/mitigate/cuid=a/mid=1", NULL), 202, NULL);
    for (int i = 0; i < 20; i++) {
        session->heard = tcp->heard = (uint64_t)fake_ms;
        world_advance(10000);
    }
    assert_int_equal(session->transmission.max_retransmit, 5);
    assert_false(tcp->has_transmission); /* negotiated for unreliable transports only */
}

static void test_a_configuration_outlives_the_session_and_the_process(void **state)
{
    struct dots_session *session = up(DOTS_UDP);
    char error[128];

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("60"))), 201, NULL);
    assert_int_equal(fake_record(STORE_SESSION_CONFIG, "alpha/a.example", 15), 0);
    fake_down(session, DOTS_DOWN_LOST);
    world_advance(1000);
    session = up(DOTS_TCP);
    assert_int_equal(interval(session, "/config/sid=10"), 60);
    southbound_close(world.southbound, NULL, NULL);
    fake_down(session, DOTS_DOWN_CLOSED);
    fake_endpoint.on_closed(fake_endpoint.on_closed_arg);
    fake_closed((uv_handle_t *)fake_timer_handle);
    world.southbound = southbound_open(&world.loop, &world_config, world.relay, NULL, world_now, error, sizeof(error));
    assert_int_equal(
        southbound_load(world.southbound, "alpha/a.example", 15, fake_records[0].value, fake_records[0].length), 0);
    southbound_start(world.southbound);
    session = up(DOTS_UDP);
    assert_int_equal(interval(session, "/config/sid=10"), 60);
    expect(ask(session, DOTS_PUT, "/config/sid=9", SET(INTERVAL("70"))), 400, "sid");
}

static void test_records_that_cannot_be_used_are_dropped(void **state)
{
    struct dots_session *session = up(DOTS_UDP);
    uint8_t record[1024];
    size_t length;

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=10", SET(INTERVAL("60"))), 201, NULL);
    memcpy(record, fake_records[0].value, sizeof(record));
    length = fake_records[0].length;
    fake_down(session, DOTS_DOWN_CLOSED);
    assert_int_equal(southbound_load(world.southbound, "nobody/x", 8, record, length), 0);
    assert_int_equal(southbound_load(world.southbound, "alpha", 5, record, length), 0);
    assert_int_equal(southbound_load(world.southbound, "alpha/0123456789012345678901234567", 34, record, length), 0);
    assert_int_equal(southbound_load(world.southbound, "alpha/a.example", 15, record, length - 1), 0);
    assert_int_equal(fake_record(STORE_SESSION_CONFIG, "alpha/a.example", 15), -1); /* deleted on disk too */
}

static void test_configurations_of_one_client_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) { /* the same name, a new key each time */
        struct dots_session *session;
        char hash[16];

        snprintf(hash, sizeof(hash), "key%d", i);
        session = fake_up_as("a.example", hash, "192.0.2.1", DOTS_UDP);
        expect(ask(session, DOTS_PUT, "/config/sid=1", SET(INTERVAL("60"))), 201, NULL);
        fake_down(session, DOTS_DOWN_CLOSED);
        world_advance(100);
    }
    assert_int_equal(fake_record(STORE_SESSION_CONFIG, "alpha/key35", 11), -1);
    assert_true(fake_record(STORE_SESSION_CONFIG, "alpha/key36", 11) >= 0);
    assert_true(fake_record(STORE_SESSION_CONFIG, "alpha/key99", 11) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(test_rfc9132_4_5_1_get_conveys_figure_20),
        TEST(test_rfc9132_4_5_2_new_sid_is_created_known_one_changed),
        TEST(test_rfc9132_4_5_2_sids_must_increase),
        TEST(test_rfc9132_4_5_2_bad_configurations),
        TEST(test_a_configuration_is_acknowledged_when_it_is_on_disk),
        TEST(test_rfc9132_4_5_4_delete_resets_to_defaults),
        TEST(test_rfc9132_4_5_3_changes_are_notified_to_observers),
        TEST(test_rfc9132_4_5_transmission_parameters_follow_the_mitigation),
        TEST(test_a_configuration_outlives_the_session_and_the_process),
        TEST(test_records_that_cannot_be_used_are_dropped),
        TEST(test_configurations_of_one_client_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
