/* overlap_place: intrusive lists, so that a clause leaves its place in constant time. */
#include "aggregation/overlap_place.h"

void overlap_attach(struct overlap_place *place, struct attachment *attachment, struct overlap_entry *entry)
{
    *attachment = (struct attachment){entry, place, place->first, &place->first};
    if (place->first)
        place->first->link = &attachment->next;
    place->first = attachment;
}

void overlap_detach(struct attachment *attachment)
{
    *attachment->link = attachment->next;
    if (attachment->next)
        attachment->next->link = attachment->link;
    attachment->place = NULL;
}

int overlap_visit_place(struct overlap_place *place, struct overlap_visit *visit)
{
    if (place->turn == visit->turn)
        return 0;
    place->turn = visit->turn;
    int result = 0;
    for (struct attachment *at = place->first; result == 0 && at; at = at->next)
        result = visit->attachment(visit, at);
    return result;
}
