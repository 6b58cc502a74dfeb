/* Heartbeats and the loss of a signal (RFC 9132 sections 4.4.1.3 and 4.7). */
/* links: southbound_signal */
#include "tests/unit/southbound_asking.h"

#define A1 "/mitigate/cuid=a/mid=1"
#define PRECONFIGURED \
    SCOPE_JSON("\"target-prefix\":[\"203.0.113.7/32\"],\"lifetime\":86400,\"trigger-mitigation\":false")
#define PATIENCE 450000 /* missing-hb-allowed 15 times heartbeat-interval 30 s */
#define MISSED 14       /* heartbeats until then, the last one included: when the next is due it is given up */

static struct dots_session *up(enum dots_transport transport)
{
    return fake_up("a.example", "192.0.2.1", transport);
}

/* What a GET of a new session says of mid 1. */
static enum wire_status status_of(struct dots_session *session)
{
    struct dots_exchange *get = ask(session, DOTS_GET, A1, NULL);
    struct wire_message *message;
    enum wire_status status;

    expect(get, 205, NULL);
    message = answer_body(get);
    status = message->scopes[0].status;
    wire_free(message);
    return status;
}

/* As an operator sees it, without a session. */
static size_t active(void)
{
    const struct requester *requester = relay_requester_find(world.relay, "", "a");

    return requester ? requester->active_count : 0;
}

static void test_rfc9132_4_7_heartbeat_is_answered_2_04_without_body(void **state)
{
    struct dots_exchange *put = ask(up(DOTS_UDP), DOTS_PUT, "/hb", HEARTBEAT_JSON("true"));

    (void)state;
    expect(put, 204, NULL);
    assert_int_equal(put->response.body_length, 0);
    assert_int_equal(put->response.content_format, -1);
}

static void test_rfc9132_4_7_bad_heartbeats(void **state)
{
    static const uint8_t no_status[] = {0xa1, 0x18, 0x31, 0xa0};
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, "/hb/cuid=a", HEARTBEAT_JSON("true")), 400, "cuid");
    expect(ask(session, DOTS_PUT, "/hb/cdid=a", HEARTBEAT_JSON("true")), 400, "cdid");
    expect(ask(session, DOTS_PUT, "/hb/mid=1", HEARTBEAT_JSON("true")), 400, "mid");
    expect(ask(session, DOTS_GET, "/hb", NULL), 405, NULL);
    expect(ask(session, DOTS_PUT, "/hb", PREFIX_JSON("203.0.113.7/32")), 400, "heartbeat");
    expect(ask_with(session, DOTS_PUT, "/hb", (struct asking){.bytes = no_status, .bytes_length = sizeof(no_status)}),
           400, "peer-hb-status");
    expect(ask_with(session, DOTS_PUT, "/hb", (struct asking){.content_format = DOTS_CONTENT_FORMAT}), 400, NULL);
    expect(
        ask_with(session, DOTS_PUT, "/hb", (struct asking){.body = HEARTBEAT_JSON("true"), .content_format = 0x7fff}),
        415, NULL);
}

static void test_rfc9132_4_7_server_sends_heartbeats_each_interval(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    /* From the handshake on: who has asked for nothing yet is not lost either, as long as it answers. */
    for (int i = 0; i < 10; i++) {
        session->heard = (uint64_t)fake_ms;
        world_advance(33000);
    }
    assert_in_range(sent_count(false), 10, 11);
    assert_string_equal(sent_at(false, 0)->path, "/.well-known/dots/hb");
    assert_int_equal(sent_at(false, 0)->content_format, DOTS_CONTENT_FORMAT);
    for (size_t i = 1; i < sent_count(false); i++)
        assert_in_range(sent_at(false, i)->at - sent_at(false, i - 1)->at, 30000, 33000);
}

static bool peer_hb_status(const struct fake_sent *sent)
{
    struct wire_message *message = decode(sent->body, sent->body_length);
    bool status = message->heartbeat.peer_hb_status;

    assert_int_equal(message->type, WIRE_HEARTBEAT);
    wire_free(message);
    return status;
}

static void test_rfc9132_4_7_peer_hb_status_is_what_was_heard_in_two_intervals(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    ask(session, DOTS_GET, "/config", NULL);
    world_advance(33000);
    assert_false(peer_hb_status(sent_at(false, 0)));
    ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("false"));
    fake_forget_sent();
    world_advance(33000);
    assert_true(peer_hb_status(sent_at(false, 0)));
    fake_forget_sent();
    /* Other requests are heard, but they are no heartbeats. */
    for (int i = 0; i < 4; i++) {
        world_advance(15000);
        ask(session, DOTS_GET, "/config", NULL);
    }
    fake_forget_sent();
    world_advance(33000);
    assert_false(peer_hb_status(sent_at(false, 0)));
}

static void test_rfc9132_4_7_a_heartbeat_is_sent_right_after_the_peer_s(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=1",
               CONFIG_JSON("\"idle-config\":{\"heartbeat-interval\":{\"current-value\":20}}")),
           201, NULL);
    ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("false"));
    assert_int_equal(sent_count(false), 1);
    assert_true(peer_hb_status(sent_at(false, 0)));
    /* However fast the peer's come: ours not faster than one in 15 s. */
    for (int i = 0; i < 120; i++) {
        world_advance(500);
        ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("false"));
    }
    assert_in_range(sent_count(false), 4, 5);
    for (size_t i = 1; i < sent_count(false); i++)
        assert_true(sent_at(false, i)->at - sent_at(false, i - 1)->at >= 15000);
}

static void test_rfc9132_4_7_a_silent_peer_is_gone_and_its_signal_lost(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    assert_int_equal(status_of(session), WIRE_STATUS_SIGNAL_LOSS);
    assert_int_equal(active(), 0);
    world_advance(PATIENCE - 1000);
    assert_false(session->closed);
    assert_int_equal(active(), 0);
    world_advance(2000);
    assert_true(session->closed);
    assert_int_equal(southbound_counters(world.southbound)->heartbeats_missed, MISSED);
    assert_int_equal(active(), 1);
    session = up(DOTS_UDP);
    assert_int_equal(status_of(session), WIRE_STATUS_IN_PROGRESS);
}

static void test_rfc9132_4_7_a_peer_that_is_heard_must_not_count_as_disconnected(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    for (int i = 0; i < 40; i++) { /* it answers none of ours for 20 minutes */
        world_advance(30000);
        ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("false"));
    }
    assert_false(session->closed);
    assert_int_equal(active(), 0);
}

static void test_a_peer_that_only_answers_is_there(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    ask(session, DOTS_GET, "/config", NULL);
    for (int i = 0; i < 40; i++) {
        world_advance(33000);
        fake_answer(session, &sent_at(false, sent_count(false) - 1)->token, DOTS_CODE(2, 4));
    }
    assert_false(session->closed);
}

static void test_an_orderly_close_is_no_loss(void **state)
{
    struct dots_session *session = up(DOTS_TCP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    fake_down(session, DOTS_DOWN_CLOSED);
    world_advance(2 * PATIENCE);
    assert_int_equal(active(), 0);
}

static void test_a_broken_connection_has_its_time_to_come_back(void **state)
{
    struct dots_session *session = up(DOTS_TCP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    fake_down(session, DOTS_DOWN_LOST);
    world_advance(PATIENCE - 1000);
    assert_int_equal(active(), 0);
    session = up(DOTS_UDP); /* nothing asked, but back */
    for (int i = 0; i < 20; i++) {
        session->heard = (uint64_t)fake_ms;
        world_advance(60000);
    }
    assert_int_equal(active(), 0);
    fake_down(session, DOTS_DOWN_REFUSED);
    world_advance(PATIENCE + 1000);
    assert_int_equal(active(), 1);
}

static void test_one_session_left_is_no_loss(void **state)
{
    struct dots_session *session = up(DOTS_UDP), *second = up(DOTS_TCP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    for (int i = 0; i < 20; i++) {
        second->heard = (uint64_t)fake_ms;
        world_advance(30000);
    }
    assert_true(session->closed); /* the silent one */
    assert_int_equal(active(), 0);
    fake_down(second, DOTS_DOWN_CLOSED); /* the last one says goodbye */
    world_advance(2 * PATIENCE);
    assert_int_equal(active(), 0);
}

static void test_another_client_does_not_stand_in(void **state)
{
    struct dots_session *session = up(DOTS_UDP), *beta = fake_up("b.example", "192.0.2.2", DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    for (int i = 0; i < 20; i++) {
        beta->heard = (uint64_t)fake_ms;
        world_advance(30000);
    }
    assert_int_equal(active(), 1);
}

static void test_rfc9132_4_4_4_recovery_must_not_stop_what_the_loss_triggered(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    world_advance(PATIENCE + 1000);
    assert_int_equal(active(), 1);
    session = up(DOTS_UDP);
    ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("true"));
    world_advance(60000);
    assert_int_equal(active(), 1);
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
}

static void test_after_a_restart_preconfigured_requests_have_the_same_time(void **state)
{
    struct dots_session *session = up(DOTS_UDP);
    char error[128];

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PRECONFIGURED), 201, NULL);
    /* The relay goes on, as if loaded; southbound starts anew. */
    southbound_requester_gone(world.southbound, relay_requester_find(world.relay, "", "a"));
    southbound_close(world.southbound, NULL, NULL);
    fake_down(session, DOTS_DOWN_CLOSED);
    fake_endpoint.on_closed(fake_endpoint.on_closed_arg);
    fake_closed((uv_handle_t *)fake_timer_handle);
    world.southbound = southbound_open(&world.loop, &world_config, world.relay, NULL, world_now, error, sizeof(error));
    assert_non_null(world.southbound);
    southbound_start(world.southbound);
    world_advance(PATIENCE - 1000);
    assert_int_equal(active(), 0);
    world_advance(2000);
    assert_int_equal(active(), 1);
}

static void test_a_gateway_s_requesters_are_all_told_a_bounded_number_a_turn(void **state)
{
    struct dots_session *session = fake_up("gw.example", "192.0.2.9", DOTS_TCP);
    size_t lost = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        char path[64], body[160];

        snprintf(path, sizeof(path), "/mitigate/cdid=d%d/cuid=c%d/mid=1", i, i);
        snprintf(body, sizeof(body),
                 SCOPE_JSON("\"target-prefix\":[\"203.%d.%d.0/24\"],\"lifetime\":86400,\"trigger-mitigation\":false"),
                 i / 250, i % 250);
        expect(ask(session, DOTS_PUT, path, body), 201, NULL);
        world_advance(100);
    }
    world_advance(PATIENCE + 1000);
    for (int i = 0; i < 300; i++) {
        char cdid[8], cuid[8];

        snprintf(cdid, sizeof(cdid), "d%d", i);
        snprintf(cuid, sizeof(cuid), "c%d", i);
        lost += relay_requester_find(world.relay, cdid, cuid)->active_count;
    }
    assert_int_equal(lost, 300);
}

static void test_rfc9132_4_5_heartbeats_off_by_negotiation(void **state)
{
    struct dots_session *session = up(DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=1",
               CONFIG_JSON("\"idle-config\":{\"heartbeat-interval\":{\"current-value\":0}}")),
           201, NULL);
    fake_forget_sent();
    world_advance(3600000);
    assert_int_equal(sent_count(false), 0);
    assert_false(session->closed);
    /* With a mitigation under way the other set counts (section 4.5). */
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.7/32")), 201, NULL);
    world_advance(33000);
    assert_int_equal(sent_count(false), 1);
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    session->heard = (uint64_t)fake_ms;
    world_advance(240000);
    fake_forget_sent();
    world_advance(3600000);
    assert_int_equal(sent_count(false), 0);
}

static void test_rfc9132_4_5_the_set_follows_a_requester_that_goes_to_another_identity(void **state)
{
    struct dots_session *session = up(DOTS_UDP), *renewed;

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=1",
               CONFIG_JSON("\"idle-config\":{\"heartbeat-interval\":{\"current-value\":0}}")),
           201, NULL);
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.7/32")), 201, NULL);
    renewed = fake_up_as("a.example", "a new key", "192.0.2.3", DOTS_UDP);
    expect(ask(renewed, DOTS_GET, A1, NULL), 205, NULL);
    world_advance(1000);
    fake_forget_sent();
    for (int i = 0; i < 10; i++) {
        renewed->heard = (uint64_t)fake_ms;
        world_advance(30000);
    }
    for (size_t i = 0; i < fake_sent_count; i++)
        assert_ptr_equal(fake_sent[i].session, renewed);
    assert_true(sent_count(false) >= 9);
    assert_false(session->closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(test_rfc9132_4_7_heartbeat_is_answered_2_04_without_body),
        TEST(test_rfc9132_4_7_bad_heartbeats),
        TEST(test_rfc9132_4_7_server_sends_heartbeats_each_interval),
        TEST(test_rfc9132_4_7_peer_hb_status_is_what_was_heard_in_two_intervals),
        TEST(test_rfc9132_4_7_a_heartbeat_is_sent_right_after_the_peer_s),
        TEST(test_rfc9132_4_7_a_silent_peer_is_gone_and_its_signal_lost),
        TEST(test_rfc9132_4_7_a_peer_that_is_heard_must_not_count_as_disconnected),
        TEST(test_a_peer_that_only_answers_is_there),
        TEST(test_an_orderly_close_is_no_loss),
        TEST(test_a_broken_connection_has_its_time_to_come_back),
        TEST(test_one_session_left_is_no_loss),
        TEST(test_another_client_does_not_stand_in),
        TEST(test_rfc9132_4_4_4_recovery_must_not_stop_what_the_loss_triggered),
        TEST(test_after_a_restart_preconfigured_requests_have_the_same_time),
        TEST(test_a_gateway_s_requesters_are_all_told_a_bounded_number_a_turn),
        TEST(test_rfc9132_4_5_heartbeats_off_by_negotiation),
        TEST(test_rfc9132_4_5_the_set_follows_a_requester_that_goes_to_another_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
