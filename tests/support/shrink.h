/*
 * shrink: the shortest story that still fails. Stories run in processes of their own: one that crashes, hangs or is
 * stopped by a sanitizer fails like any other.
 */
#pragma once

#include "tests/support/history.h"

/* Runs stories of seeds from, from + step, ... to. 0: all pass; else the seed that does not. SIZE_MAX: the process
 * failed after the last one (a leak), its report is on stderr. */
uint64_t stories_run(uint64_t from, uint64_t to, uint64_t step);

/* failure: why, if it does. */
bool story_fails(const struct story *story, char failure[HISTORY_FAILURE]);
/* Without any one of its steps, or any two when they are few, or with a number of it 0 or halved, it passes. */
void story_shrink(struct story *story);
/* What failed, its steps, and all of it as a scenario script with what did happen. */
void story_report(const struct story *story, FILE *out);
