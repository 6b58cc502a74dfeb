/*
 * Where the HTTP server listens: Unix sockets and their files, addresses.
 * links: http log
 */
#include "tests/unit/http_fixture.h"

#include <sys/stat.h>

static char folder[64], path[100], error[256];

static int start(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/dotsgw-http-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/control", folder);
    start_server(&(struct http_settings){0});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stop_server();
    unlink(path);
    return rmdir(folder);
}

static void connect_to_path(struct client *client)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    *client = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .in = calloc(1, INPUT_MAX + 1)};
    assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
}

static void expect_service(void)
{
    struct client client;
    connect_to_path(&client);
    client_say(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(client_has(&client, "HTTP/1.1 200"));
    client_close(&client);
}

/* As a process leaves it that was killed. */
static void leave_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int left = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(left, (struct sockaddr *)&address, sizeof address), 0);
    close(left);
}

static void test_a_socket_has_its_mode_and_goes_with_the_server(void **state)
{
    (void)state;
    struct stat status;
    assert_int_equal(http_listen_unix(server, path, 0640, error, sizeof error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    expect_service();
    http_close(server, 0, on_server_closed, NULL);
    WAIT_FOR(server_closed);
    assert_int_not_equal(stat(path, &status), 0);
}

static void test_a_stale_socket_is_replaced(void **state)
{
    (void)state;
    leave_socket();
    assert_int_equal(http_listen_unix(server, path, 0600, error, sizeof error), 0);
    expect_service();
}

static void test_a_socket_in_use_is_not(void **state)
{
    (void)state;
    assert_int_equal(http_listen_unix(server, path, 0600, error, sizeof error), 0);
    assert_int_equal(http_listen_unix(server, path, 0600, error, sizeof error), -1);
    assert_non_null(strstr(error, "another process"));
    expect_service();
}

static void test_another_file_is_not(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    fclose(file);
    assert_int_equal(http_listen_unix(server, path, 0600, error, sizeof error), -1);
    assert_non_null(strstr(error, "not a socket"));
    assert_int_equal(access(path, F_OK), 0);
}

static void test_paths_that_cannot_be(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    assert_int_equal(http_listen_unix(server, name, 0600, error, sizeof error), -1);
    assert_non_null(strstr(error, "107"));
    assert_int_equal(http_listen_unix(server, "/nowhere/at/all", 0600, error, sizeof error), -1);
    assert_non_null(strstr(error, "/nowhere/at/all"));
    FILE *file = fopen(path, "w");
    fclose(file);
    snprintf(name, sizeof name, "%s/below", path); /* a file is no folder */
    assert_int_equal(http_listen_unix(server, name, 0600, error, sizeof error), -1);
    assert_non_null(strstr(error, name));
}

static void test_addresses(void **state)
{
    (void)state;
    assert_int_equal(http_listen_tcp(server, "localhost", 0, error, sizeof error), -1);
    assert_non_null(strstr(error, "numeric"));
    assert_int_equal(http_listen_tcp(server, "192.0.2.77", 0, error, sizeof error), -1);
    assert_non_null(strstr(error, "192.0.2.77"));
    assert_int_equal(http_listen_tcp(server, "127.0.0.1", (uint16_t)server_port, error, sizeof error), -1);
    int port = http_listen_tcp(server, "::", 0, error, sizeof error);
    assert_true(port > 0);
    server_port = port;
    expect_reply("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 28, "HTTP/1.1 200", false); /* IPv4 on it */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_socket_has_its_mode_and_goes_with_the_server),
        TEST(test_a_stale_socket_is_replaced),
        TEST(test_a_socket_in_use_is_not),
        TEST(test_another_file_is_not),
        TEST(test_paths_that_cannot_be),
        TEST(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
