/* spawner: the gateway's end of the socket pair. */
#include "gateway/spawner/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/spawner/message.h"

LIST_HEAD(spawned_list, spawned);

struct spawner {
    int socket;
    pid_t pid;
    bool open, gone;
    uint32_t last_id;
    uv_poll_t poll;
    struct spawned_list all;
};

/* ---- Fork ---- */

/* Who has no standard descriptors would get a program's pipes as such. */
static void fill_standard_descriptors(void)
{
    int descriptor;
    do
        descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (descriptor >= 0 && descriptor <= 2);
    if (descriptor >= 0)
        close(descriptor);
}

struct spawner *spawner_fork(const struct spawner_settings *settings)
{
    struct spawner *spawner = calloc(1, sizeof *spawner);
    int ends[2];
    fill_standard_descriptors();
    if (!spawner || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        free(spawner);
        return NULL;
    }
    LIST_INIT(&spawner->all);
    spawner->socket = ends[0];
    spawner->pid = fork();
    if (spawner->pid == 0) {
        close(ends[0]);
        spawner_serve(ends[1], settings);
    }
    close(ends[1]);
    if (spawner->pid < 0) {
        close(ends[0]);
        free(spawner);
        return NULL;
    }
    return spawner;
}

/* ---- Reports ---- */

/* The spawner ends by itself when the socket closes. */
static void destroy(struct spawner *spawner)
{
    close(spawner->socket);
    while (waitpid(spawner->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(spawner);
}

static void forget(struct spawner *spawner, struct spawned *spawned)
{
    LIST_REMOVE(spawned, all);
    if (LIST_EMPTY(&spawner->all))
        uv_unref((uv_handle_t *)&spawner->poll);
}

static void take_report(struct spawner *spawner, const struct spawner_report *report)
{
    struct spawned *spawned;
    LIST_FOREACH(spawned, &spawner->all, all)
    {
        if (spawned->id == report->id)
            break;
    }
    if (!spawned)
        return;
    if (report->event == SPAWNER_STARTED) {
        spawned->pid = report->value;
        spawned->started(spawned, 0);
    } else if (report->event == SPAWNER_FAILED) {
        forget(spawner, spawned);
        spawned->started(spawned, -report->value);
    } else {
        forget(spawner, spawned);
        spawned->exited(spawned, report->value, report->signal);
    }
}

/* It was killed, or the machine had no memory for it. Programs that run can be neither seen nor stopped
 * any more: to who asked for them they are over. */
static void lose(struct spawner *spawner)
{
    struct spawned *spawned;
    spawner->gone = true;
    uv_poll_stop(&spawner->poll);
    log_error("spawner-lost",
              "the process that starts the programs of mitigators (pid %ld) has ended: restart dotsgw, "
              "no program can be started until then",
              (long)spawner->pid);
    while ((spawned = LIST_FIRST(&spawner->all))) {
        forget(spawner, spawned);
        if (spawned->pid)
            spawned->exited(spawned, 0, SIGKILL);
        else
            spawned->started(spawned, UV_EPIPE);
    }
}

static void readable(uv_poll_t *poll, int status, int events)
{
    struct spawner *spawner = poll->data;
    struct spawner_report report;
    ssize_t length;
    (void)status;
    (void)events;
    while ((length = recv(spawner->socket, &report, sizeof report, MSG_DONTWAIT)) == (ssize_t)sizeof report)
        take_report(spawner, &report);
    if (length >= 0 || (errno != EAGAIN && errno != EINTR))
        lose(spawner);
}

int spawner_open(struct spawner *spawner, uv_loop_t *loop)
{
    int result = uv_poll_init(loop, &spawner->poll, spawner->socket);
    if (result != 0)
        return result;
    spawner->open = true;
    spawner->poll.data = spawner;
    uv_unref((uv_handle_t *)&spawner->poll);
    return uv_poll_start(&spawner->poll, UV_READABLE, readable);
}

static void poll_closed(uv_handle_t *handle)
{
    destroy(handle->data);
}

void spawner_close(struct spawner *spawner)
{
    if (spawner->open)
        uv_close((uv_handle_t *)&spawner->poll, poll_closed);
    else
        destroy(spawner);
}

/* ---- Requests ---- */

/* Never full: a program has three messages at most, and SPAWNER_PROGRAMS_MAX times that fit the socket. */
static int send_request(const struct spawner *spawner, const struct spawner_request *request, size_t length,
                        const int ends[3])
{
    struct iovec part = {(void *)request, length};
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr alignment;
    } control = {{0}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (ends) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(3 * sizeof(int));
        memcpy(CMSG_DATA(header), ends, 3 * sizeof(int));
    }
    if (spawner->gone)
        return UV_EPIPE;
    return sendmsg(spawner->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int spawner_start(struct spawner *spawner, struct spawned *spawned, const char *program, const char *name,
                  const int ends[3])
{
    struct spawner_request request = {.op = SPAWNER_START};
    size_t first = strlen(program) + 1, second = strlen(name) + 1;
    if (first > PATH_MAX || first + second > sizeof request.text)
        return UV_ENAMETOOLONG;
    memcpy(request.text, program, first);
    memcpy(request.text + first, name, second);
    if (++spawner->last_id == 0)
        spawner->last_id = 1;
    request.id = spawned->id = spawner->last_id;
    spawned->pid = 0;
    int result = send_request(spawner, &request, SPAWNER_REQUEST_FIXED + first + second, ends);
    if (result != 0)
        return result;
    if (LIST_EMPTY(&spawner->all))
        uv_ref((uv_handle_t *)&spawner->poll);
    LIST_INSERT_HEAD(&spawner->all, spawned, all);
    return 0;
}

void spawner_signal(struct spawner *spawner, const struct spawned *spawned, int signal)
{
    const struct spawner_request request = {.op = SPAWNER_SIGNAL, .id = spawned->id, .signal = signal};
    send_request(spawner, &request, SPAWNER_REQUEST_FIXED, NULL);
}
