/* certificate: do the files of credentials fit each other? Private to gateway/config. */
#pragma once

#include "gateway/config/loader.h"

/* Parses certificate, private key and trust anchors, those that are given, and compares the first
 * two. map is the mapping they are written in, for the places of faults. 0, or -1 after a fault. */
int config_certificate_check(struct loader *loader, const struct node *map,
                             const struct config_credentials *credentials);
