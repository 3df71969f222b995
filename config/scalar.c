/*
 * One value from its text, by type; see load.h.
 */
#include <string.h>

#include "config/load.h"

#define HOSTNAME_MAX 255
#define LABEL_MAX 63

struct text {
	const char *p;
	size_t len;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
text_is(struct text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

/* --- numbers ------------------------------------------------------------------ */

/* Digits at the start of *t, which moves behind them. */
static bool
take_number(struct text *t, uint64_t *ret_v)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; n < t->len && is_digit(t->p[n]); n++) {
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(t->p[n] - '0');
	}
	if (n == 0)
		return false;
	t->p += n;
	t->len -= n;
	*ret_v = v;
	return true;
}

/* "12" or "1.5", times scale; at most six digits behind the point. */
static bool
take_decimal(struct text *t, uint64_t scale, uint64_t *ret_v)
{
	uint64_t v, fraction = 0, unit = scale;

	if (!take_number(t, &v) || (v != 0 && scale > UINT64_MAX / 2 / v))
		return false;
	if (t->len > 0 && t->p[0] == '.') {
		t->p++;
		t->len--;
		if (t->len == 0 || !is_digit(t->p[0]))
			return false;
		while (t->len > 0 && is_digit(t->p[0])) {
			unit /= 10;
			fraction += unit * (uint64_t)(t->p[0] - '0');
			t->p++;
			t->len--;
		}
	}
	*ret_v = v * scale + fraction;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number and one of the units; returns false if it is neither. */
static bool
with_unit(struct text t, const struct unit *units, size_t n, uint64_t *ret_v)
{
	struct text number = t;
	uint64_t ignored;

	if (!take_decimal(&number, 1, &ignored))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct text rest = t;

		if (text_is(number, units[i].name))
			return take_decimal(&rest, units[i].factor, ret_v);
	}
	return false;
}

static bool
to_size(struct text t, uint64_t *ret_v)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "KiB", 1024 },
		{ "MiB", 1024 * 1024 },
		{ "GiB", 1024 * 1024 * 1024 },
	};

	return with_unit(t, units, sizeof(units) / sizeof(units[0]), ret_v);
}

static bool
to_duration(struct text t, uint64_t *ret_v)
{
	static const struct unit units[] = {
		{ "us", 1 },
		{ "ms", 1000 },
		{ "s", 1000000 },
		{ "m", UINT64_C(60) * 1000000 },
		{ "h", UINT64_C(3600) * 1000000 },
		{ "d", UINT64_C(86400) * 1000000 },
	};

	return with_unit(t, units, sizeof(units) / sizeof(units[0]), ret_v);
}

static bool
to_number(struct text t, uint64_t *ret_v)
{
	return take_number(&t, ret_v) && t.len == 0;
}

static bool
to_factor(struct text t, uint64_t *ret_v)
{
	return take_decimal(&t, 100, ret_v) && t.len == 0;
}

/* --- addresses ----------------------------------------------------------------- */

static bool
take_ipv4(struct text *t, uint32_t *ret_v)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t part;

		if (i > 0) {
			if (t->len == 0 || t->p[0] != '.')
				return false;
			t->p++;
			t->len--;
		}
		if (!take_number(t, &part) || part > 255)
			return false;
		v = v << 8 | (uint32_t)part;
	}
	*ret_v = v;
	return true;
}

static bool
to_ipv4(struct text t, uint32_t *ret_v)
{
	return take_ipv4(&t, ret_v) && t.len == 0;
}

/* Hexadecimal digits, colons and dots: the system has the last word. */
static bool
looks_ipv6(struct text t)
{
	size_t colons = 0;

	for (size_t i = 0; i < t.len; i++) {
		char c = t.p[i];

		if (!is_digit(c) && !(c >= 'a' && c <= 'f') &&
		    !(c >= 'A' && c <= 'F') && c != ':' && c != '.')
			return false;
		colons += c == ':';
	}
	return colons >= 2;
}

static bool
is_hostname(struct text t)
{
	size_t label = 0;

	if (t.len == 0 || t.len > HOSTNAME_MAX)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		if (t.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!is_alnum(t.p[i]) && t.p[i] != '-' && t.p[i] != '_')
			return false;
		if (++label > LABEL_MAX || (label == 1 && t.p[i] == '-'))
			return false;
	}
	return label > 0;
}

static bool
is_domain(struct text t)
{
	if (text_is(t, "*"))
		return true;
	if (t.len > 2 && t.p[0] == '*' && t.p[1] == '.') {
		t.p += 2;
		t.len -= 2;
	}
	return is_hostname(t);
}

static bool
to_network(struct text t, struct cfg_network *ret_n)
{
	struct cfg_network n = { .bits = 32 };

	if (!take_ipv4(&t, &n.address))
		return false;
	if (t.len > 0) {
		if (t.p[0] != '/')
			return false;
		t.p++;
		t.len--;
		if (!to_number(t, &n.bits) || n.bits > 32)
			return false;
	}
	*ret_n = n;
	return true;
}

/* --- text that stays -------------------------------------------------------------- */

static const char *
keep(struct loader *ld, struct text t)
{
	char *s = load_alloc(ld, t.len + 1, 1);

	if (s != NULL)
		memcpy(s, t.p, t.len);
	return s;
}

/* Split "HOST:PORT" or "[V6]:PORT". */
static bool
split_endpoint(struct text t, struct text *host, struct text *port)
{
	size_t i = t.len;

	while (i > 0 && t.p[i - 1] != ':')
		i--;
	if (i == 0)
		return false;
	*port = (struct text){ t.p + i, t.len - i };
	*host = (struct text){ t.p, i - 1 };
	if (host->len > 2 && host->p[0] == '[' &&
	    host->p[host->len - 1] == ']') {
		host->p++;
		host->len -= 2;
		return looks_ipv6(*host);
	}
	return memchr(host->p, ':', host->len) == NULL;
}

static bool
to_endpoint(
    struct loader *ld, struct text t, bool numeric, struct cfg_endpoint *to)
{
	struct text host, port;
	uint32_t ignored;

	if (!split_endpoint(t, &host, &port) || !to_number(port, &to->port) ||
	    to->port > 65535)
		return false;
	if (!looks_ipv6(host) && !to_ipv4(host, &ignored) &&
	    (numeric || !is_hostname(host)))
		return false;
	to->text = keep(ld, t);
	to->host = keep(ld, host);
	return true;
}

/* --- by type ------------------------------------------------------------------------ */

static const char *
expected(enum field_type type)
{
	switch (type) {
	case FIELD_STRING: return "some text";
	case FIELD_HOSTNAME: return "a host name";
	case FIELD_DOMAIN: return "a domain, \"*.domain\" or \"*\"";
	case FIELD_BOOL: return "true or false";
	case FIELD_NUMBER: return "a whole number";
	case FIELD_SIZE: return "a size like 64KiB or 25MiB";
	case FIELD_DURATION: return "a duration like 200ms, 30s, 5m, 2h or 4d";
	case FIELD_FACTOR: return "a factor like 1.5";
	case FIELD_IPV4: return "an IPv4 address";
	case FIELD_NETWORK: return "an IPv4 network like 10.0.0.0/8";
	case FIELD_ENDPOINT: return "host:port";
	case FIELD_ADDRESS: return "address:port";
	case FIELD_CHOICE: return "one of the known words";
	case FIELD_STRUCT: return "keys and values";
	case FIELD_LIST: return "a list";
	}
	return "";
}

static bool
to_bool(struct text t, bool *ret_v)
{
	if (!text_is(t, "true") && !text_is(t, "false"))
		return false;
	*ret_v = t.len == 4;
	return true;
}

static bool
to_choice(const struct field *f, struct text t, uint32_t *ret_v)
{
	for (uint32_t i = 0; f->choices[i] != NULL; i++) {
		if (text_is(t, f->choices[i])) {
			*ret_v = i;
			return true;
		}
	}
	return false;
}

static bool
is_printable(struct text t)
{
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.p[i] < 32 || t.p[i] == 127)
			return false;
	return t.len > 0;
}

/* Strings that must look like something. */
static bool
to_string(struct loader *ld, enum field_type type, struct text t, void *to)
{
	const char *s;

	if (type == FIELD_HOSTNAME ? !is_hostname(t)
	    : type == FIELD_DOMAIN ? !is_domain(t)
				   : !is_printable(t))
		return false;
	s = keep(ld, t);
	memcpy(to, &s, sizeof(s));
	return true;
}

static bool
to_any_number(enum field_type type, struct text t, uint64_t *ret_v)
{
	if (type == FIELD_SIZE)
		return to_size(t, ret_v);
	if (type == FIELD_DURATION)
		return to_duration(t, ret_v);
	if (type == FIELD_FACTOR)
		return to_factor(t, ret_v);
	return to_number(t, ret_v);
}

static bool
convert(struct loader *ld, const struct field *f, struct text t, void *to)
{
	switch (f->type) {
	case FIELD_STRING:
	case FIELD_HOSTNAME:
	case FIELD_DOMAIN: return to_string(ld, f->type, t, to);
	case FIELD_BOOL: return to_bool(t, to);
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_DURATION:
	case FIELD_FACTOR: return to_any_number(f->type, t, to);
	case FIELD_IPV4: return to_ipv4(t, to);
	case FIELD_NETWORK: return to_network(t, to);
	case FIELD_ENDPOINT: return to_endpoint(ld, t, false, to);
	case FIELD_ADDRESS: return to_endpoint(ld, t, true, to);
	case FIELD_CHOICE: return to_choice(f, t, to);
	case FIELD_STRUCT:
	case FIELD_LIST: break;
	}
	return false;
}

static int
check_range(
    struct loader *ld, const struct field *f, size_t line, const void *at)
{
	char lo[24], hi[24];
	uint64_t v;

	if (f->max == 0 ||
	    (f->type != FIELD_NUMBER && f->type != FIELD_SIZE &&
		f->type != FIELD_DURATION && f->type != FIELD_FACTOR))
		return ld->rc;
	memcpy(&v, at, sizeof(v));
	if (v >= f->min && v <= f->max)
		return ld->rc;
	return load_fail(ld, line, f->key, ": out of range, ",
	    load_decimal(f->min, lo), " to ", load_decimal(f->max, hi),
	    f->type == FIELD_DURATION ? " microseconds was expected"
	    : f->type == FIELD_FACTOR ? " hundredths was expected"
				      : " was expected",
	    NULL);
}

int
load_scalar(
    struct loader *ld, const struct field *f, yaml_node_t *node, void *to)
{
	size_t line = node->start_mark.line + 1;
	struct text t;

	if (node->type != YAML_SCALAR_NODE)
		return load_fail(ld, line, f->key, ": ", expected(f->type),
		    " was expected", NULL);
	t.p = (const char *)node->data.scalar.value;
	t.len = node->data.scalar.length;
	if (!convert(ld, f, t, to))
		return load_fail(ld, line, f->key, ": \"", t.p, "\" is not ",
		    expected(f->type), NULL);
	return check_range(ld, f, line, to);
}
