/*
 * Who may speak on an interface; see "Silence" in bearer.h.
 *
 * The rule of silence.h is there while any bearer of the interface is silent.
 * Only bearer_settle(), guard() and unguard() change it.
 */
#include "gateway/bearer_internal.h"

#include <errno.h>
#include <unistd.h>

#include "gateway/silence.h"

/* Does another silent bearer, or this one, hold b's interface? */
bool
bearer_held_silent(const struct bearer *b)
{
	const struct bearer *o;

	LIST_FOREACH (o, &bearers, next)
		if (o->silent && o->ifindex == b->ifindex)
			return true;
	return b->silent;
}

static void
hold(struct bearer *b)
{
	bool anew = !b->held;

	b->why = silence_set(b->ifindex);
	if (b->why == 0 && anew)
		b->why = silence_count(b->ifindex, &b->frames);
	b->held = b->why == 0;
}

/*
 * Somebody changed an interface or a filter.  An interface that was unplugged
 * comes back under its name with another index, and without the rule.
 */
static void
on_change(uv_poll_t *p, int status, int events)
{
	struct bearer *b = p->data;
	int ifindex = (int)if_nametoindex(b->ifname), was = b->why;
	bool silent = false, was_held = b->held;

	(void)status;
	(void)events;
	silence_watch_empty(b->rules_fd);
	if (!b->silent || ifindex == 0)
		return;
	/* A new interface counts from 0. */
	if (ifindex != b->ifindex)
		b->held = false;
	b->ifindex = ifindex;
	if (b->held && silence_get(ifindex, &silent) == 0 && silent)
		return;
	hold(b);
	/* A device that has just come may refuse the first attempt. */
	b->lost = b->lost || was_held;
	b->counters.restored += b->lost && b->held;
	if (b->held)
		b->lost = false;
	if (b->voice != NULL && (b->held || b->why != was))
		b->voice(b->ctx);
}

static void
rules_closed(uv_handle_t *h)
{
	struct bearer *b = h->data;

	close(b->rules_fd);
	bearer_handle_closed(b);
}

static int
watch_rule(struct bearer *b)
{
	int rc;

	if (b->rules_fd >= 0)
		return 0;
	b->rules_fd = silence_watch_open();
	if (b->rules_fd < 0)
		return b->rules_fd;
	rc = uv_poll_init(b->loop, &b->rules, b->rules_fd);
	if (rc != 0) {
		close(b->rules_fd);
		b->rules_fd = -1;
		return rc;
	}
	b->handles++;
	b->rules.data = b;
	return uv_poll_start(&b->rules, UV_READABLE, on_change);
}

void
bearer_unwatch_rule(struct bearer *b)
{
	if (b->rules_fd >= 0)
		uv_close((uv_handle_t *)&b->rules, rules_closed);
}

/* Keep the kernel silent too. */
static int
guard(struct bearer *b)
{
	int rc;

	if (b->guard == BEARER_GUARD_OFF)
		return 0;
	/* Watch first, so that no change goes unseen. */
	rc = watch_rule(b);
	hold(b);
	if (rc != 0 && b->held) {
		b->held = false;
		b->why = rc;
	}
	return b->why;
}

/* The rule as it has to be, before the first socket is open. */
int
bearer_settle(struct bearer *b)
{
	bool silent;
	int rc;

	if (b->silent) {
		rc = guard(b);
		return b->guard == BEARER_GUARD_REQUIRED ? rc : 0;
	}
	/* Without netlink there cannot have been a former life with a rule. */
	if (b->guard == BEARER_GUARD_OFF || bearer_held_silent(b) ||
	    silence_get(b->ifindex, &silent) != 0)
		return 0;
	b->why = silence_clear(b->ifindex);
	return b->guard == BEARER_GUARD_REQUIRED ? b->why : 0;
}

static int
unguard(struct bearer *b)
{
	struct bearer *o;
	int rc = 0;

	if (bearer_held_silent(b))
		return -EBUSY;
	if (b->guard == BEARER_GUARD_OFF)
		return 0;
	b->why = silence_clear(b->ifindex);
	if (b->why != 0)
		return b->why;
	LIST_FOREACH (o, &bearers, next) {
		if (o->ifindex != b->ifindex)
			continue;
		o->held = false;
		o->why = 0;
		rc = rc == 0 ? bearer_udp_join_anew(o) : rc;
	}
	return rc;
}

int
bearer_silence(struct bearer *b, bool on)
{
	if (!on && b->receive_only)
		return -EPERM;
	b->silent = on;
	if (b->emulated)
		return 0;
	return on ? guard(b) : unguard(b);
}

int
bearer_emitted(const struct bearer *b, uint64_t *ret_frames)
{
	uint64_t frames = 0;
	int rc = b->held ? silence_count(b->ifindex, &frames) : -ENODATA;

	if (rc == 0)
		*ret_frames = frames - b->frames;
	return rc;
}

int
bearer_silence_try(struct bearer *b)
{
	if (b->emulated || b->guard == BEARER_GUARD_OFF)
		return 0;
	return silence_try(b->ifindex);
}

bool
bearer_shared(const struct bearer *b, const uint32_t *addresses, size_t n,
    char *why, size_t cap)
{
	if (b->emulated || b->guard == BEARER_GUARD_OFF)
		return false;
	return silence_shared(b->ifname, addresses, n, why, cap) !=
	       SILENCE_DEDICATED;
}

enum bearer_voice
bearer_voice(const struct bearer *b, int *ret_why)
{
	if (b->silent) {
		*ret_why = b->why;
		return b->held || b->emulated ? BEARER_SILENT : BEARER_QUIET;
	}
	*ret_why = bearer_held_silent(b) ? -EBUSY : b->why;
	return *ret_why != 0 ? BEARER_MUTED : BEARER_SPEAKS;
}
