#include "tools/mulelink.h"

#include <inttypes.h>

static double
seconds(uint64_t us)
{
	return (double)us / 1e6;
}

static void
write_node(const struct link *l, int node, FILE *f)
{
	struct channel_node_stats n;

	channel_node_stats(l->channel, node, &n);
	fprintf(f,
	    "{\"node\":\"%s\",\"sent\":%" PRIu64 ",\"octets\":%" PRIu64
	    ",\"heard\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"refused\":%" PRIu64,
	    l->nodes[node].name, n.sent, n.sent_octets, n.heard, n.lost,
	    n.refused);
	fprintf(f,
	    ",\"collided\":%" PRIu64 ",\"faded\":%" PRIu64
	    ",\"duplicated\":%" PRIu64 ",\"late\":%" PRIu64
	    ",\"deferred\":%" PRIu64 "}",
	    n.collided, n.faded, n.duplicated, n.late, n.deferred);
}

void
mulelink_write_stats(const struct link *l, FILE *f)
{
	struct channel_stats s;

	channel_stats(l->channel, &s);
	fprintf(f,
	    "\"seed\":%" PRIu64 ",\"up_s\":%.3f,\"datagrams\":%" PRIu64
	    ",\"octets\":%" PRIu64 ",\"busy_s\":%.3f,\"collided\":%" PRIu64
	    ",\"collided_s\":%.3f,\"nodes\":[",
	    l->cfg.seed, seconds(mulelink_now_us() - l->start_us), s.datagrams,
	    s.octets, seconds(s.busy_us), s.collided, seconds(s.collided_us));
	for (int i = 0; i < l->nnodes; i++) {
		fputs(i > 0 ? "," : "", f);
		write_node(l, i, f);
	}
	fputc(']', f);
}

/* Written beside and renamed, so that a reader never sees half of it. */
void
mulelink_save_stats(const struct link *l)
{
	char tmp[4096];
	FILE *f;

	if (l->stats_path == NULL)
		return;
	snprintf(tmp, sizeof(tmp), "%s.tmp", l->stats_path);
	f = fopen(tmp, "w");
	if (f == NULL)
		return;
	fputc('{', f);
	mulelink_write_stats(l, f);
	fputs("}\n", f);
	if (fclose(f) == 0)
		(void)!rename(tmp, l->stats_path);
}
