/* mulecap extract: the messages, put together and taken apart. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mule/payload.h"
#include "tools/cap_feed.h"

/* What a payload may inflate to: as much as a mail server would take. */
#define PAYLOAD_MAX (256U << 20)
#define RATIO_MAX 1100
#define RCPTS_MAX 100000

struct extract {
	const struct cap_opts *o;
	struct cap_model *model;
	int dir;
	bool failed;
};

static void
put(struct extract *x, const struct cap_message *m, const char *suffix,
    const void *data, size_t len)
{
	char name[64];
	FILE *f = NULL;
	int fd;
	bool ok;

	(void)snprintf(name, sizeof(name), "%s-%08" PRIx32 "%s",
	    cap_quad(m->source).s, m->msid, suffix);
	fd = openat(x->dir, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0)
		f = fdopen(fd, "wb");
	ok = f != NULL && (len == 0 || fwrite(data, len, 1, f) == 1);
	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (f == NULL && fd >= 0)
		(void)close(fd);
	if (ok)
		return;
	x->failed = true;
	(void)fprintf(
	    stderr, "mulecap: %s/%s: %s\n", x->o->dir, name, strerror(errno));
}

/* Any octets as JSON: what is no UTF-8 is shown as Latin-1. */
static json_t *
text(struct smtp_str s)
{
	json_t *j = json_stringn((const char *)s.p, s.len);
	char *wide;
	size_t n = 0;

	if (j != NULL)
		return j;
	wide = malloc(s.len * 2 + 1);
	if (wide == NULL)
		return NULL;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t b = (uint8_t)s.p[i];

		if (b >= 0x80)
			wide[n++] = (char)(0xc0 | b >> 6);
		wide[n++] = (char)(b < 0x80 ? b : 0x80 | (b & 0x3f));
	}
	j = json_stringn(wide, n);
	free(wide);
	return j;
}

/* The numbers that are not there, as closed ranges. */
static json_t *
gaps(const struct cap_message *m)
{
	json_t *a = json_array();
	uint32_t from = 0;

	for (uint32_t s = 1; s <= m->total + 1; s++) {
		bool there = s > m->total || (s <= m->nfragments &&
						 m->fragments[s - 1].times > 0);

		if (!there && from == 0)
			from = s;
		if (!there || from == 0)
			continue;
		(void)json_array_append_new(
		    a, json_pack("[I,I]", (json_int_t)from, (json_int_t)s - 1));
		from = 0;
	}
	return a;
}

static void
put_json(struct extract *x, const struct cap_message *m, int err,
    const struct mule_message *mail)
{
	json_t *j = json_object(), *rcpts = json_array();
	char id[9], *out;

	(void)snprintf(id, sizeof(id), "%08" PRIx32, m->msid);
	(void)json_object_set_new(
	    j, "source", json_string(cap_quad(m->source).s));
	(void)json_object_set_new(j, "id", json_string(id));
	(void)json_object_set_new(j, "priority", json_integer(m->priority));
	(void)json_object_set_new(
	    j, "complete", json_boolean(cap_message_whole(m)));
	(void)json_object_set_new(j, "total", json_integer(m->total));
	if (!cap_message_whole(m))
		(void)json_object_set_new(j, "missing", gaps(m));
	if (err != 0)
		(void)json_object_set_new(
		    j, "error", json_string(mule_strerror(err)));
	else {
		(void)json_object_set_new(
		    j, "from", text(mail->envelope.from_line));
		for (size_t i = 0; i < mail->envelope.nrcpts; i++)
			(void)json_array_append_new(
			    rcpts, text(mail->envelope.rcpt_lines[i]));
		(void)json_object_set(j, "to", rcpts);
	}
	json_decref(rcpts);
	out = json_dumps(j, JSON_INDENT(2));
	if (out != NULL)
		put(x, m, ".json", out, strlen(out));
	free(out);
	json_decref(j);
}

/* The fragments there are, one behind the other. */
static uint8_t *
join(const struct cap_message *m, size_t *ret_len)
{
	uint8_t *buf = malloc((size_t)m->payload + 1);
	size_t len = 0;

	if (buf == NULL)
		return NULL;
	for (size_t i = 0; i < m->nfragments; i++) {
		const struct cap_fragment *f = &m->fragments[i];

		if (f->times > 0)
			memcpy(buf + len, f->data, f->len);
		len += f->len;
	}
	*ret_len = len;
	return buf;
}

static void
done(void *ctx, const struct cap_message *m)
{
	static const struct mule_limits limits = { PAYLOAD_MAX, RATIO_MAX,
		RCPTS_MAX };
	struct extract *x = ctx;
	struct mule_message mail;
	uint8_t *cdt;
	size_t len;
	int err;

	if (!cap_message_passes(x->o, m) || m->have == 0 ||
	    (!cap_message_whole(m) && !x->o->partial))
		return;
	if (m->too_large) {
		x->failed = true;
		(void)fprintf(stderr,
		    "mulecap: %s-%08" PRIx32
		    ": more than %u octets, not extracted\n",
		    cap_quad(m->source).s, m->msid, CAP_CONTENTS_MAX);
		return;
	}
	cdt = join(m, &len);
	if (cdt == NULL) {
		x->failed = true;
		return;
	}
	put(x, m, ".cdt", cdt, len);
	err = mule_unpack(cdt, len, &limits, &mail);
	put_json(x, m, err, &mail);
	if (err == 0) {
		put(x, m, ".payload", mail.payload, mail.len);
		put(x, m, ".eml", mail.content, mail.content_len);
		mule_message_release(&mail);
	}
	free(cdt);
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	struct extract *x = ctx;

	if (s->pdu == NULL || s->at_s < x->o->from_s || s->at_s > x->o->to_s)
		return true;
	return cap_model_take(x->model, s->d, s->pdu);
}

int
cap_extract(const struct cap_opts *o)
{
	struct extract x = { .o = o };
	int rc;

	if (mkdir(o->dir, 0777) != 0 && errno != EEXIST) {
		(void)fprintf(
		    stderr, "mulecap: %s: %s\n", o->dir, strerror(errno));
		return CAP_UNUSABLE;
	}
	x.dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x.dir < 0) {
		(void)fprintf(
		    stderr, "mulecap: %s: %s\n", o->dir, strerror(errno));
		return CAP_UNUSABLE;
	}
	if (!cap_default_model(true, done, &x, &x.model)) {
		(void)close(x.dir);
		return CAP_UNUSABLE;
	}
	rc = cap_feed(o, &(struct cap_visitor){ see, &x });
	cap_model_finish(x.model);
	cap_model_free(&x.model);
	(void)close(x.dir);
	return x.failed ? CAP_UNUSABLE : rc;
}
