/* list: what is known of attacks, as JSON for operators. */
#include "gateway/detectors/state.h"

#define LISTED 1000 /* a longer list would be a long turn of the loop */

struct list {
    json_t *attacks;
    int64_t now;
    size_t count;
    bool fired, failed;
};

static json_t *view(const struct attack_view *attack, int64_t now)
{
    char target[WIRE_PREFIX_TEXT];
    json_t *item = json_pack("{s:s, s:s, s:I, s:I, s:b}", "detector", attack->detector, "target",
                             wire_prefix_format(&attack->report->target, target), "first-seconds",
                             (json_int_t)(now - attack->first_ms) / 1000, "heard-seconds",
                             (json_int_t)(now - attack->heard_ms) / 1000, "ended", attack->report->ended);
    int status = item ? 0 : -1;

    for (int i = 0; i < CONFIG_FIGURES && status == 0; i++) {
        if (attack->report->has[i])
            status =
                json_object_set_new(item, attack_figure_names[i], json_integer((json_int_t)attack->report->figures[i]));
    }
    if (status == 0 && attack->rule) {
        json_t *more = json_pack("{s:s, s:s}", "rule", attack->rule, "state", attack->state);

        status = json_object_update(item, more);
        json_decref(more);
        if (status == 0 && attack->since_ms)
            status = json_object_set_new(item, "state-seconds", json_integer((now - attack->since_ms) / 1000));
        if (status == 0 && attack->mid)
            status = json_object_set_new(item, "mid", json_integer(attack->mid)) != 0 ||
                             json_object_set_new(item, "accepted", json_boolean(attack->accepted)) != 0
                         ? -1
                         : 0;
    }
    if (status == 0)
        return item;
    json_decref(item);
    return NULL;
}

/* First what has fired, then the rest, so that it is not what is cut off. */
static int add(void *arg, const struct attack_view *attack)
{
    struct list *list = arg;
    json_t *item;

    if ((attack->mid != 0) != list->fired)
        return 0;
    list->count++;
    if (json_array_size(list->attacks) >= LISTED)
        return 0;
    item = view(attack, list->now);
    list->failed = !item || json_array_append_new(list->attacks, item) != 0;
    return list->failed;
}

json_t *detectors_list(const struct detectors *detectors)
{
    struct list list = {.attacks = json_array(), .now = detectors->settings.now(), .fired = true};

    attacks_each(detectors->attacks, add, &list);
    list.fired = false;
    if (!list.failed)
        attacks_each(detectors->attacks, add, &list);
    if (!list.failed)
        return json_pack("{s:o, s:I}", "attacks", list.attacks, "attack-count", (json_int_t)list.count);
    json_decref(list.attacks);
    return NULL;
}
