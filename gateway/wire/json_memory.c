/* Whether jansson has lacked memory. */
#include <jansson.h>
#include <stdlib.h>
#include <threads.h>

#include "gateway/wire/json_memory.h"

static _Thread_local bool failed;

static void *allocate(size_t size)
{
    void *memory = malloc(size);

    if (!memory)
        failed = true;
    return memory;
}

/* For the whole process, which notices nothing: memory from before is malloc's, too. */
static void install(void)
{
    json_set_alloc_funcs(allocate, free);
}

void wire_json_memory_watch(void)
{
    static once_flag once = ONCE_FLAG_INIT;

    call_once(&once, install);
    failed = false;
}

bool wire_json_memory_failed(void)
{
    return failed;
}
