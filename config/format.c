/*
 * One value to its text: what scalar.c reads as the same value again.
 */
#include "config/load.h"

#include <arpa/inet.h>

#include <string.h>

struct out {
	char *buf;
	size_t len;
};

static void
put(struct out *o, const char *s)
{
	size_t n = strlen(s);

	memcpy(o->buf + o->len, s, n + 1);
	o->len += n;
}

const char *
format_decimal(uint64_t v, char buf[FORMAT_MAX])
{
	char digits[24], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	memcpy(buf, p, strlen(p) + 1);
	return buf;
}

static void
put_decimal(struct out *o, uint64_t v)
{
	char digits[FORMAT_MAX];

	put(o, format_decimal(v, digits));
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* From the largest; the last divides everything. */
static const struct unit sizes[] = {
	{ "GiB", UINT64_C(1) << 30 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "", 1 },
};
static const struct unit durations[] = {
	{ "d", UINT64_C(86400) * 1000000 },
	{ "h", UINT64_C(3600) * 1000000 },
	{ "m", UINT64_C(60) * 1000000 },
	{ "s", 1000000 },
	{ "ms", 1000 },
	{ "us", 1 },
};

static void
put_units(struct out *o, uint64_t v, const struct unit *u, const char *zero)
{
	if (v == 0) {
		put(o, zero);
		return;
	}
	while (v % u->factor != 0)
		u++;
	put_decimal(o, v / u->factor);
	put(o, u->name);
}

static void
put_factor(struct out *o, uint64_t v)
{
	put_decimal(o, v / 100);
	if (v % 100 == 0)
		return;
	put(o, v % 100 < 10 ? ".0" : ".");
	put_decimal(o, v % 10 == 0 ? v % 100 / 10 : v % 100);
}

static void
put_ipv4(struct out *o, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		put_decimal(o, v >> shift & 255);
		if (shift > 0)
			put(o, ".");
	}
}

static void
put_network(struct out *o, const struct cfg_network *n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool four = n->bits >= 96 && memcmp(n->address, mapped, 12) == 0;
	char name[INET6_ADDRSTRLEN];

	if (four)
		(void)inet_ntop(AF_INET, n->address + 12, name, sizeof(name));
	else
		(void)inet_ntop(AF_INET6, n->address, name, sizeof(name));
	put(o, name);
	put(o, "/");
	put_decimal(o, four ? n->bits - 96 : n->bits);
}

static void
put_priority(struct out *o, int32_t v)
{
	if (v < 0)
		put(o, "-");
	put_decimal(o, (uint64_t)(v < 0 ? -v : v));
}

static void
put_span(struct out *o, const struct cfg_span *s)
{
	put_priority(o, s->from);
	if (s->to == s->from)
		return;
	put(o, "..");
	put_priority(o, s->to);
}

static uint64_t
number(const void *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

const char *
format_value(enum field_type type, const void *at, char buf[FORMAT_MAX])
{
	struct out o = { buf, 0 };

	buf[0] = '\0';
	switch (type) {
	case FIELD_NUMBER: put_decimal(&o, number(at)); break;
	case FIELD_SIZE: put_units(&o, number(at), sizes, "0"); break;
	case FIELD_DURATION: put_units(&o, number(at), durations, "0s"); break;
	case FIELD_FACTOR: put_factor(&o, number(at)); break;
	case FIELD_PERCENT:
		put_decimal(&o, number(at));
		put(&o, "%");
		break;
	case FIELD_BOOL: put(&o, *(const bool *)at ? "true" : "false"); break;
	case FIELD_IPV4: put_ipv4(&o, *(const uint32_t *)at); break;
	case FIELD_NETWORK: put_network(&o, at); break;
	case FIELD_SPAN: put_span(&o, at); break;
	case FIELD_NAME:
	case FIELD_PATH:
	case FIELD_INTERFACE:
	case FIELD_HOSTNAME:
	case FIELD_MAILBOX:
	case FIELD_DOMAIN:
	case FIELD_ENDPOINT:
	case FIELD_ADDRESS:
	case FIELD_CHOICE:
	case FIELD_STRUCT:
	case FIELD_LIST: break;
	}
	return buf;
}
