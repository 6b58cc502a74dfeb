/* drivers: the mitigators that run, and what they report. */

#include <stdio.h>
#include <stdlib.h>

#include "gateway/log/log.h"
#include "gateway/parts.h"
#include "gateway/report.h"

static void reported(void *arg, const char *job, const struct mitigator_report *report)
{
    struct driver *driver = arg;

    if (driver->gateway->filters && filters_report(driver->gateway->filters, driver->target, job, report->matched))
        return;
    if (driver->gateway->relay)
        report_to_relay(driver->gateway->relay, clock_ms(), driver->target, job, report);
}

struct driver *gateway_driver_open(struct gateway *gateway, const struct config_mitigator *config, size_t target,
                                   char *error, size_t error_size)
{
    struct mitigator_settings settings = {.spawner = gateway->spawner,
                                          .name = config->name,
                                          .exec = config->exec,
                                          .notify = config->driver == CONFIG_DRIVER_NOTIFY};
    struct driver *driver = calloc(1, sizeof(*driver));

    if (driver) {
        driver->gateway = gateway;
        driver->target = target;
        driver->mitigator = mitigator_open(gateway->loop, &settings, reported, driver);
    }
    if (driver && driver->mitigator)
        return driver;
    free(driver);
    snprintf(error, error_size, "mitigator %s: out of memory", settings.name);
    return NULL;
}

void gateway_driver_counts(const struct driver *driver, struct mitigator_counts *out)
{
    mitigator_counts(driver->mitigator, out);
}

static void driver_closed(void *arg)
{
    struct driver *driver = arg;
    struct gateway *gateway = driver->gateway;

    free(driver);
    gateway_part_closed(gateway);
}

/* Counted like everything that closes: the gateway itself may be asked to close meanwhile. */
void gateway_driver_close(struct driver *driver)
{
    driver->gateway->closing++;
    mitigator_close(driver->mitigator, driver_closed, driver);
}

/* ---- What the relay wants done ---- */

static struct mitigator *driver_of(struct gateway *gateway, const struct install *install)
{
    return gateway->targets.at[install_cuid(install)->target].driver->mitigator;
}

static const char *target_name(const struct gateway *gateway, const struct install *install)
{
    return gateway->targets.at[install_cuid(install)->target].name;
}

/* What the relay says of a job, and its number as text. */
struct job {
    struct install_request request;
    struct wire_scope scratch;
    char id[24];
};

static void job_of(struct install *install, struct job *job)
{
    relay_install_request(install, clock_ms(), &job->request, &job->scratch);
    snprintf(job->id, sizeof(job->id), "%llu", (unsigned long long)job->request.id);
}

void gateway_job_start(void *arg, struct install *install)
{
    struct gateway *gateway = arg;
    struct job job;

    job_of(install, &job);
    log_debug("job-start", LOG_REQUEST " mitigator %s: job %s", job.request.request, target_name(gateway, install),
              job.id);
    mitigator_start(driver_of(gateway, install), &(struct mitigator_job){
                                                     .id = job.id,
                                                     .client = job.request.client,
                                                     .target = &job.request.scope->target,
                                                     .lifetime = job.request.scope->lifetime,
                                                     .attack_status = job.request.scope->attack_status,
                                                 });
}

void gateway_job_stop(void *arg, struct install *install)
{
    struct job job;

    job_of(install, &job);
    log_debug("job-stop", LOG_REQUEST " mitigator %s: job %s", job.request.request, target_name(arg, install), job.id);
    mitigator_stop(driver_of(arg, install), job.id);
}
