/* A UDP listener that may have many sessions is several sockets, and each of them serves its part. */
/* links: coap log */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/coap_fixture.h"

#define CLIENTS 40
#define DESCRIPTORS 1024

static bool all_up(void)
{
    return north.ups == CLIENTS && south.ups == CLIENTS;
}

static int option(int descriptor, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

/* UDP sockets of this port, and how many of them have something to be read. */
static unsigned sockets_of(uint16_t port, unsigned *ready)
{
    unsigned count = 0;
    *ready = 0;
    for (int descriptor = 0; descriptor < DESCRIPTORS; descriptor++) {
        struct sockaddr_in address = {0};
        socklen_t length = sizeof address;
        if (option(descriptor, SO_TYPE) != SOCK_DGRAM ||
            getsockname(descriptor, (struct sockaddr *)&address, &length) != 0 || ntohs(address.sin_port) != port)
            continue;
        int waiting = 0;
        count++;
        *ready += ioctl(descriptor, FIONREAD, &waiting) == 0 && waiting > 0;
    }
    return count;
}

/* A datagram from each of so many peers, while the loop stands still; it is no handshake, and will be dropped. */
static void send_from_many(uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t length = fill_address(&address, "127.0.0.1", port);
    for (size_t i = 0; i < CLIENTS; i++) {
        int peer = socket(AF_INET, SOCK_DGRAM, 0);
        assert_int_equal(sendto(peer, "?", 1, 0, (struct sockaddr *)&address, length), 1);
        close(peer);
    }
}

/* The kernel gives each peer to one of them, and none to a socket that nobody reads. */
static void test_peers_of_every_socket_are_served(void **state)
{
    (void)state;
    struct dots_endpoint_settings of_south = south_settings(), of_north = psk_settings();
    struct dots_session *sessions[CLIENTS];
    unsigned ready;
    south.endpoint = open_endpoint(&of_south);
    north.endpoint = open_endpoint(&of_north);
    uint16_t port = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    assert_int_equal(sockets_of(port, &ready), 16);
    assert_int_equal(ready, 0);
    send_from_many(port);
    sockets_of(port, &ready);
    assert_in_range(ready, 5, 16); /* 40 peers on fewer than 5 of 16: once in 10^20 */
    for (size_t i = 0; i < CLIENTS; i++)
        sessions[i] = connect_with(north.endpoint, "127.0.0.1", port, DOTS_UDP, NULL, NULL);
    run_until(all_up);
    for (size_t i = 0; i < CLIENTS; i++) {
        client = sessions[i];
        exchange_once();
    }
    client = NULL;
    for (size_t i = 0; i < CLIENTS; i++)
        dots_session_unref(sessions[i]);
}

static void test_few_sessions_need_one_socket(void **state)
{
    (void)state;
    struct dots_endpoint_settings of_south = south_settings();
    unsigned ready;
    of_south.sessions_max = 999;
    south.endpoint = open_endpoint(&of_south);
    uint16_t port = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    assert_int_equal(sockets_of(port, &ready), 1);
    listen_on(south.endpoint, "127.0.0.1", DOTS_TCP);
}

/* As after a listener of a configuration that cannot be had: none of its sockets is left. */
static void test_all_sockets_of_a_listener_go_together(void **state)
{
    (void)state;
    struct dots_endpoint_settings of_south = south_settings();
    unsigned ready;
    south.endpoint = open_endpoint(&of_south);
    uint16_t first = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    uint16_t second = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    dots_endpoint_listen_undo(south.endpoint);
    assert_int_equal(sockets_of(second, &ready), 0);
    assert_int_equal(sockets_of(first, &ready), 16);
    listen_on(south.endpoint, "127.0.0.1", DOTS_TCP);
    dots_endpoint_listen_undo(south.endpoint);
    assert_int_equal(sockets_of(first, &ready), 16);
}

static void test_a_port_that_is_taken_is_refused(void **state)
{
    (void)state;
    struct dots_endpoint_settings of_south = south_settings();
    struct sockaddr_storage address;
    socklen_t length = fill_address(&address, "127.0.0.1", 0);
    char error[200] = "";
    int taken = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    assert_int_equal(setsockopt(taken, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    assert_int_equal(bind(taken, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&address, &length), 0);
    south.endpoint = open_endpoint(&of_south);
    uint16_t port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    assert_int_equal(dots_endpoint_listen(south.endpoint, "127.0.0.1", port, DOTS_UDP, error, sizeof error), -1);
    assert_non_null(strstr(error, "in use"));
    close(taken);
}

/* The definition of setsockopt() in listen.c is for libcoap's listeners alone. */
static void test_sockets_of_others_are_left_alone(void **state)
{
    (void)state;
    int other = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(option(other, SO_REUSEADDR), 1);
    assert_int_equal(option(other, SO_REUSEPORT), 0);
    assert_int_equal(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), -1);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_pair(test_peers_of_every_socket_are_served),        with_pair(test_few_sessions_need_one_socket),
        with_pair(test_all_sockets_of_a_listener_go_together),   with_pair(test_a_port_that_is_taken_is_refused),
        cmocka_unit_test(test_sockets_of_others_are_left_alone),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
