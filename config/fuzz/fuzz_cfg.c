/*
 * Any text as a configuration: accepted or refused with one line.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "config/cfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cfg *cfg = NULL;
	char err[200] = "";

	if (cfg_load((const char *)data, size, "f", &cfg, err, sizeof(err)) ==
	    CFG_OK) {
		assert(cfg->nroutes >= 1);
		for (size_t i = 0; i < cfg->nroutes; i++)
			assert(cfg_route_find(cfg, cfg->routes[i].domain,
				   strlen(cfg->routes[i].domain)) != NULL);
		cfg_free(&cfg);
	} else {
		assert(cfg == NULL && strncmp(err, "f:", 2) == 0);
		assert(strchr(err, '\n') == NULL);
	}
	return 0;
}
