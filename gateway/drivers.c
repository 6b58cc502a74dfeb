/* drivers: the mitigators that run, and what they report. */

#include <stdio.h>
#include <stdlib.h>

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
