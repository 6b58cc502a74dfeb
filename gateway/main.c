/* main: dotsgw -c FILE. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "gateway/assemble.h"
#include "gateway/config/config.h"
#include "gateway/log/log.h"
#include "gateway/operate.h"
#include "gateway/programs.h"
#include "gateway/service/filter.h"
#include "gateway/service/supervisor.h"
#include "gateway/service/privileges.h"
#include "gateway/versions.h"

struct process {
    uv_loop_t loop;
    struct spawner *spawner;
    struct supervisor *supervisor;
    struct filter *filter;
    struct gateway *gateway;
    uv_signal_t signals[5];
    char status[128]; /* while it serves */
    bool confined;    /* gateway.seccomp */
    bool stopping, reloading;
    bool again; /* the file may have changed since the reload that is under way has read it */
};

static void usage(FILE *out)
{
    fputs("usage: dotsgw -c FILE [-t]\n"
          "       dotsgw -V\n"
          "\n"
          "  -c FILE   configuration (docs/configuration.md)\n"
          "  -t        check the configuration and exit: 0 when it is good, 1 when not\n"
          "  -V        versions and what this build can do\n"
          "  -h        this\n"
          "\n"
          "Runs in the foreground and logs to standard error. SIGTERM and SIGINT end it in order;\n"
          "mitigations stay installed and are taken up again at the next start. SIGHUP reads the\n"
          "configuration again. SIGUSR1 drains: clients are sent to the server of redirect, and\n"
          "the end comes when they have gone; SIGUSR2 takes that back.\n",
          out);
}

static void close_surroundings(struct process *process)
{
    spawner_close(process->spawner);
    supervisor_close(process->supervisor);
    filter_close(process->filter);
}

static void gateway_closed(void *arg)
{
    struct process *process = arg;

    for (size_t i = 0; i < sizeof(process->signals) / sizeof(process->signals[0]); i++)
        uv_close((uv_handle_t *)&process->signals[i], NULL);
    close_surroundings(process);
}

static void stop(struct process *process, const char *why)
{
    if (process->stopping)
        return;
    process->stopping = true;
    supervisor_stopping(process->supervisor);
    log_notice("stop", "%s: ending sessions, committing, closing", why);
    gateway_close(process->gateway, gateway_closed, process);
}

static void on_end(uv_signal_t *handle, int number)
{
    stop(handle->data, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;

    (void)number;
    if (!process->stopping)
        process->again = gateway_reload(process->gateway, "SIGHUP", NULL, NULL) != 0;
}

static void on_drain(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;

    if (process->stopping)
        return;
    if (number == SIGUSR1)
        gateway_drain(process->gateway, "SIGUSR1");
    else
        gateway_undrain(process->gateway, "SIGUSR2");
}

/* READY also says that a reload is over. */
static void changed(void *arg)
{
    struct process *process = arg;

    if (process->stopping)
        return;
    if (gateway_reloading(process->gateway)) {
        if (!process->reloading)
            supervisor_reloading(process->supervisor);
        process->reloading = true;
        return;
    }
    process->reloading = false;
    supervisor_ready(process->supervisor, gateway_draining(process->gateway)
                                              ? "Draining: clients are sent elsewhere (dotsgwctl undrain takes it back)"
                                              : process->status);
    if (process->again)
        process->again = gateway_reload(process->gateway, "SIGHUP", NULL, NULL) != 0;
}

static void drained(void *arg)
{
    stop(arg, "drained");
}

/* Everything that needs privileges or other processes is done by now. */
static int confine(struct process *process, char *error, size_t error_size)
{
    error[0] = '\0';
    if (process->confined)
        process->filter = filter_apply(&process->loop, error, error_size);
    return error[0] ? -1 : 0;
}

/* Takes config. */
static int open_all(struct process *process, struct config *config, char *error, size_t error_size)
{
    int result = spawner_open(process->spawner, &process->loop);

    if (result != 0) {
        snprintf(error, error_size, "the process that starts programs cannot be heard: %s", uv_strerror(result));
        config_free(config);
        return -1;
    }
    process->supervisor = supervisor_open(&process->loop);
    process->gateway = gateway_open(&process->loop, config, process->spawner, error, error_size);
    if (!process->gateway)
        return -1;
    if (confine(process, error, error_size) == 0)
        return 0;
    gateway_close(process->gateway, NULL, NULL);
    return -1;
}

static void serve(struct process *process, const char *name)
{
    static const struct {
        int number;
        uv_signal_cb handler;
    } signals[] = {{SIGTERM, on_end}, {SIGINT, on_end}, {SIGHUP, on_hangup}, {SIGUSR1, on_drain}, {SIGUSR2, on_drain}};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        uv_signal_init(&process->loop, &process->signals[i]);
        process->signals[i].data = process;
        uv_signal_start(&process->signals[i], signals[i].handler, signals[i].number);
    }
    log_notice("start", "dotsgw %s as %s", DOTSGW_VERSION, name);
    snprintf(process->status, sizeof(process->status), "Serving as %s", name);
    gateway_observe(process->gateway,
                    &(struct gateway_observer){.changed = changed, .drained = drained, .arg = process});
    changed(process);
    uv_run(&process->loop, UV_RUN_DEFAULT);
}

/* Takes config. */
static int run(struct config *config)
{
    struct process process = {.confined = config->gateway.seccomp};
    char name[64], error[512];
    int status = EXIT_SUCCESS;

    snprintf(name, sizeof(name), "%s", config->gateway.name);
    process.spawner = programs_fork(config, error, sizeof(error));
    if (!process.spawner || privileges_drop(config->gateway.user, error, sizeof(error)) != 0) {
        if (process.spawner)
            spawner_close(process.spawner);
        log_error("start", "%s", error);
        config_free(config);
        return EXIT_FAILURE;
    }
    if (process.confined)
        filter_refuse_rings(); /* libuv then does without */
    uv_loop_init(&process.loop);
    if (open_all(&process, config, error, sizeof(error)) == 0) {
        serve(&process, name);
    } else {
        uv_run(&process.loop, UV_RUN_DEFAULT); /* the gateway may have programs to end */
        close_surroundings(&process);
        uv_run(&process.loop, UV_RUN_DEFAULT);
        log_error("start", "%s", error);
        status = EXIT_FAILURE;
    }
    uv_loop_close(&process.loop);
    return status;
}

int main(int argc, char **argv)
{
    const char *file = NULL;
    bool check = false;
    struct config_error error;
    struct config *config;
    int option;

    while ((option = getopt(argc, argv, "c:tVh")) != -1) {
        switch (option) {
        case 'c':
            file = optarg;
            break;
        case 't':
            check = true;
            break;
        case 'V':
            versions_print(stdout);
            return EXIT_SUCCESS;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (!file || optind != argc) {
        usage(stderr);
        return 2;
    }
    config = config_load(file, &error);
    if (!config) {
        fprintf(stderr, "%s:%d:%d: %s\n", error.file, error.line, error.column, error.text);
        return EXIT_FAILURE;
    }
    if (check) {
        printf("%s: good\n", file);
        config_free(config);
        return EXIT_SUCCESS;
    }
    signal(SIGPIPE, SIG_IGN);
    log_configure(config->log.level, config->log.format);
    return run(config);
}
