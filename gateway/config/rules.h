/* rules: what must hold between keys, called after the mapping they stand in is read. Private to
 * gateway/config. Each returns 0, or -1 after a fault. */
#pragma once

#include "gateway/config/loader.h"

int config_rule_tls(struct loader *loader, const struct node *map, void *base);         /* struct config_credentials */
int config_rule_credentials(struct loader *loader, const struct node *map, void *base); /* struct config_credentials */
int config_rule_identity(struct loader *loader, const struct node *map, void *base); /* struct config_client_identity */
int config_rule_upstream_data(struct loader *loader, const struct node *map, void *base); /* config_upstream_data */
int config_rule_client(struct loader *loader, const struct node *map, void *base);        /* struct config_client */
int config_rule_mitigator(struct loader *loader, const struct node *map, void *base);     /* struct config_mitigator */
int config_rule_mapping(struct loader *loader, const struct node *map, void *base);     /* struct config_nat_mapping */
int config_rule_detector(struct loader *loader, const struct node *map, void *base);    /* struct config_detector */
int config_rule_condition(struct loader *loader, const struct node *map, void *base);   /* struct config_condition */
int config_rule_attack(struct loader *loader, const struct node *map, void *base);      /* struct config_attack_rule */
int config_rule_terminating(struct loader *loader, const struct node *map, void *base); /* config.terminating */

/* Across the whole file. */
int config_rule_mappings(struct loader *loader, const struct node *list, const struct config *config);
int config_rule_detectors(struct loader *loader, const struct node *root, struct config *config); /* detectors.c */
int config_rule_config(struct loader *loader, const struct node *root, struct config *config);
