/*
 * PDUs as the words that the timelines of pmul/test/scenarios/ have for them;
 * what these are is told in test_scenario.c.
 */
#ifndef MULETEER_PMUL_TEST_RENDER_H
#define MULETEER_PMUL_TEST_RENDER_H

#include <stdbool.h>

#include "pmul/pdu.h"

/* Room for a line, its NUL included; what is longer is cut. */
#define RENDER_MAX 400
/* The first group of the pool that timelines use. */
#define RENDER_POOL 0xef8e0100u

void render_pdu(const struct pmul_pdu *pdu, char *text);

__attribute__((format(printf, 2, 3))) void render_append(
    char *text, const char *format, ...);

/* Whether every word of pattern is a word of text. */
bool render_matches(const char *pattern, const char *text);

#endif
