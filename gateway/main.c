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
    struct config *config;
    uv_signal_t signals[3];
    bool stopping;
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
          "mitigations stay installed and are taken up again at the next start.\n",
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

static void stop(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;

    if (process->stopping)
        return;
    process->stopping = true;
    supervisor_stopping(process->supervisor);
    log_notice("stop", "%s: ending sessions, committing, closing", number == SIGTERM ? "SIGTERM" : "SIGINT");
    gateway_close(process->gateway, gateway_closed, process);
}

static void tell_serving(struct process *process)
{
    char status[128];

    snprintf(status, sizeof(status), "Serving as %s", process->config->gateway.name);
    supervisor_ready(process->supervisor, status);
}

/* Checks the file anew; what is in force stays until a restart. */
static void check_again(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;
    struct config_error error;
    struct config *config;

    (void)number;
    supervisor_reloading(process->supervisor);
    config = config_load(process->config->file, &error);
    if (config) {
        log_configure(config->log.level, config->log.format);
        log_notice("reload", "%s: it is good; level and format of the log are in force now, the rest at the next start",
                   config->file);
    } else {
        log_error("reload-refused", "%s:%d:%d: %s; the running configuration stays in force", error.file, error.line,
                  error.column, error.text);
    }
    config_free(config);
    tell_serving(process);
}

/* Everything that needs privileges or other processes is done by now. */
static int confine(struct process *process, char *error, size_t error_size)
{
    error[0] = '\0';
    if (process->config->gateway.seccomp)
        process->filter = filter_apply(&process->loop, error, error_size);
    return error[0] ? -1 : 0;
}

static int open_all(struct process *process, char *error, size_t error_size)
{
    int result = spawner_open(process->spawner, &process->loop);

    if (result != 0) {
        snprintf(error, error_size, "the process that starts programs cannot be heard: %s", uv_strerror(result));
        return -1;
    }
    process->supervisor = supervisor_open(&process->loop);
    process->gateway = gateway_open(&process->loop, process->config, process->spawner, error, error_size);
    if (!process->gateway)
        return -1;
    if (confine(process, error, error_size) == 0)
        return 0;
    gateway_close(process->gateway, NULL, NULL);
    return -1;
}

static void serve(struct process *process)
{
    static const struct {
        int number;
        uv_signal_cb handler;
    } signals[] = {{SIGTERM, stop}, {SIGINT, stop}, {SIGHUP, check_again}};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        uv_signal_init(&process->loop, &process->signals[i]);
        process->signals[i].data = process;
        uv_signal_start(&process->signals[i], signals[i].handler, signals[i].number);
    }
    log_notice("start", "dotsgw %s as %s", DOTSGW_VERSION, process->config->gateway.name);
    tell_serving(process);
    uv_run(&process->loop, UV_RUN_DEFAULT);
}

static int run(struct config *config)
{
    struct process process = {.config = config};
    char error[512];
    int status = EXIT_SUCCESS;

    process.spawner = programs_fork(config, error, sizeof(error));
    if (!process.spawner || privileges_drop(config->gateway.user, error, sizeof(error)) != 0) {
        if (process.spawner)
            spawner_close(process.spawner);
        log_error("start", "%s", error);
        return EXIT_FAILURE;
    }
    if (config->gateway.seccomp)
        filter_refuse_rings(); /* libuv then does without */
    uv_loop_init(&process.loop);
    if (open_all(&process, error, sizeof(error)) == 0) {
        serve(&process);
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
    int option, status;

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
    status = run(config);
    config_free(config);
    return status;
}
