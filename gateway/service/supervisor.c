/* supervisor: one connected datagram socket, and a timer. */
#include "gateway/service/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/log/log.h"

struct supervisor {
    int socket;
    uv_timer_t watchdog;
};

/* Never waits: one that does not read its socket misses a line. */
static void tell(const struct supervisor *supervisor, const char *lines)
{
    if (send(supervisor->socket, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("supervisor", "the supervisor could not be told %s: %s", lines, strerror(errno));
}

/* A path, or "@" and an abstract name. */
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof address.sun_path) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    if (connect(descriptor, (const struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

static void turn(uv_timer_t *timer)
{
    tell(timer->data, "WATCHDOG=1");
}

/* The period is ours only if WATCHDOG_PID, when given, is. */
static uint64_t watchdog_ms(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!period || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return strtoull(period, NULL, 10) / 1000;
}

struct supervisor *supervisor_open(uv_loop_t *loop)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct supervisor *supervisor = name ? calloc(1, sizeof *supervisor) : NULL;
    uint64_t period = watchdog_ms();
    if (supervisor && (supervisor->socket = connect_to(name)) < 0) {
        log_warning("supervisor", "NOTIFY_SOCKET %s cannot be used: %s; the supervisor will not hear of us", name,
                    strerror(errno));
        free(supervisor);
        supervisor = NULL;
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (!supervisor)
        return NULL;
    uv_timer_init(loop, &supervisor->watchdog);
    uv_unref((uv_handle_t *)&supervisor->watchdog);
    supervisor->watchdog.data = supervisor;
    if (period >= 2)
        uv_timer_start(&supervisor->watchdog, turn, 0, period / 2);
    return supervisor;
}

void supervisor_ready(struct supervisor *supervisor, const char *status)
{
    char lines[512];
    snprintf(lines, sizeof lines, "READY=1\nSTATUS=%s", status);
    if (supervisor)
        tell(supervisor, lines);
}

void supervisor_reloading(struct supervisor *supervisor)
{
    char lines[128];
    /* uv_hrtime is CLOCK_MONOTONIC, which it compares with its own. */
    snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reading the configuration",
             uv_hrtime() / 1000);
    if (supervisor)
        tell(supervisor, lines);
}

void supervisor_stopping(struct supervisor *supervisor)
{
    if (supervisor)
        tell(supervisor, "STOPPING=1\nSTATUS=Ending sessions, committing");
}

static void watchdog_closed(uv_handle_t *handle)
{
    struct supervisor *supervisor = handle->data;
    close(supervisor->socket);
    free(supervisor);
}

void supervisor_close(struct supervisor *supervisor)
{
    if (supervisor)
        uv_close((uv_handle_t *)&supervisor->watchdog, watchdog_closed);
}
