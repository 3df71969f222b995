#include "tools/mulelink_config.h"

#include <arpa/inet.h>
#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define OVERHEAD_DEFAULT 28 /* UDP over IPv4 */
#define QUEUE_DEFAULT 1000

/* The file as libcyaml hands it out; what is NULL was not given. */
struct raw {
	char *listen;
	uint64_t bit_rate;
	double delay_ms, turnaround_ms, loss;
	bool *half_duplex;
	uint32_t *overhead, *queue;
	uint64_t *seed;
};

static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_STRING_PTR(
	    "listen", CYAML_FLAG_POINTER, struct raw, listen, 1, 64),
	CYAML_FIELD_UINT("bit_rate", CYAML_FLAG_DEFAULT, struct raw, bit_rate),
	CYAML_FIELD_FLOAT(
	    "delay_ms", CYAML_FLAG_OPTIONAL, struct raw, delay_ms),
	CYAML_FIELD_FLOAT(
	    "turnaround_ms", CYAML_FLAG_OPTIONAL, struct raw, turnaround_ms),
	CYAML_FIELD_FLOAT("loss", CYAML_FLAG_OPTIONAL, struct raw, loss),
	CYAML_FIELD_BOOL_PTR("half_duplex",
	    CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw, half_duplex),
	CYAML_FIELD_UINT_PTR("overhead",
	    CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw, overhead),
	CYAML_FIELD_UINT_PTR("queue", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
	    struct raw, queue),
	CYAML_FIELD_UINT_PTR(
	    "seed", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw, seed),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields),
};

/* --- errors ----------------------------------------------------------------------- */

/*
 * libcyaml logs the reason first and then, in a backtrace, the innermost place
 * with its line; both become one line.
 */
struct complaint {
	char reason[200];
	unsigned long line;
};

__attribute__((format(printf, 3, 0))) static void
on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct complaint *c = ctx;
	char text[400], *at;

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	if (c->reason[0] == '\0')
		snprintf(c->reason, sizeof(c->reason), "%.199s",
		    strncmp(text, "Load: ", 6) == 0 ? text + 6 : text);
	at = strstr(text, "line: ");
	if (at != NULL && c->line == 0)
		c->line = strtoul(at + 6, NULL, 10);
}

static bool
complain(const char *path, unsigned long line, const char *reason)
{
	fprintf(stderr, "%s:%lu: %s\n", path, line > 0 ? line : 1, reason);
	return false;
}

/* --- values ------------------------------------------------------------------------ */

static bool
parse_listen(const char *text, struct sockaddr_in *ret_sin)
{
	char host[64], *colon, *end;
	unsigned long port;

	snprintf(host, sizeof(host), "%s", text);
	colon = strrchr(host, ':');
	if (colon == NULL)
		return false;
	*colon = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] == '\0' || *end != '\0' || port > 65535)
		return false;
	memset(ret_sin, 0, sizeof(*ret_sin));
	ret_sin->sin_family = AF_INET;
	ret_sin->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &ret_sin->sin_addr) == 1;
}

static bool
convert(const char *path, const struct raw *r, struct mulelink_config *cfg)
{
	struct channel_config *c = &cfg->channel;

	memset(cfg, 0, sizeof(*cfg));
	if (!parse_listen(r->listen, &cfg->listen))
		return complain(path, 0, "listen: ADDRESS:PORT was expected");
	if (!(r->loss >= 0 && r->loss <= 1))
		return complain(path, 0, "loss: 0 to 1 was expected");
	if (!(r->delay_ms >= 0 && r->delay_ms <= 3600000) ||
	    !(r->turnaround_ms >= 0 && r->turnaround_ms <= 3600000))
		return complain(path, 0,
		    "delay_ms, turnaround_ms: 0 to 3600000 was expected");
	if (r->queue != NULL && (*r->queue < 1 || *r->queue > 1000000))
		return complain(path, 0, "queue: 1 to 1000000 was expected");
	c->bit_rate = r->bit_rate;
	c->delay_us = (uint64_t)(r->delay_ms * 1000);
	c->turnaround_us = (uint64_t)(r->turnaround_ms * 1000);
	c->loss_ppm = (uint32_t)(r->loss * 1000000 + 0.5);
	c->half_duplex = r->half_duplex != NULL && *r->half_duplex;
	c->overhead = r->overhead != NULL ? *r->overhead : OVERHEAD_DEFAULT;
	c->queue_max = r->queue != NULL ? *r->queue : QUEUE_DEFAULT;
	if (r->seed != NULL)
		c->seed = *r->seed;
	else
		(void)!getrandom(&c->seed, sizeof(c->seed), 0);
	return true;
}

bool
mulelink_config_load(const char *path, struct mulelink_config *ret_cfg)
{
	struct complaint c = { .line = 0 };
	const cyaml_config_t config = {
		.log_fn = on_log,
		.log_ctx = &c,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
	};
	struct raw *raw = NULL;
	cyaml_err_t err = cyaml_load_file(
	    path, &config, &schema, (cyaml_data_t **)&raw, NULL);
	bool ok;

	if (err != CYAML_OK)
		return complain(path, c.line,
		    c.reason[0] != '\0' ? c.reason : cyaml_strerror(err));
	if (raw == NULL)
		return complain(path, 0, "the file is empty");
	ok = convert(path, raw, ret_cfg);
	cyaml_free(&config, &schema, raw, 0);
	return ok;
}
