/* spawn: uv_spawn, with the environment and the descriptors that it would otherwise inherit. */
#include "northbound/mitigator/spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2) /* linux/close_range.h */
#endif

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_LANG "LANG=C.UTF-8"

/*
 * Libraries open sockets without close-on-exec. We start programs only here, so all our descriptors
 * get the flag now: one system call from Linux 5.11 on, else one for each descriptor.
 */
static void keep_descriptors(void)
{
    if (close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        int descriptor = (int)strtol(entry->d_name, NULL, 10);
        if (descriptor > 2)
            fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    }
    closedir(directory);
}

/* NAME=value of our own environment, or the default. */
static char *variable(const char *name, const char *value, const char *otherwise)
{
    char *text;
    if (!value)
        return strdup(otherwise);
    return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

static int make_environment(const char *mitigator, char *environment[4])
{
    environment[0] = variable("PATH", getenv("PATH"), DEFAULT_PATH);
    environment[1] = variable("LANG", getenv("LANG"), DEFAULT_LANG);
    environment[2] = variable("DOTSGW_MITIGATOR", mitigator, "");
    environment[3] = NULL;
    return environment[0] && environment[1] && environment[2] ? 0 : UV_ENOMEM;
}

static void close_all(uv_file ends[3])
{
    for (int i = 0; i < 3; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
}

/* Pipes, not the socket pairs that uv_spawn would make: a shell cannot open /dev/stdin on a socket. */
static int make_pipes(uv_file ours[3], uv_file theirs[3])
{
    for (int i = 0; i < 3; i++) {
        uv_file ends[2];
        int result = uv_pipe(ends, i == 0 ? 0 : UV_NONBLOCK_PIPE, i == 0 ? UV_NONBLOCK_PIPE : 0);
        if (result != 0)
            return result;
        ours[i] = ends[i == 0];
        theirs[i] = ends[i != 0];
    }
    return 0;
}

int spawn_program(uv_loop_t *loop, uv_process_t *handle, const char *program, const char *mitigator, uv_exit_cb exited,
                  uv_file our_ends[3])
{
    uv_file theirs[3] = {-1, -1, -1};
    uv_stdio_container_t stdio[3];
    char *environment[4] = {NULL}, *arguments[] = {(char *)program, NULL};
    our_ends[0] = our_ends[1] = our_ends[2] = -1;
    int result = make_environment(mitigator, environment);
    if (result == 0)
        result = make_pipes(our_ends, theirs);
    for (int i = 0; i < 3; i++)
        stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = theirs[i]};
    uv_process_options_t options = {
        .file = program,
        .args = arguments,
        .env = environment,
        .cwd = "/",
        .stdio = stdio,
        .stdio_count = 3,
        .exit_cb = exited,
        .flags = UV_PROCESS_DETACHED, /* setsid: a ^C meant for us does not reach it */
    };
    if (result == 0) {
        keep_descriptors();
        result = uv_spawn(loop, handle, &options);
    }
    close_all(theirs);
    if (result != 0)
        close_all(our_ends);
    for (int i = 0; i < 3; i++)
        free(environment[i]);
    return result;
}

void spawn_signal(uv_process_t *handle, int signal)
{
    if (kill(-handle->pid, signal) != 0)
        uv_process_kill(handle, signal);
}
