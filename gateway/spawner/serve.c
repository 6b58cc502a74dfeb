/* serve: the process that runs programs. It believes nothing that comes over the socket. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/spawner/message.h"
#include "gateway/spawner/spawner.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_LANG "LANG=C.UTF-8"

struct program {
    uint32_t id;
    pid_t pid; /* 0: free */
};

struct server {
    int socket;
    const struct spawner_settings *settings;
    struct program programs[SPAWNER_PROGRAMS_MAX];
};

/* ---- The environment of a program ---- */

/* Whoever started us may have left descriptors open: neither we nor programs keep them. */
static void close_others(int socket)
{
    if ((socket == 3 || close_range(3, (unsigned)socket - 1, 0) == 0) &&
        close_range((unsigned)socket + 1, UINT_MAX, 0) == 0)
        return;
    DIR *directory = opendir("/proc/self/fd"); /* before Linux 5.9 */
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        int descriptor = (int)strtol(entry->d_name, NULL, 10);
        if (descriptor > 2 && descriptor != socket && descriptor != dirfd(directory))
            close(descriptor);
    }
    closedir(directory);
}

/* NAME=value, or the default. */
static char *variable(const char *name, const char *value, const char *otherwise)
{
    char *text;
    if (!value)
        return strdup(otherwise);
    return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

static int run(const char *program, const char *name, const int ends[3], pid_t *pid)
{
    char *environment[4] = {variable("PATH", getenv("PATH"), DEFAULT_PATH),
                            variable("LANG", getenv("LANG"), DEFAULT_LANG), variable("DOTSGW_MITIGATOR", name, "")};
    char *arguments[] = {(char *)program, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    int error = environment[0] && environment[1] && environment[2] ? 0 : ENOMEM;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int i = 0; i < 3 && error == 0; i++)
        error = posix_spawn_file_actions_adddup2(&actions, ends[i], i);
    if (error == 0)
        error = posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    if (error == 0)
        error = posix_spawn(pid, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 3; i++)
        free(environment[i]);
    return error;
}

/* ---- Requests ---- */

static void report(const struct server *server, uint32_t event, uint32_t id, int32_t value, int32_t signal)
{
    const struct spawner_report message = {event, id, value, signal};
    if (send(server->socket, &message, sizeof message, MSG_NOSIGNAL) < 0)
        _exit(0); /* the gateway is gone */
}

/* The entry of an id; of id 0, which nobody has, a free one. */
static struct program *find(struct server *server, uint32_t id)
{
    for (size_t i = 0; i < SPAWNER_PROGRAMS_MAX; i++) {
        struct program *program = &server->programs[i];
        if (id ? program->pid && program->id == id : !program->pid)
            return program;
    }
    return NULL;
}

/* The text after the first one, or NULL: they are not two, each ended. */
static const char *second_text(const struct spawner_request *request, size_t length)
{
    const char *end = request->text + length;
    const char *first = memchr(request->text, '\0', length);
    return first && first + 1 < end && memchr(first + 1, '\0', (size_t)(end - first - 1)) == end - 1 ? first + 1 : NULL;
}

static int start(struct server *server, const struct spawner_request *request, size_t length, const int ends[3])
{
    const char *name = second_text(request, length);
    struct program *program = find(server, 0);
    if (!name || request->id == 0 || find(server, request->id))
        return EINVAL;
    if (!program)
        return EAGAIN;
    if (!server->settings->allows(server->settings->arg, request->text))
        return EPERM;
    int error = run(request->text, name, ends, &program->pid);
    if (error != 0) {
        program->pid = 0;
        return error;
    }
    program->id = request->id;
    report(server, SPAWNER_STARTED, request->id, program->pid, 0);
    return 0;
}

static void serve(struct server *server, const struct spawner_request *request, size_t length, const int ends[3])
{
    struct program *program = find(server, request->id);
    if (request->op == SPAWNER_START) {
        int error = ends[2] >= 0 ? start(server, request, length - SPAWNER_REQUEST_FIXED, ends) : EINVAL;
        if (error != 0)
            report(server, SPAWNER_FAILED, request->id, error, 0);
    } else if (request->op == SPAWNER_SIGNAL && request->id && program) {
        if (kill(-program->pid, request->signal) != 0)
            kill(program->pid, request->signal);
    }
}

static void receive(struct server *server)
{
    struct spawner_request request;
    struct iovec part = {&request, sizeof request};
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr alignment;
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int ends[3] = {-1, -1, -1};
    ssize_t length = recvmsg(server->socket, &message, MSG_CMSG_CLOEXEC);
    if (length < 0 && errno == EINTR)
        return;
    if (length <= 0)
        _exit(0);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len <= CMSG_LEN(sizeof ends))
        memcpy(ends, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    if ((size_t)length >= SPAWNER_REQUEST_FIXED && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        serve(server, &request, (size_t)length, ends);
    for (int i = 0; i < 3; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
    }
}

static void reap(struct server *server)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (size_t i = 0; i < SPAWNER_PROGRAMS_MAX; i++) {
            struct program *program = &server->programs[i];
            if (program->pid != pid)
                continue;
            program->pid = 0;
            report(server, SPAWNER_EXITED, program->id, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        }
    }
}

/* ---- The process ---- */

static void child_ended(int number)
{
    (void)number; /* it is enough that ppoll() returns */
}

/* Ends come only while ppoll() waits; ^C and service managers' signals are the gateway's business. */
static void set_signals(sigset_t *while_waiting)
{
    const struct sigaction on_child = {.sa_handler = child_ended, .sa_flags = SA_NOCLDSTOP};
    const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    sigset_t child;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    sigaction(SIGCHLD, &on_child, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, while_waiting);
    sigdelset(while_waiting, SIGCHLD);
}

_Noreturn void spawner_serve(int socket, const struct spawner_settings *settings)
{
    static struct server server;
    struct pollfd ready = {.fd = socket, .events = POLLIN};
    sigset_t while_waiting;
    server.socket = socket;
    server.settings = settings;
    prctl(PR_SET_NAME, "dotsgw-spawner");
    close_others(socket);
    set_signals(&while_waiting);
    if (settings->settle && settings->settle(settings->arg) != 0)
        _exit(1);
    for (;;) {
        int count = ppoll(&ready, 1, NULL, &while_waiting);
        reap(&server);
        if (count > 0)
            receive(&server);
    }
}
