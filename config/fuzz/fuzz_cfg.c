/*
 * What loads prints as a text that loads again and prints the same; what does
 * not load says why in one line that begins with the name and a line number
 * of the text, and leaves the output alone.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/cfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_error(const char *err, const uint8_t *data, size_t size)
{
	size_t line = 0, lines = 1, n = strlen(err);

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n' || data[i] == '\r' ||
			 data[i] == 0x85 || data[i] == 0xa8 || data[i] == 0xa9;
	assert(n > 4 && memcmp(err, "f:", 2) == 0);
	for (err += 2; *err >= '0' && *err <= '9'; err++)
		line = line * 10 + (size_t)(*err - '0');
	assert(memcmp(err, ": ", 2) == 0);
	assert(line >= 1 && line <= lines);
	for (; *err != '\0'; err++)
		assert(*err >= 32 && *err <= 126);
}

static char *
print(const struct cfg *cfg)
{
	size_t len = cfg_print(cfg, NULL, 0);
	char *text = malloc(len + 1);

	assert(text != NULL);
	assert(cfg_print(cfg, text, len + 1) == len);
	assert(strlen(text) == len);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cfg *cfg = NULL, *again = NULL;
	char err[CFG_ERROR_MAX], *text, *same;
	int rc =
	    cfg_load((const char *)data, size, "f", &cfg, err, sizeof(err));

	if (rc != CFG_OK) {
		assert(rc == CFG_EINVALID && cfg == NULL);
		check_error(err, data, size);
		return 0;
	}
	assert(cfg->nroutes > 0 && cfg->node.id != 0);
	for (size_t i = 0; i < cfg->nroutes; i++)
		assert((cfg->routes[i].via == CFG_VIA_MULE) ==
		       (cfg->routes[i].via_link != NULL));
	text = print(cfg);
	rc = cfg_load(text, strlen(text), "f", &again, err, sizeof(err));
	assert(rc == CFG_OK);
	same = print(again);
	assert(strcmp(text, same) == 0);
	free(text);
	free(same);
	cfg_free(&cfg);
	cfg_free(&again);
	return 0;
}
