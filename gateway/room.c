#include "gateway/room.h"

#include <inttypes.h>
#include <stdlib.h>

#include "gateway/log.h"

#define LOOK_MS 1000

struct room {
	struct gateway *gw;
	uv_timer_t timer;
	uv_fs_t look;
	bool looking, closing, closed;
	enum room_level level;
	uint64_t free;
};

enum room_level
room_next(enum room_level level, uint64_t free, uint64_t reserve)
{
	uint64_t more = reserve / 8;

	if (free < reserve || (level == ROOM_NONE && free < reserve + more))
		return reserve != 0 ? ROOM_NONE : ROOM_AMPLE;
	if (free < 2 * reserve ||
	    (level != ROOM_AMPLE && free < 2 * reserve + more))
		return ROOM_NO_RADIO;
	return ROOM_AMPLE;
}

static void
changed(const struct room *r)
{
	static const char *const names[] = {
		[ROOM_AMPLE] = "ample",
		[ROOM_NO_RADIO] = "no-radio",
		[ROOM_NONE] = "none",
	};

	log_event(r->level == ROOM_AMPLE ? GW_LOG_INFO : GW_LOG_WARN,
	    "queue.room", "level=%s free=%" PRIu64 " reserve=%" PRIu64,
	    names[r->level], r->free, r->gw->cfg->node.disk_reserve);
}

static void
take(struct room *r)
{
	const uv_statfs_t *s = r->look.ptr;
	enum room_level next;

	/* A disk that does not even say that will say so to a commit. */
	if (r->look.result < 0 || s == NULL)
		return;
	r->free = s->f_bavail * s->f_bsize;
	next = room_next(r->level, r->free, r->gw->cfg->node.disk_reserve);
	if (next == r->level)
		return;
	r->level = next;
	changed(r);
}

static void
release(struct room *r)
{
	if (r->closed && !r->looking)
		free(r);
}

static void
on_look(uv_fs_t *req)
{
	struct room *r = req->data;

	r->looking = false;
	if (!r->closing)
		take(r);
	uv_fs_req_cleanup(req);
	release(r);
}

static void
on_timer(uv_timer_t *t)
{
	struct room *r = t->data;

	/* A disk that hangs is asked once. */
	if (r->looking)
		return;
	r->looking = uv_fs_statfs(r->gw->loop, &r->look,
			 r->gw->cfg->node.state_dir, on_look) == 0;
}

int
room_new(struct gateway *gw, struct room **ret_r)
{
	struct room *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return UV_ENOMEM;
	r->gw = gw;
	r->look.data = r;
	(void)!uv_fs_statfs(gw->loop, &r->look, gw->cfg->node.state_dir, NULL);
	take(r);
	uv_fs_req_cleanup(&r->look);
	uv_timer_init(gw->loop, &r->timer);
	r->timer.data = r;
	uv_timer_start(&r->timer, on_timer, LOOK_MS, LOOK_MS);
	*ret_r = r;
	return 0;
}

static void
on_closed(uv_handle_t *h)
{
	struct room *r = h->data;

	r->closed = true;
	release(r);
}

void
room_close(struct room **rp)
{
	struct room *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	r->closing = true;
	uv_close((uv_handle_t *)&r->timer, on_closed);
}

bool
room_for_mail(const struct room *r, uint64_t size)
{
	if (r == NULL || r->gw->cfg->node.disk_reserve == 0)
		return true;
	return r->level != ROOM_NONE &&
	       (r->free >= r->gw->cfg->node.disk_reserve &&
		   size <= r->free - r->gw->cfg->node.disk_reserve);
}

bool
room_for_radio(const struct room *r)
{
	return r == NULL || r->level == ROOM_AMPLE;
}

enum room_level
room_level(const struct room *r)
{
	return r != NULL ? r->level : ROOM_AMPLE;
}

uint64_t
room_free(const struct room *r)
{
	return r != NULL ? r->free : 0;
}
