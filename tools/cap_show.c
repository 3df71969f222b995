/* mulecap show: PDU by PDU, every field. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "tools/cap_feed.h"

/* Octets shown of what cannot be decoded: more than any header has. */
#define HEX_MAX 255
/* A full list of missing numbers or destinations as text. */
#define TEXT_MAX (512 * 1024)

static void
set_int(json_t *j, const char *name, uint64_t v)
{
	(void)json_object_set_new(j, name, json_integer((json_int_t)v));
}

static void
set_id(json_t *j, const char *name, uint32_t v)
{
	(void)json_object_set_new(j, name, json_string(cap_quad(v).s));
}

static void
set_hex(json_t *j, const char *name, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char s[2 * HEX_MAX + 1];
	size_t n = 0;

	for (; n < len && n < HEX_MAX; n++) {
		s[2 * n] = digits[p[n] >> 4];
		s[2 * n + 1] = digits[p[n] & 15];
	}
	(void)json_object_set_new(j, name, json_stringn(s, 2 * n));
}

static void
set_msid(json_t *j, uint32_t v)
{
	char s[9];

	(void)snprintf(s, sizeof(s), "%08" PRIx32, v);
	(void)json_object_set_new(j, "id", json_string(s));
}

static json_t *
acks_json(const struct pmul_pdu *p)
{
	json_t *a = json_array();
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(p, &pos, &e)) {
		json_t *j = json_object(), *list = json_array();
		uint16_t first, last;
		size_t at = 0;

		set_int(j, "length", PMUL_ACK_ENTRY + 2 * e.nmissing);
		set_id(j, "source", e.source);
		set_msid(j, e.msid);
		while (pmul_ack_next_range(&e, &at, &first, &last))
			(void)json_array_append_new(
			    list, json_pack("[i,i]", first, last));
		(void)json_object_set_new(
		    j, "complete", json_boolean(e.nmissing == 0));
		(void)json_object_set_new(j, "missing", list);
		(void)json_array_append_new(a, j);
	}
	return a;
}

static json_t *
dests_json(const struct pmul_pdu *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->count; i++) {
		struct pmul_dest d = pmul_pdu_dest(p, i);
		json_t *j = json_object();

		set_id(j, "node", d.id);
		set_int(j, "sequence", d.seq);
		(void)json_array_append_new(a, j);
	}
	return a;
}

static void
address_fields(json_t *j, const struct pmul_pdu *p)
{
	set_int(j, "total", p->total);
	set_int(j, "expiry", p->expiry);
	(void)json_object_set_new(j, "first", json_boolean(p->first));
	(void)json_object_set_new(j, "last", json_boolean(p->last));
	set_int(j, "reserved_length", p->entry_len - PMUL_DEST_ENTRY);
	(void)json_object_set_new(j, "destinations", dests_json(p));
	if (p->type == PMUL_FEC_ADDRESS || p->type == PMUL_EXTRA_FEC_ADDRESS) {
		set_int(j, "fec_id", p->fec_id);
		set_hex(j, "fec_parameters", p->fec, p->fec_len);
	}
}

static void
announce_fields(json_t *j, const struct pmul_pdu *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->count; i++)
		(void)json_array_append_new(
		    a, json_string(cap_quad(pmul_pdu_announced(p, i)).s));
	set_int(j, "expiry", p->expiry);
	set_id(j, "group", p->group);
	(void)json_object_set_new(j, "first", json_boolean(p->first));
	(void)json_object_set_new(j, "last", json_boolean(p->last));
	(void)json_object_set_new(j, "destinations", a);
}

static void
pdu_fields(json_t *j, const struct cap_datagram *d, const struct pmul_pdu *p)
{
	uint16_t sum = (uint16_t)(d->data[6] << 8 | d->data[7]);

	(void)json_object_set_new(
	    j, "type", json_string(pmul_pdu_name(p->type)));
	set_int(j, "code", p->type);
	set_int(j, "length", p->length);
	set_hex(j, "checksum", d->data + 6, 2);
	(void)json_object_set_new(j, "algorithm",
	    json_string(sum == pmul_checksum_internet(d->data, p->length)
			    ? "internet"
			    : "fletcher"));
	set_int(j, "map", d->data[3] >> 6);
	set_int(j, "priority", p->priority);
	set_id(j, "source", p->source);
	if (p->type != PMUL_ACK)
		set_msid(j, p->msid);
	switch (p->type) {
	case PMUL_DATA:
		set_int(j, "sequence", p->seq);
		set_int(j, "octets", p->data_len);
		break;
	case PMUL_ACK:
		(void)json_object_set_new(j, "entries", acks_json(p));
		if (p->has_timestamp)
			set_int(j, "timestamp", p->timestamp);
		break;
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS:
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: address_fields(j, p); break;
	case PMUL_ANNOUNCE: announce_fields(j, p); break;
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE: set_id(j, "group", p->group); break;
	case PMUL_DISCARD: break;
	}
}

struct ends {
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
};

static struct ends
ends_of(const struct cap_datagram *d)
{
	int family = d->v6 ? AF_INET6 : AF_INET;
	struct ends e;

	(void)inet_ntop(family, d->from.addr, e.from, sizeof(e.from));
	(void)inet_ntop(family, d->to.addr, e.to, sizeof(e.to));
	return e;
}

static void
print_json(const struct cap_seen *s)
{
	struct ends e = ends_of(s->d);
	json_t *j = json_object();

	set_int(j, "frame", s->d->frame);
	set_int(j, "time_us", s->d->time_us);
	(void)json_object_set_new(j, "from", json_string(e.from));
	set_int(j, "from_port", s->d->from.port);
	(void)json_object_set_new(j, "to", json_string(e.to));
	set_int(j, "to_port", s->d->to.port);
	set_int(j, "datagram", s->d->len);
	if (s->pdu != NULL)
		pdu_fields(j, s->d, s->pdu);
	else {
		(void)json_object_set_new(
		    j, "error", json_string(pmul_strerror(s->err)));
		set_hex(j, "begins", s->d->data, s->d->len);
	}
	(void)json_dumpf(j, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(j);
}

static void
print_text(const struct cap_seen *s)
{
	/* Too much for a stack, and there is one at a time. */
	static char line[TEXT_MAX];
	struct ends e = ends_of(s->d);
	const struct pmul_pdu *p = s->pdu;

	(void)printf("%" PRIu64 " %.6f %s.%u > %s.%u ", s->d->frame, s->at_s,
	    e.from, s->d->from.port, e.to, s->d->to.port);
	if (p == NULL) {
		(void)printf(
		    "%s, %zu octets\n", pmul_strerror(s->err), s->d->len);
		return;
	}
	(void)printf("length=%u map=%u checksum=%02x%02x ", p->length,
	    (unsigned)s->d->data[3] >> 6, s->d->data[6], s->d->data[7]);
	if (p->type != PMUL_ACK)
		(void)printf("id=%08" PRIx32 " ", p->msid);
	(void)pmul_pdu_print(p, line, sizeof(line));
	(void)puts(line);
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	const struct cap_opts *o = ctx;

	if (!cap_passes(o, s))
		return true;
	if (o->json)
		print_json(s);
	else
		print_text(s);
	return true;
}

int
cap_show(const struct cap_opts *o)
{
	struct cap_opts copy = *o;

	return cap_feed(o, &(struct cap_visitor){ see, &copy });
}
