/* With many sessions the walk over them is put off; what it is for still happens. */
/* links: coap log */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/coap_fixture.h"

#define MANY 150 /* the walk is put off from 100 on */

static struct dots_session *sessions[MANY + 1];
static int silent;
static unsigned hellos;

static bool all_up(void)
{
    return north.ups == MANY && south.ups == MANY;
}

static bool hello_repeated(void)
{
    char datagram[1500];
    while (recv(silent, datagram, sizeof datagram, MSG_DONTWAIT) > 0)
        hellos++;
    return hellos >= 2;
}

static void connect_many(void)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = psk_settings();
    south.endpoint = open_endpoint(&of_south);
    north.endpoint = open_endpoint(&of_north);
    uint16_t port = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    for (size_t i = 0; i < MANY; i++)
        sessions[i] = connect_with(north.endpoint, "127.0.0.1", port, DOTS_UDP, NULL, NULL);
    run_until(all_up);
}

static void unref_all(void)
{
    for (size_t i = 0; i <= MANY; i++) {
        dots_session_unref(sessions[i]);
        sessions[i] = NULL;
    }
}

/* libcoap repeats a flight in its walk only. */
static void test_rfc6347_4_2_4_flights_are_repeated_beside_many_sessions(void **state)
{
    (void)state;
    struct sockaddr_storage address;
    socklen_t length = fill_address(&address, "127.0.0.1", 0);
    connect_many();
    silent = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &length), 0);
    uint16_t port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    hellos = 0;
    sessions[MANY] = connect_with(north.endpoint, "127.0.0.1", port, DOTS_UDP, NULL, NULL);
    run_until(hello_repeated);
    close(silent);
    unref_all();
}

/* What is closed is freed in the walk, and the others are served all the time, from either side. */
static void test_sessions_that_come_and_go_beside_many(void **state)
{
    (void)state;
    connect_many();
    for (size_t i = 0; i < MANY; i += 2)
        dots_session_close(sessions[i]);
    client = dots_session_ref(sessions[1]);
    exchange_once();
    while (north.downs < MANY / 2 || south.downs < MANY / 2)
        uv_run(&loop, UV_RUN_ONCE);
    exchange_once();
    assert_int_equal(dots_endpoint_sessions(south.endpoint), MANY - MANY / 2);
    unref_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_pair(test_rfc6347_4_2_4_flights_are_repeated_beside_many_sessions),
        with_pair(test_sessions_that_come_and_go_beside_many),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
