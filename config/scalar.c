/*
 * One value from its text, by type; see load.h.
 */
#include "config/load.h"

#include <arpa/inet.h>

#include <string.h>

/* RFC 1035 2.3.4, as text. */
#define HOSTNAME_MAX 253
#define LABEL_MAX 63
/* A link's name is part of keys in the queue. */
#define NAME_LEN_MAX 63
/* PATH_MAX of Linux, without the NUL. */
#define PATH_LEN_MAX 4095
/* IFNAMSIZ of Linux, without the NUL. */
#define INTERFACE_MAX 15
/* Digits behind a decimal point. */
#define DECIMALS_MAX 6

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
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
text_is(struct text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

/* Take the character c off the start of *t, if it is there. */
static bool
take(struct text *t, char c)
{
	if (t->len == 0 || t->p[0] != c)
		return false;
	t->p++;
	t->len--;
	return true;
}

/* --- numbers ------------------------------------------------------------------ */

/* Digits at the start of *t, which moves behind them. */
static bool
take_digits(struct text *t, uint64_t *v, size_t *ret_n)
{
	size_t n = 0;

	for (; n < t->len && is_digit(t->p[n]); n++) {
		if (*v > (UINT64_MAX - 9) / 10)
			return false;
		*v = *v * 10 + (uint64_t)(t->p[n] - '0');
	}
	t->p += n;
	t->len -= n;
	*ret_n = n;
	return n > 0;
}

/* No leading zeros: whether 010 is ten or eight is anyone's guess. */
static bool
take_number(struct text *t, uint64_t *ret_v)
{
	bool zero = t->len > 0 && t->p[0] == '0';
	uint64_t v = 0;
	size_t n;

	if (!take_digits(t, &v, &n) || (zero && n > 1))
		return false;
	*ret_v = v;
	return true;
}

/* "12" or "1.5"; *ret_tenths is ten to the number of digits behind the point. */
static bool
take_decimal(struct text *t, uint64_t *ret_v, uint64_t *ret_tenths)
{
	uint64_t v, tenths = 1;
	size_t n;

	if (!take_number(t, &v))
		return false;
	if (take(t, '.')) {
		if (!take_digits(t, &v, &n) || n > DECIMALS_MAX)
			return false;
		while (n-- > 0)
			tenths *= 10;
	}
	*ret_v = v;
	*ret_tenths = tenths;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {
	{ "", 1 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "GiB", UINT64_C(1) << 30 },
	{ NULL, 0 },
};
static const struct unit durations[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "m", UINT64_C(60) * 1000000 },
	{ "h", UINT64_C(3600) * 1000000 },
	{ "d", UINT64_C(86400) * 1000000 },
	{ NULL, 0 },
};
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };
static const struct unit factors[] = { { "", 100 }, { NULL, 0 } };
static const struct unit percents[] = { { "%", 1 }, { NULL, 0 } };

/* A number and one of the units, without a rest: 1.5KiB, not 0.3KiB. */
static bool
to_number(struct text t, const struct unit *units, uint64_t *ret_v)
{
	uint64_t v, tenths;

	if (!take_decimal(&t, &v, &tenths) || (units == plain && tenths > 1))
		return false;
	for (; units->name != NULL; units++) {
		if (!text_is(t, units->name))
			continue;
		if (v > UINT64_MAX / units->factor ||
		    v * units->factor % tenths != 0)
			return false;
		*ret_v = v * units->factor / tenths;
		return true;
	}
	return false;
}

/* --- addresses ----------------------------------------------------------------- */

static bool
take_ipv4(struct text *t, uint32_t *ret_v)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t part;

		if ((i > 0 && !take(t, '.')) || !take_number(t, &part) ||
		    part > 255)
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

static bool
is_ipv4(struct text t)
{
	uint32_t ignored;

	return to_ipv4(t, &ignored);
}

/* One to four hexadecimal digits. */
static bool
take_hextet(struct text *t)
{
	size_t n = 0;

	while (n < t->len && is_hex(t->p[n]))
		n++;
	t->p += n;
	t->len -= n;
	return n >= 1 && n <= 4;
}

/* Count the groups between single colons; only the last can be IPv4. */
static bool
take_groups(struct text t, bool last, size_t *n)
{
	if (t.len == 0)
		return true;
	do {
		if (last && is_ipv4(t)) {
			*n += 2;
			return true;
		}
		if (!take_hextet(&t))
			return false;
		(*n)++;
		if (t.len == 0)
			return true;
	} while (take(&t, ':'));
	return false;
}

/* RFC 4291 2.2: eight groups, or fewer and one "::". */
static bool
is_ipv6(struct text t)
{
	size_t gap = 0, n = 0;
	struct text left, right;

	while (gap + 1 < t.len && (t.p[gap] != ':' || t.p[gap + 1] != ':'))
		gap++;
	if (gap + 1 >= t.len)
		return take_groups(t, true, &n) && n == 8;
	left = (struct text){ t.p, gap };
	right = (struct text){ t.p + gap + 2, t.len - gap - 2 };
	return take_groups(left, false, &n) && take_groups(right, true, &n) &&
	       n < 8;
}

/* As IPv6, with how many bits the address as written has. */
static bool
to_address(struct text t, uint8_t address[16], uint64_t *ret_bits)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char name[INET6_ADDRSTRLEN];

	if (t.len >= sizeof(name))
		return false;
	memcpy(name, t.p, t.len);
	name[t.len] = '\0';
	if (is_ipv4(t)) {
		memcpy(address, mapped, sizeof(mapped));
		*ret_bits = 32;
		return inet_pton(AF_INET, name, address + sizeof(mapped)) == 1;
	}
	*ret_bits = 128;
	return is_ipv6(t) && inet_pton(AF_INET6, name, address) == 1;
}

static bool
to_network(struct text t, struct cfg_network *ret_n)
{
	struct text name = { t.p, 0 };
	struct cfg_network n;
	uint64_t width, length;

	while (name.len < t.len && t.p[name.len] != '/')
		name.len++;
	if (!to_address(name, n.address, &width))
		return false;
	t.p += name.len;
	t.len -= name.len;
	length = width;
	if (t.len > 0 && (!take(&t, '/') || !take_number(&t, &length) ||
			     t.len > 0 || length > width))
		return false;
	n.bits = 128 - width + length;
	/* 10.0.0.1/8 is a slip: of the address, or of the length? */
	for (uint64_t i = n.bits; i < 128; i++)
		if ((n.address[i / 8] & (0x80 >> i % 8)) != 0)
			return false;
	*ret_n = n;
	return true;
}

/* --- priorities ---------------------------------------------------------------- */

static bool
take_priority(struct text *t, int32_t *ret_v)
{
	bool negative = take(t, '-');
	uint64_t v;

	/* As many on both sides of zero. */
	if (!take_number(t, &v) || v > CFG_PRIORITY_MAX || (negative && v == 0))
		return false;
	*ret_v = negative ? -(int32_t)v : (int32_t)v;
	return true;
}

static bool
to_span(struct text t, struct cfg_span *ret_s)
{
	struct cfg_span s;

	if (!take_priority(&t, &s.from))
		return false;
	s.to = s.from;
	if (t.len > 0 &&
	    (!take(&t, '.') || !take(&t, '.') || !take_priority(&t, &s.to)))
		return false;
	if (t.len > 0 || s.to < s.from)
		return false;
	*ret_s = s;
	return true;
}

/* --- names ---------------------------------------------------------------------- */

/* One label at the start; RFC 1123 2.1. */
static bool
take_label(struct text *t, bool *ret_number)
{
	size_t n = 0;

	*ret_number = true;
	while (n < t->len &&
	       (is_alpha(t->p[n]) || is_digit(t->p[n]) || t->p[n] == '-')) {
		if (!is_digit(t->p[n]))
			*ret_number = false;
		n++;
	}
	if (n == 0 || n > LABEL_MAX || t->p[0] == '-' || t->p[n - 1] == '-')
		return false;
	t->p += n;
	t->len -= n;
	return true;
}

/* The last label is not a number: that would be an address, or half of one. */
static bool
is_hostname(struct text t)
{
	bool number;

	if (t.len > HOSTNAME_MAX)
		return false;
	do
		if (!take_label(&t, &number))
			return false;
	while (take(&t, '.'));
	return t.len == 0 && !number;
}

static bool
is_domain(struct text t)
{
	if (text_is(t, "*"))
		return true;
	if (take(&t, '*') && !take(&t, '.'))
		return false;
	return is_hostname(t);
}

static bool
is_name(struct text t)
{
	if (t.len == 0 || t.len > NAME_LEN_MAX ||
	    !(is_alpha(t.p[0]) || is_digit(t.p[0])))
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (!is_alpha(t.p[i]) && !is_digit(t.p[i]) && t.p[i] != '-' &&
		    t.p[i] != '_' && t.p[i] != '.')
			return false;
	return true;
}

static bool
is_path(struct text t)
{
	if (t.len == 0 || t.len > PATH_LEN_MAX || t.p[0] != '/')
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (t.p[i] < 32 || t.p[i] > 126)
			return false;
	return true;
}

/* A name of an interface has a letter; 10.0.0.256 is a slip. */
static bool
is_interface(struct text t)
{
	bool letter = false;

	if (is_ipv4(t))
		return true;
	if (t.len == 0 || t.len > INTERFACE_MAX)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		if (t.p[i] <= 32 || t.p[i] > 126 || t.p[i] == '/')
			return false;
		letter |= is_alpha(t.p[i]);
	}
	return letter;
}

/* No quoted local parts: nobody has one in his configuration. */
static bool
is_mailbox(struct text t)
{
	static const char special[] = "<>()[]\\,;:@\"";
	size_t at = 0;

	while (at < t.len && t.p[at] > 32 && t.p[at] < 127 &&
	       memchr(special, t.p[at], sizeof(special)) == NULL)
		at++;
	return at > 0 && at <= 64 && at < t.len && t.p[at] == '@' &&
	       is_hostname((struct text){ t.p + at + 1, t.len - at - 1 });
}

static bool
looks_right(enum field_type type, struct text t)
{
	if (type == FIELD_HOSTNAME)
		return is_hostname(t);
	if (type == FIELD_MAILBOX)
		return is_mailbox(t);
	if (type == FIELD_DOMAIN)
		return is_domain(t);
	if (type == FIELD_PATH)
		return is_path(t);
	return type == FIELD_INTERFACE ? is_interface(t) : is_name(t);
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

static bool
to_string(struct loader *ld, enum field_type type, struct text t, void *to)
{
	const char *s;

	if (!looks_right(type, t))
		return false;
	s = keep(ld, t);
	memcpy(to, &s, sizeof(s));
	return true;
}

/* Split "HOST:PORT" or "[V6]:PORT". */
static bool
split_endpoint(struct text t, struct text *host, struct text *port, bool *v6)
{
	size_t i = t.len;

	while (i > 0 && t.p[i - 1] != ':')
		i--;
	if (i == 0)
		return false;
	*port = (struct text){ t.p + i, t.len - i };
	*host = (struct text){ t.p, i - 1 };
	*v6 = take(host, '[');
	if (!*v6)
		return true;
	if (host->len == 0 || host->p[host->len - 1] != ']')
		return false;
	host->len--;
	return true;
}

static bool
to_endpoint(
    struct loader *ld, struct text t, bool numeric, struct cfg_endpoint *to)
{
	struct text host, port;
	uint64_t number;
	bool v6;

	if (!split_endpoint(t, &host, &port, &v6) ||
	    !to_number(port, plain, &number) || number > 65535)
		return false;
	if (v6 ? !is_ipv6(host)
	       : !is_ipv4(host) && (numeric || !is_hostname(host)))
		return false;
	to->port = number;
	to->text = keep(ld, t);
	to->host = keep(ld, host);
	return true;
}

/* --- by type ------------------------------------------------------------------------ */

const char *
scalar_expected(enum field_type type)
{
	switch (type) {
	case FIELD_NAME: return "a name of letters, digits, - _ .";
	case FIELD_PATH: return "an absolute path";
	case FIELD_INTERFACE: return "an IPv4 address or an interface's name";
	case FIELD_HOSTNAME: return "a host name";
	case FIELD_MAILBOX: return "a mailbox like name@example.mil";
	case FIELD_DOMAIN: return "a domain, \"*.domain\" or \"*\"";
	case FIELD_BOOL: return "true or false";
	case FIELD_NUMBER: return "a whole number";
	case FIELD_SIZE: return "a size like 64KiB or 25MiB";
	case FIELD_DURATION: return "a duration like 200ms, 30s, 5m, 2h or 4d";
	case FIELD_FACTOR: return "a factor like 1.5";
	case FIELD_PERCENT: return "a percentage like 20%";
	case FIELD_IPV4: return "an IPv4 address";
	case FIELD_NETWORK: return "a network like 10.0.0.0/8 or fd00::/8";
	case FIELD_SPAN: return "a priority from -9 to 9, or some like -9..-1";
	case FIELD_ENDPOINT: return "host:port";
	case FIELD_ADDRESS: return "address:port";
	case FIELD_CHOICE: return "one of a few words";
	case FIELD_STRUCT: return "a mapping of keys to values";
	case FIELD_LIST: return "a list";
	}
	return "";
}

static bool
to_bool(struct text t, bool *ret_v)
{
	bool v = text_is(t, "true") || text_is(t, "yes");

	if (!v && !text_is(t, "false") && !text_is(t, "no"))
		return false;
	*ret_v = v;
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
convert(struct loader *ld, const struct field *f, struct text t, void *to)
{
	switch (f->type) {
	case FIELD_NAME:
	case FIELD_PATH:
	case FIELD_INTERFACE:
	case FIELD_HOSTNAME:
	case FIELD_MAILBOX:
	case FIELD_DOMAIN: return to_string(ld, f->type, t, to);
	case FIELD_BOOL: return to_bool(t, to);
	case FIELD_NUMBER: return to_number(t, plain, to);
	case FIELD_SIZE: return to_number(t, sizes, to);
	case FIELD_DURATION: return to_number(t, durations, to);
	case FIELD_FACTOR: return to_number(t, factors, to);
	case FIELD_PERCENT: return to_number(t, percents, to);
	case FIELD_IPV4: return to_ipv4(t, to);
	case FIELD_NETWORK: return to_network(t, to);
	case FIELD_SPAN: return to_span(t, to);
	case FIELD_ENDPOINT: return to_endpoint(ld, t, false, to);
	case FIELD_ADDRESS: return to_endpoint(ld, t, true, to);
	case FIELD_CHOICE: return to_choice(f, t, to);
	case FIELD_STRUCT:
	case FIELD_LIST: break;
	}
	return false;
}

/* The number that has a range: of a port, or the value itself. */
static bool
ranged(const struct field *f, const void *at, uint64_t *ret_v)
{
	if (f->max == 0)
		return false;
	if (f->type == FIELD_ENDPOINT || f->type == FIELD_ADDRESS)
		*ret_v = ((const struct cfg_endpoint *)at)->port;
	else
		memcpy(ret_v, at, sizeof(*ret_v));
	return true;
}

static int
check_range(struct loader *ld, const struct field *f, const char *text,
    size_t line, const void *at)
{
	bool port = f->type == FIELD_ENDPOINT || f->type == FIELD_ADDRESS;
	enum field_type type = port ? FIELD_NUMBER : f->type;
	char lo[FORMAT_MAX], hi[FORMAT_MAX], quoted[QUOTE_MAX];
	uint64_t v;

	if (!ranged(f, at, &v) || (v >= f->min && v <= f->max))
		return ld->rc;
	return load_fail(ld, line, f->key, ": ", load_quote(text, quoted),
	    " is out of range, ", port ? "a port from " : "",
	    format_value(type, &f->min, lo), " to ",
	    format_value(type, &f->max, hi), " was expected");
}

static int
fail_choice(
    struct loader *ld, const struct field *f, const char *quoted, size_t line)
{
	const char *const *c = f->choices;

	bool four = c[2] != NULL && c[3] != NULL;

	/* Every choice is between two, three or four words. */
	return load_fail(ld, line, f->key, ": ", quoted,
	    " is unknown, expected was ", c[0], c[2] != NULL ? ", " : " or ",
	    c[1],
	    four           ? ", "
	    : c[2] != NULL ? " or "
			   : NULL,
	    c[2], four ? " or " : NULL, four ? c[3] : NULL);
}

int
scalar_load(struct loader *ld, const struct field *f, const char *text,
    size_t line, void *to)
{
	struct text t = { text, strlen(text) };
	char quoted[QUOTE_MAX];

	if (convert(ld, f, t, to))
		return check_range(ld, f, text, line, to);
	(void)load_quote(text, quoted);
	if (f->type == FIELD_CHOICE)
		return fail_choice(ld, f, quoted, line);
	return load_fail(ld, line, f->key, ": ", quoted, " is not ",
	    scalar_expected(f->type));
}
