/*
 * What the operator sees, as JSON; control.h has the requests.  Each function
 * returns a new reference, or NULL when memory ran out.
 */
#ifndef MULETEER_GATEWAY_STATUS_H
#define MULETEER_GATEWAY_STATUS_H

#include <jansson.h>

#include "gateway/gateway.h"

json_t *status_all(const struct gateway *gw);
json_t *status_emcon(const struct gateway *gw);
json_t *status_queue(const struct gateway *gw, const struct queue_row *rows,
    size_t n, bool more);
json_t *status_quarantine(const struct gateway *gw,
    const struct queue_quarantined *rows, size_t n, bool more);

#endif
