/* compare: entries into canonical text on both sides, then the plan. */
#include "northbound/data/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/data/canonical.h"

/* What an upstream is not to have, or cannot be told, is not wanted there. */
static int add_wanted(struct comparison *comparison, size_t i)
{
    const struct compare_entry *from = &comparison->entries[i];
    struct portion_terms terms = comparison->terms;
    char reason[PORTION_REASON_MAX];
    struct repair_entry made = {.kind = from->entry->kind == CATALOG_ALIAS ? REPAIR_ALIAS : REPAIR_ACL,
                                .name = from->name,
                                .group = (size_t)from->client};
    enum portion_result result;
    json_t *entry;

    terms.name = from->name;
    result = portion_make(from->entry->kind, from->entry->json, from->entry->json_length, &terms, &entry, reason);
    if (result == PORTION_FAILED)
        return -1;
    if (result != PORTION_MADE)
        return 0;
    made.content = canonical_text(entry);
    json_decref(entry);
    if (!made.content)
        return -1;
    comparison->wanted[comparison->wanted_count] = made;
    comparison->origin[comparison->wanted_count++] = i;
    return 0;
}

void comparison_run(struct comparison *comparison)
{
    comparison->failed = true;
    if (comparison->body && data_listing_read(comparison->body, comparison->body_length, &comparison->installed,
                                              comparison->error, sizeof(comparison->error)) != 0)
        return;
    snprintf(comparison->error, sizeof(comparison->error), "out of memory");
    comparison->wanted = calloc(comparison->entry_count + 1, sizeof(*comparison->wanted));
    comparison->origin = calloc(comparison->entry_count + 1, sizeof(*comparison->origin));
    if (!comparison->wanted || !comparison->origin)
        return;
    for (size_t i = 0; i < comparison->entry_count; i++)
        if (add_wanted(comparison, i) != 0)
            return;
    if (repair_plan(comparison->wanted, comparison->wanted_count, comparison->installed.entries,
                    comparison->installed.count, comparison->refresh_minutes, &comparison->steps,
                    &comparison->step_count) != 0)
        return;
    comparison->error[0] = '\0';
    comparison->failed = false;
}

int comparison_take_terms(struct comparison *comparison, const struct portion_terms *terms)
{
    comparison->nat = calloc(terms->nat_count + 1, sizeof(*comparison->nat));
    comparison->owns = calloc(terms->owns_count + 1, sizeof(*comparison->owns));
    if (!comparison->nat || !comparison->owns)
        return -1;
    if (terms->nat_count)
        memcpy(comparison->nat, terms->nat, terms->nat_count * sizeof(*comparison->nat));
    if (terms->owns_count)
        memcpy(comparison->owns, terms->owns, terms->owns_count * sizeof(*comparison->owns));
    comparison->terms = *terms;
    comparison->terms.nat = comparison->nat;
    comparison->terms.owns = comparison->owns;
    return 0;
}

static void run(uv_work_t *work)
{
    comparison_run(work->data);
}

static void ended(uv_work_t *work, int status)
{
    struct comparison *comparison = work->data;

    if (status != 0)
        comparison->failed = true;
    comparison->done(comparison);
}

int comparison_start(uv_loop_t *loop, struct comparison *comparison)
{
    comparison->work.data = comparison;
    return uv_queue_work(loop, &comparison->work, run, ended) == 0 ? 0 : -1;
}

void comparison_free(struct comparison *comparison)
{
    if (!comparison)
        return;
    for (size_t i = 0; i < comparison->wanted_count; i++)
        free((char *)comparison->wanted[i].content);
    for (size_t i = 0; i < comparison->entry_count; i++)
        catalog_entry_unref(comparison->entries[i].entry);
    data_listing_free(&comparison->installed);
    free(comparison->entries);
    free(comparison->nat);
    free(comparison->owns);
    free(comparison->wanted);
    free(comparison->origin);
    free(comparison->steps);
    free(comparison->body);
    free(comparison);
}
