/* private: what the files of attack share; nobody else includes it but its tests. */
#pragma once

#include "gateway/attack/report.h"

/* An address or a prefix that can be mitigated. 0, or -1 with a sentence. */
int attack_target(const char *text, struct attack_report *out, char *reason);
int attack_figure(struct attack_report *out, int figure, double value, char *reason);
