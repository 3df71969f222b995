/*
 * From the configuration of a link to the parameters of its engine; pure, so
 * that mulecap asks the engine with the very values that muled would use.
 */
#ifndef MULETEER_GATEWAY_PARAMETERS_H
#define MULETEER_GATEWAY_PARAMETERS_H

#include "config/cfg.h"
#include "pmul/pmul.h"

/* Everything but the seed, which is the caller's. */
void parameters_pmul(
    const struct cfg *node, const struct cfg_link *cfg, struct pmul_config *p);

#endif
