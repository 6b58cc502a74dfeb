/* programs: asked in the spawner's process, which has nothing else to do: it may read files and wait. */
#include "gateway/programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/service/privileges.h"

struct programs {
    char *file;
    char *user; /* NULL: who we are */
    char **paths;
    size_t count;
};

static void forget(struct programs *programs)
{
    for (size_t i = 0; i < programs->count; i++)
        free(programs->paths[i]);
    free(programs->paths);
    programs->paths = NULL;
    programs->count = 0;
}

static int take(struct programs *programs, const struct config *config)
{
    forget(programs);
    programs->paths = calloc(config->mitigator_count + 1, sizeof(*programs->paths));
    if (!programs->paths)
        return -1;
    for (size_t i = 0; i < config->mitigator_count; i++) {
        if (!config->mitigators[i].exec)
            continue;
        programs->paths[programs->count] = strdup(config->mitigators[i].exec);
        if (!programs->paths[programs->count])
            return -1;
        programs->count++;
    }
    return 0;
}

static bool lists(const struct programs *programs, const char *program)
{
    for (size_t i = 0; i < programs->count; i++) {
        if (strcmp(programs->paths[i], program) == 0)
            return true;
    }
    return false;
}

/* A program that is not known can be in the file since a reload. */
static bool allows(void *arg, const char *program)
{
    struct programs *programs = arg;
    struct config_error error;
    struct config *config;

    if (lists(programs, program))
        return true;
    config = config_load(programs->file, &error);
    if (config && take(programs, config) != 0)
        forget(programs);
    config_free(config);
    return lists(programs, program);
}

static int settle(void *arg)
{
    const struct programs *programs = arg;
    char error[256];

    if (privileges_drop_all(programs->user, error, sizeof(error)) == 0)
        return 0;
    log_error("spawner", "%s", error);
    return -1;
}

struct spawner *programs_fork(const struct config *config, char *error, size_t error_size)
{
    struct programs programs = {.file = strdup(config->file)};
    struct spawner_settings settings = {settle, allows, &programs};
    struct spawner *spawner = NULL;

    if (config->gateway.user)
        programs.user = strdup(config->gateway.user);
    errno = ENOMEM;
    if (programs.file && (programs.user || !config->gateway.user) && take(&programs, config) == 0)
        spawner = spawner_fork(&settings);
    if (!spawner)
        snprintf(error, error_size, "the process that starts programs cannot be made: %s", strerror(errno));
    forget(&programs);
    free(programs.file);
    free(programs.user);
    return spawner;
}
