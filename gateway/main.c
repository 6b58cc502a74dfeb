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
#include "gateway/versions.h"

struct process {
    uv_loop_t loop;
    struct gateway *gateway;
    uv_signal_t signals[5];
    bool stopping;
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
          "\n"
          "Runs in the foreground and logs to standard error. SIGTERM and SIGINT end it in order;\n"
          "mitigations stay installed and are taken up again at the next start. SIGHUP reads the\n"
          "configuration again. SIGUSR1 drains: clients are sent to the server of redirect, and\n"
          "the end comes when they have gone; SIGUSR2 takes that back.\n",
          out);
}

static void close_signal(struct process *process)
{
    for (size_t i = 0; i < sizeof(process->signals) / sizeof(process->signals[0]); i++)
        uv_close((uv_handle_t *)&process->signals[i], NULL);
}

static void gateway_closed(void *arg)
{
    close_signal(arg);
}

static void stop(struct process *process, const char *why)
{
    if (process->stopping)
        return;
    process->stopping = true;
    log_notice("stop", "%s: ending sessions, committing, closing", why);
    gateway_close(process->gateway, gateway_closed, process);
}

static void on_end(uv_signal_t *handle, int number)
{
    stop(handle->data, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void reload(struct process *process);

static void reloaded(void *arg, bool ok, const char *text)
{
    struct process *process = arg;

    (void)ok, (void)text; /* the log has it */
    if (process->again)
        reload(process);
}

static void reload(struct process *process)
{
    process->again = !process->stopping && gateway_reload(process->gateway, "SIGHUP", reloaded, process) != 0;
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    reload(handle->data);
}

static void drained(void *arg)
{
    stop(arg, "drained");
}

static void on_drain(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;

    if (number == SIGUSR1)
        gateway_drain(process->gateway, "SIGUSR1", drained, process);
    else
        gateway_undrain(process->gateway, "SIGUSR2");
}

static int run(struct config *config)
{
    static const struct {
        int number;
        uv_signal_cb handler;
    } signals[] = {{SIGTERM, on_end}, {SIGINT, on_end}, {SIGHUP, on_hangup}, {SIGUSR1, on_drain}, {SIGUSR2, on_drain}};
    struct process process = {0};
    char name[64], error[512];

    snprintf(name, sizeof(name), "%s", config->gateway.name);

    uv_loop_init(&process.loop);
    process.gateway = gateway_open(&process.loop, config, error, sizeof(error));
    if (!process.gateway) {
        uv_run(&process.loop, UV_RUN_DEFAULT);
        uv_loop_close(&process.loop);
        log_error("start", "%s", error);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        uv_signal_init(&process.loop, &process.signals[i]);
        process.signals[i].data = &process;
        uv_signal_start(&process.signals[i], signals[i].handler, signals[i].number);
    }
    log_notice("start", "dotsgw %s as %s", DOTSGW_VERSION, name);
    uv_run(&process.loop, UV_RUN_DEFAULT);
    uv_loop_close(&process.loop);
    return EXIT_SUCCESS;
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
