/* calls: the lists of the filter. Private to gateway/service. */
#pragma once

/* Names as libseccomp knows them; one that an architecture does not have is passed over. Ended by NULL. */
extern const char *const calls_allowed[], *const calls_deadly[];
