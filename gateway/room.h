/*
 * How much room the disk of the queue has, and what is done when it gets scarce.
 *
 * With less than disk_reserve free, SMTP gets 452 4.3.1; already with less than
 * twice as much, what comes in by radio is not committed and so not
 * acknowledged: its senders repeat it, or keep it until we ask for it, and the
 * room that is left is for what has been promised.  Both end when an eighth of
 * the reserve more is free, so that they do not come and go with each message.
 *
 * Looks once a second, in a worker: the loop does not wait for a disk.
 */
#ifndef MULETEER_GATEWAY_ROOM_H
#define MULETEER_GATEWAY_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/gateway.h"

struct room;

enum room_level {
	ROOM_AMPLE,
	ROOM_NO_RADIO, /* nothing from the radio */
	ROOM_NONE,     /* nothing at all */
};

/* The level after free octets were seen at level; reserve 0: always ample. */
enum room_level room_next(
    enum room_level level, uint64_t free, uint64_t reserve);

/* Looks at once.  0 or a negative error. */
int room_new(struct gateway *gw, struct room **ret_r);
/* Closes its timer; what is left goes by itself.  *r is NULL at once. */
void room_close(struct room **r);

/* Both are true for NULL. */
bool room_for_mail(const struct room *r, uint64_t size);
bool room_for_radio(const struct room *r);

/* For the operator. */
enum room_level room_level(const struct room *r);
uint64_t room_free(const struct room *r);

#endif
