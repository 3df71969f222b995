/*
 * mulectl: the operator's tool.  Asks muled over its control socket (see
 * gateway/control.h) and shows the answer.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tools/mulectl_operate.h"
#include "tools/mulectl_password.h"
#include "tools/mulectl_salvage.h"

#define DEFAULT_SOCKET "/var/lib/muleteer/control.sock"
/* An answer of a thousand rows has about 300 KB. */
#define ANSWER_MAX (64 * 1024 * 1024)

enum exit_code {
	EXIT_GOOD = 0,
	EXIT_REFUSED = 1, /* the daemon said no */
	EXIT_USAGE = 2,
	EXIT_CONNECT = 3,
};

/* --- the conversation -------------------------------------------------------------- */

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static bool
send_line(int fd, const char *text)
{
	size_t len = strlen(text), done = 0;

	while (done < len) {
		ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			done += (size_t)n;
	}
	return send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

/* One line of any length, the caller's to free(); NULL with errno set. */
static char *
receive_line(int fd, size_t *ret_len)
{
	char *buf = NULL, *more, *end = NULL;
	size_t len = 0, cap = 0;
	ssize_t n = 0;

	while (end == NULL) {
		if (len == cap) {
			cap = cap == 0 ? 65536 : 2 * cap;
			more = cap <= ANSWER_MAX ? realloc(buf, cap) : NULL;
			if (more == NULL)
				break;
			buf = more;
		}
		n = recv(fd, buf + len, cap - len, 0);
		if (n <= 0)
			break;
		end = memchr(buf + len, '\n', (size_t)n);
		len += (size_t)n;
	}
	if (end == NULL) {
		errno = n == 0 ? ECONNRESET : errno;
		free(buf);
		return NULL;
	}
	*ret_len = (size_t)(end - buf);
	return buf;
}

/* The "result" of the answer, or NULL after saying why not. */
static json_t *
ask(const char *path, const json_t *request, int *ret_exit)
{
	char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
	int fd = dial(path);
	json_t *answer = NULL, *result = NULL;
	const char *error;
	size_t len = 0;

	*ret_exit = EXIT_CONNECT;
	if (fd < 0 || text == NULL || !send_line(fd, text) ||
	    (line = receive_line(fd, &len)) == NULL) {
		fprintf(stderr, "mulectl: %s: %s; is muled running?\n", path,
		    strerror(errno));
	} else if ((answer = json_loadb(line, len, 0, NULL)) == NULL) {
		fprintf(stderr, "mulectl: %s: not an answer of muled\n", path);
	} else if (json_is_true(json_object_get(answer, "ok"))) {
		result = json_incref(json_object_get(answer, "result"));
		*ret_exit = EXIT_GOOD;
	} else {
		error = json_string_value(json_object_get(answer, "error"));
		fprintf(stderr, "mulectl: muled says: %s\n",
		    error != NULL ? error : "no");
		*ret_exit = EXIT_REFUSED;
	}
	if (fd >= 0)
		close(fd);
	json_decref(answer);
	free(line);
	free(text);
	return result;
}

/* --- showing -------------------------------------------------------------------------- */

static const char *
str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "-";
}

static long long
num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* "2026-11-23 14:00:00", or "-" for zero. */
static const char *
when(const json_t *o, const char *key, char buf[32])
{
	time_t t = (time_t)num(o, key);
	struct tm tm;

	if (t == 0 || gmtime_r(&t, &tm) == NULL)
		return "-";
	strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

static void
show_destinations(const json_t *sending)
{
	const json_t *d;
	size_t i;

	for (i = 0; (d = json_array_get(
			 json_object_get(sending, "destinations"), i)) != NULL;
	     i++)
		printf("      %-16s %s%s\n", str(d, "node"),
		    json_is_true(json_object_get(d, "complete"))
			? "acknowledged"
		    : json_is_true(json_object_get(d, "heard"))
			? "asks for more"
			: "not heard yet",
		    json_is_true(json_object_get(d, "emcon")) ? ", in EMCON"
							      : "");
}

/* "in EMCON since ..., set by hand" of this node or another one. */
static void
show_silence(const char *indent, const char *who, const json_t *e)
{
	bool on = json_is_true(json_object_get(e, "emcon"));
	bool set = json_is_true(json_object_get(e, "set"));
	char since[32];

	printf("%s%s: %s", indent, who, on ? "in EMCON" : "not in EMCON");
	if (num(e, "since") != 0)
		printf(" since %s", when(e, "since", since));
	if (json_is_true(json_object_get(e, "receive_only")))
		printf(", the link is receive_only");
	else
		printf(", %s", set ? "set at run time" : "as configured");
	if (strcmp(str(e, "voice"), "quiet") == 0)
		printf("; the kernel may still speak (%s)", str(e, "why"));
	if (strcmp(str(e, "voice"), "muted") == 0)
		printf("; the interface is held silent (%s)", str(e, "why"));
	putchar('\n');
}

static void
show_silences(const char *indent, const json_t *e, bool always)
{
	const json_t *n;
	char who[100];
	size_t i;

	if (always || json_is_true(json_object_get(e, "emcon")))
		show_silence(indent, always ? str(e, "link") : "this node", e);
	for (i = 0;
	     (n = json_array_get(json_object_get(e, "nodes"), i)) != NULL;
	     i++) {
		snprintf(who, sizeof(who), "%s%snode %s",
		    always ? str(e, "link") : "", always ? " " : "",
		    str(n, "node"));
		if (always || json_is_true(json_object_get(n, "emcon")))
			show_silence(indent, who, n);
	}
}

static void
show_emcon(const json_t *r)
{
	const json_t *links = json_object_get(r, "links");

	if (json_array_size(links) == 0)
		puts("no links");
	for (size_t i = 0; i < json_array_size(links); i++)
		show_silences("", json_array_get(links, i), true);
}

static void
show_link(const json_t *l)
{
	const json_t *c = json_object_get(l, "counters"), *x;
	size_t i;

	printf("link %s (%s)\n", str(l, "name"), str(l, "bearer"));
	show_silences("  ", json_object_get(l, "emcon"), false);
	printf("  out: %lld PDUs, %lld octets, %lld Data_PDUs of which %lld "
	       "again, %lld rounds\n",
	    num(c, "pdus_out"), num(c, "bytes_out"), num(c, "data_out"),
	    num(c, "data_again"), num(c, "rounds"));
	printf("  in:  %lld PDUs, %lld octets, %lld Acks, %lld duplicates\n",
	    num(c, "pdus_in"), num(c, "bytes_in"), num(c, "acks_in"),
	    num(c, "duplicates"));
	printf("  refused: %lld malformed, %lld checksum, %lld type, %lld too "
	       "big, %lld busy, %lld expired\n",
	    num(c, "malformed"), num(c, "checksum"), num(c, "type"),
	    num(c, "toobig"), num(c, "busy"), num(c, "expired"));
	for (i = 0;
	     (x = json_array_get(json_object_get(l, "sending"), i)) != NULL;
	     i++) {
		printf("    sending message %lld, msid %lld to %s: %lld of "
		       "%lld Data_PDUs sent, round %lld\n",
		    num(x, "message"), num(x, "msid"), str(x, "group"),
		    num(x, "sent"), num(x, "total"), num(x, "rounds"));
		show_destinations(x);
	}
	for (i = 0;
	     (x = json_array_get(json_object_get(l, "receiving"), i)) != NULL;
	     i++)
		printf("    receiving from %s, msid %lld: %lld of %lld "
		       "Data_PDUs\n",
		    str(x, "node"), num(x, "msid"), num(x, "have"),
		    num(x, "total"));
}

static void
show_status(const json_t *r)
{
	const json_t *q = json_object_get(r, "queue");
	const json_t *s = json_object_get(r, "smtp");
	const json_t *m = json_object_get(r, "mule"), *l;
	size_t i;

	printf("%s, node %s, muled %s, pid %lld, up %lld s%s\n",
	    str(r, "hostname"), str(r, "node"), str(r, "version"),
	    num(r, "pid"), num(r, "uptime_s"),
	    json_is_true(json_object_get(r, "draining")) ? ", going down" : "");
	printf("queue: %lld messages, %lld recipients, %lld transmissions, "
	       "%lld quarantined\n",
	    num(q, "messages"), num(q, "recipients"), num(q, "transmissions"),
	    num(q, "quarantined"));
	printf("smtp:  %lld sessions in, %lld out; %lld accepted, %lld "
	       "refused, %lld delivered, %lld deferred, %lld failed\n",
	    num(s, "sessions_in"), num(s, "sessions_out"), num(s, "accepted"),
	    num(s, "rejected"), num(s, "delivered"), num(s, "deferred"),
	    num(s, "failed"));
	printf("mule:  %lld received, %lld relayed, %lld given up, %lld not "
	       "ours\n",
	    num(m, "received"), num(m, "relayed"), num(m, "gave_up"),
	    num(m, "not_ours"));
	for (i = 0;
	     (l = json_array_get(json_object_get(r, "links"), i)) != NULL; i++)
		show_link(l);
}

static void
show_more(const json_t *r, const char *key)
{
	const json_t *rows = json_object_get(r, "rows");
	const json_t *last = json_array_get(rows, json_array_size(rows) - 1);

	if (json_array_size(rows) == 0)
		puts("nothing");
	else if (json_is_true(json_object_get(r, "more")))
		printf("(more: --after %lld)\n", num(last, key));
}

static void
show_queue(const json_t *r)
{
	const json_t *q;
	char next[32], until[32];
	size_t i;

	for (i = 0; (q = json_array_get(json_object_get(r, "rows"), i)) != NULL;
	     i++) {
		printf("%lld  %s  %lld octets, priority %lld, from %s\n",
		    num(q, "message"), str(q, "state"), num(q, "size"),
		    num(q, "priority"), str(q, "from"));
		printf("      to %s by %s%s%s\n", str(q, "rcpt"), str(q, "hop"),
		    str(q, "node")[0] != '-' ? ", node " : "",
		    str(q, "node")[0] != '-' ? str(q, "node") : "");
		printf("      %lld attempts, next %s, until %s%s%s\n",
		    num(q, "attempts"), when(q, "next_at", next),
		    when(q, "expires_at", until),
		    str(q, "status")[0] != '\0' ? ": " : "", str(q, "status"));
	}
	show_more(r, "message");
}

static void
show_quarantine(const json_t *r)
{
	const json_t *q;
	char at[32];
	size_t i;

	for (i = 0; (q = json_array_get(json_object_get(r, "rows"), i)) != NULL;
	     i++)
		printf("%lld  %s  link %s, from %s, msid %lld, %lld octets: "
		       "%s\n",
		    num(q, "id"), when(q, "at", at), str(q, "link"),
		    str(q, "source"), num(q, "msid"), num(q, "size"),
		    str(q, "reason"));
	show_more(r, "id");
}

/* --- the command line -------------------------------------------------------------------- */

static const struct command {
	const char *words[2];
	const char *cmd;
	bool pages;         /* takes --after and --limit */
	bool on;            /* EMCON: what to set it to */
	bool names;         /* takes LINK and perhaps NODE */
	const char *action; /* an operation: takes selectors */
	void (*show)(const json_t *result);
} commands[] = {
	{ { "status", NULL }, "status", .show = show_status },
	{ { "emcon", "on" }, "emcon.set", .on = true, .names = true,
	    .show = show_emcon },
	{ { "emcon", "off" }, "emcon.set", .names = true, .show = show_emcon },
	/* Behind the two that begin alike. */
	{ { "emcon", NULL }, "emcon", .show = show_emcon },
	{ { "queue", "list" }, "queue.list", .pages = true,
	    .show = show_queue },
	{ { "queue", "hold" }, "queue.operate", .action = "hold",
	    .show = mulectl_operate_show },
	{ { "queue", "release" }, "queue.operate", .action = "release",
	    .show = mulectl_operate_show },
	{ { "queue", "delete" }, "queue.operate", .action = "delete",
	    .show = mulectl_operate_show },
	{ { "queue", "retry" }, "queue.operate", .action = "retry",
	    .show = mulectl_operate_show },
	{ { "queue", "redirect" }, "queue.operate", .action = "redirect",
	    .show = mulectl_operate_show },
	{ { "queue", "expire" }, "queue.operate", .action = "expire",
	    .show = mulectl_operate_show },
	{ { "quarantine", "list" }, "quarantine.list", .pages = true,
	    .show = show_quarantine },
};

struct options {
	const char *socket;
	bool json;
	const struct command *command;
	const char *names[2]; /* LINK, NODE */
	size_t nnames;
	long long after, limit;
	json_t *selectors; /* of an operation */
};

static int
usage(FILE *to)
{
	fputs(
	    "usage: mulectl [-s SOCKET] [--json] COMMAND\n"
	    "  status                              what muled is doing\n"
	    "  emcon                               who is silent\n"
	    "  emcon on|off LINK                   this node on that link\n"
	    "  emcon on|off LINK NODE              another node there\n"
	    "  queue list [--after ID] [--limit N] messages that wait\n"
	    "  queue hold|release|delete|retry|expire SELECTOR...\n"
	    "  queue redirect --to ADDRESS|HOP SELECTOR...\n"
	    "                                      do that to what all "
	    "selectors fit\n"
	    "     --id MESSAGE  --recipient ADDRESS  --domain DOMAIN\n"
	    "     --link LINK   --priority N         --older AGE (30s, 5m, 2h, "
	    "7d)\n"
	    "     --all         --dry-run (only count)\n"
	    "  queue salvage STATE_DIR OUT_DIR     what is readable of a "
	    "damaged queue\n"
	    "  quarantine list [--after ID] [--limit N]\n"
	    "                                      what could not be decoded\n"
	    "  password USER                       a line for the file of "
	    "users\n"
	    "  -s SOCKET  the control socket ($MULETEER_CONTROL,\n"
	    "             " DEFAULT_SOCKET ")\n"
	    "  --json     the answer as JSON\n",
	    to);
	return to == stdout ? EXIT_GOOD : EXIT_USAGE;
}

static bool
parse_number(const char *text, long long min, long long *ret_v)
{
	char *end;

	errno = 0;
	*ret_v = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *ret_v >= min;
}

/* The command at argv[i]; returns how many words it took, 0 if unknown. */
static int
parse_command(int argc, char **argv, int i, struct options *o)
{
	for (size_t k = 0; k < sizeof(commands) / sizeof(commands[0]); k++) {
		const struct command *c = &commands[k];

		if (strcmp(argv[i], c->words[0]) != 0)
			continue;
		if (c->words[1] != NULL &&
		    (i + 1 >= argc || strcmp(argv[i + 1], c->words[1]) != 0))
			continue;
		o->command = c;
		return c->words[1] != NULL ? 2 : 1;
	}
	return 0;
}

/* A word at argv[i] that is no option: how many it took, 0 if it is wrong. */
static int
parse_word(int argc, char **argv, int i, struct options *o)
{
	if (o->command == NULL)
		return parse_command(argc, argv, i, o);
	if (o->command->action != NULL)
		return mulectl_operate_option(
		    o->selectors, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
	if (!o->command->names || o->nnames == 2 || argv[i][0] == '-')
		return 0;
	o->names[o->nnames++] = argv[i];
	return 1;
}

static bool
parse_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		bool value = i + 1 < argc;
		int n;

		if (strcmp(argv[i], "--json") == 0) {
			o->json = true;
		} else if (strcmp(argv[i], "-s") == 0 && value) {
			o->socket = argv[++i];
		} else if (strcmp(argv[i], "--after") == 0 && value) {
			if (!parse_number(argv[++i], 0, &o->after))
				return false;
		} else if (strcmp(argv[i], "--limit") == 0 && value) {
			if (!parse_number(argv[++i], 1, &o->limit))
				return false;
		} else {
			n = parse_word(argc, argv, i, o);
			if (n == 0)
				return false;
			i += n - 1;
		}
	}
	return o->command != NULL && o->command->names == (o->nnames > 0) &&
	       (o->command->pages || (o->after < 0 && o->limit < 0));
}

static json_t *
make_request(const struct options *o)
{
	json_t *r = json_pack("{s:s}", "cmd", o->command->cmd);

	if (o->command->action != NULL) {
		json_object_set_new(
		    r, "action", json_string(o->command->action));
		json_object_update(r, o->selectors);
	}
	if (o->after >= 0)
		json_object_set_new(r, "after", json_integer(o->after));
	if (o->limit >= 1)
		json_object_set_new(r, "limit", json_integer(o->limit));
	if (o->command->names) {
		json_object_set_new(r, "link", json_string(o->names[0]));
		json_object_set_new(r, "on", json_boolean(o->command->on));
	}
	if (o->nnames == 2)
		json_object_set_new(r, "node", json_string(o->names[1]));
	return r;
}

int
main(int argc, char **argv)
{
	struct options o = {
		.socket = getenv("MULETEER_CONTROL"),
		.after = -1,
		.limit = -1,
		.selectors = json_object(),
	};
	json_t *request, *result;
	int code;

	if (o.socket == NULL)
		o.socket = DEFAULT_SOCKET;
	if (argc == 2 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return usage(stdout);
	/* These two ask nobody. */
	if (argc == 5 && strcmp(argv[1], "queue") == 0 &&
	    strcmp(argv[2], "salvage") == 0)
		return mulectl_salvage(argv[3], argv[4]);
	if (argc == 3 && strcmp(argv[1], "password") == 0)
		return mulectl_password(argv[2]);
	if (!parse_options(argc, argv, &o))
		return usage(stderr);
	request = make_request(&o);
	json_decref(o.selectors);
	result = ask(o.socket, request, &code);
	json_decref(request);
	if (result == NULL)
		return code;
	if (o.json) {
		json_dumpf(result, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		o.command->show(result);
	}
	json_decref(result);
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_REFUSED;
}
