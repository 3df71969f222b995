/*
 * What the tests of the configuration share: loading a text from an exact-size
 * copy, so that a sanitizer sees any overread.
 */
#ifndef MULETEER_CONFIG_TEST_FIXTURE_H
#define MULETEER_CONFIG_TEST_FIXTURE_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cfg.h"

#define HEAD "node: {hostname: a, id: 10.0.0.1}\n"
#define ROUTES "routes: [{domain: \"*\", via: mx}]\n"
#define MINIMAL HEAD ROUTES

static inline int
load(const char *text, size_t len, const char *name, struct cfg **cfg,
    char err[CFG_ERROR_MAX])
{
	char *copy = (char *)unit_copy(text, len);
	int rc;

	err[0] = '\0';
	rc = cfg_load(copy, len, name, cfg, err, CFG_ERROR_MAX);
	free(copy);
	return rc;
}

static inline struct cfg *
must_load(const char *text)
{
	struct cfg *cfg = NULL;
	char err[CFG_ERROR_MAX];

	if (load(text, strlen(text), "t", &cfg, err) != CFG_OK)
		fail_msg("%s", err);
	return cfg;
}

static inline void
must_refuse(const char *text, const char *want)
{
	struct cfg *cfg = NULL;
	char err[CFG_ERROR_MAX];

	assert_int_equal(
	    load(text, strlen(text), "t", &cfg, err), CFG_EINVALID);
	assert_string_equal(err, want);
	assert_null(cfg);
}

#endif
