/* repair: wanted and installed entries are matched by name; the longest run in order stays, the rest moves. */
#include "aggregation/repair.h"

#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

struct match {
    const struct repair_entry *entry;
    size_t index;
};

struct ranked {
    size_t group, index;
};

struct plan {
    const struct repair_entry *wanted, *installed;
    size_t wanted_count, installed_count;
    size_t *at;    /* of each wanted one, where it is installed; NONE */
    bool *claimed; /* of each installed one: wanted, or a duplicate */
    bool *stable;  /* of each wanted one: it is installed and stays where it is */
    size_t *order; /* wanted ACLs by group */
    /* Scratch. */
    size_t *tails, *before;
    struct match *sorted;
    struct ranked *ranked;
    struct repair_step *by_wanted; /* where each wanted one goes, if it has to go */
    struct repair_step *steps;
    size_t step_count;
};

static int compare(const void *left, const void *right)
{
    const struct match *a = left, *b = right;
    int names;

    if (a->entry->kind != b->entry->kind)
        return a->entry->kind < b->entry->kind ? -1 : 1;
    names = strcmp(a->entry->name, b->entry->name);
    if (names != 0)
        return names;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int compare_names(const void *left, const void *right)
{
    const struct match *a = left, *b = right;

    if (a->entry->kind != b->entry->kind)
        return a->entry->kind < b->entry->kind ? -1 : 1;
    return strcmp(a->entry->name, b->entry->name);
}

static void match_all(struct plan *plan)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->installed_count; i++)
        plan->sorted[i] = (struct match){&plan->installed[i], i};
    if (plan->installed_count > 0)
        qsort(plan->sorted, plan->installed_count, sizeof(*plan->sorted), compare);
    for (size_t i = 0; i < plan->installed_count; i++) {
        if (count > 0 && compare_names(&plan->sorted[count - 1], &plan->sorted[i]) == 0)
            plan->claimed[plan->sorted[i].index] = true; /* a deletion would take the first one, too */
        else
            plan->sorted[count++] = plan->sorted[i];
    }
    for (size_t i = 0; i < plan->wanted_count; i++) {
        const struct match key = {&plan->wanted[i], 0};
        const struct match *found = count > 0 ? bsearch(&key, plan->sorted, count, sizeof(key), compare_names) : NULL;

        plan->at[i] = found ? found->index : NONE;
        if (found)
            plan->claimed[found->index] = true;
    }
}

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;

    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The wanted ACLs, group by group, each in its order. */
static size_t by_group(struct plan *plan)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->wanted_count; i++)
        if (plan->wanted[i].kind == REPAIR_ACL)
            plan->ranked[count++] = (struct ranked){plan->wanted[i].group, i};
    if (count > 0)
        qsort(plan->ranked, count, sizeof(*plan->ranked), compare_ranked);
    for (size_t i = 0; i < count; i++)
        plan->order[i] = plan->ranked[i].index;
    return count;
}

/* Marks the longest run of a group that is installed in the order that is wanted. */
static void keep_longest(struct plan *plan, size_t start, size_t count)
{
    const size_t *group = plan->order + start;
    size_t length = 0, at;

    for (size_t i = 0; i < count; i++) {
        size_t low = 0, high = length, place = plan->at[group[i]];

        if (place == NONE)
            continue;
        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (plan->at[group[plan->tails[middle]]] < place)
                low = middle + 1;
            else
                high = middle;
        }
        plan->before[i] = low > 0 ? plan->tails[low - 1] : NONE;
        plan->tails[low] = i;
        if (low == length)
            length++;
    }
    for (at = length > 0 ? plan->tails[length - 1] : NONE; at != NONE; at = plan->before[at])
        plan->stable[group[at]] = true;
}

/* Where the steps of a group put what does not stay. */
static void place_group(struct plan *plan, size_t start, size_t count)
{
    const size_t *group = plan->order + start;
    size_t next = NONE;

    for (size_t i = count; i-- > 0;) {
        struct repair_step *step = &plan->by_wanted[group[i]];

        if (plan->stable[group[i]]) {
            next = group[i];
            continue;
        }
        /* Appending puts it behind all of its group, unless a stable one is to follow, or it is there and must move. */
        if (next == NONE && plan->at[group[i]] == NONE)
            continue;
        step->place = i > 0 ? REPAIR_AFTER : next != NONE ? REPAIR_BEFORE : REPAIR_ANYWHERE;
        step->neighbour = i > 0 ? group[i - 1] : next;
    }
}

static void place_all(struct plan *plan)
{
    size_t count = by_group(plan), end;

    for (size_t start = 0; start < count; start = end) {
        for (end = start; end < count; end++)
            if (plan->wanted[plan->order[end]].group != plan->wanted[plan->order[start]].group)
                break;
        keep_longest(plan, start, end - start);
        place_group(plan, start, end - start);
    }
}

static bool is_right(const struct plan *plan, size_t i, int64_t refresh_minutes)
{
    const struct repair_entry *wanted = &plan->wanted[i], *installed;

    if (plan->at[i] == NONE)
        return false;
    installed = &plan->installed[plan->at[i]];
    return strcmp(wanted->content, installed->content) == 0 && installed->pending_minutes >= refresh_minutes &&
           (wanted->kind == REPAIR_ALIAS || plan->stable[i]);
}

static void make_steps(struct plan *plan, int64_t refresh_minutes)
{
    for (size_t i = 0; i < plan->installed_count; i++)
        if (!plan->claimed[i])
            plan->steps[plan->step_count++] = (struct repair_step){
                .kind = plan->installed[i].kind, .index = i, .neighbour = NONE, .place = REPAIR_ANYWHERE};
    for (size_t i = 0; i < plan->wanted_count; i++)
        if (!is_right(plan, i, refresh_minutes)) {
            plan->steps[plan->step_count] = plan->by_wanted[i];
            plan->steps[plan->step_count].put = true;
            plan->steps[plan->step_count].kind = plan->wanted[i].kind;
            plan->steps[plan->step_count++].index = i;
        }
}

/* Every array of a plan; 0, or -1. plan_free in any case. */
static int plan_alloc(struct plan *plan)
{
    const size_t wanted = plan->wanted_count + 1, installed = plan->installed_count + 1;

    plan->at = calloc(wanted, sizeof(*plan->at));
    plan->stable = calloc(wanted, sizeof(*plan->stable));
    plan->order = calloc(wanted, sizeof(*plan->order));
    plan->tails = calloc(wanted, sizeof(*plan->tails));
    plan->before = calloc(wanted, sizeof(*plan->before));
    plan->ranked = calloc(wanted, sizeof(*plan->ranked));
    plan->by_wanted = calloc(wanted, sizeof(*plan->by_wanted));
    plan->claimed = calloc(installed, sizeof(*plan->claimed));
    plan->sorted = calloc(installed, sizeof(*plan->sorted));
    plan->steps = calloc(wanted + installed, sizeof(*plan->steps));
    return plan->at && plan->stable && plan->order && plan->tails && plan->before && plan->ranked && plan->by_wanted &&
                   plan->claimed && plan->sorted && plan->steps
               ? 0
               : -1;
}

static void plan_free(struct plan *plan)
{
    free(plan->at);
    free(plan->stable);
    free(plan->order);
    free(plan->tails);
    free(plan->before);
    free(plan->ranked);
    free(plan->by_wanted);
    free(plan->claimed);
    free(plan->sorted);
    free(plan->steps);
}

int repair_plan(const struct repair_entry *wanted, size_t wanted_count, const struct repair_entry *installed,
                size_t installed_count, int64_t refresh_minutes, struct repair_step **steps, size_t *step_count)
{
    struct plan plan = {
        .wanted = wanted, .wanted_count = wanted_count, .installed = installed, .installed_count = installed_count};

    if (plan_alloc(&plan) != 0) {
        plan_free(&plan);
        return -1;
    }
    match_all(&plan);
    place_all(&plan);
    make_steps(&plan, refresh_minutes);
    *steps = plan.steps;
    *step_count = plan.step_count;
    plan.steps = NULL;
    plan_free(&plan);
    return 0;
}
