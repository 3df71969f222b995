/*
 * mulectl queue hold, release, delete, retry, redirect, expire: the selectors
 * on the command line, and what is shown of the answer.
 */
#ifndef MULETEER_TOOLS_MULECTL_OPERATE_H
#define MULETEER_TOOLS_MULECTL_OPERATE_H

#include <jansson.h>

/*
 * Put the option name with its value (NULL: there is no further word) in the
 * request; returns how many words it took, 0 if it is wrong.
 */
int mulectl_operate_option(
    json_t *request, const char *name, const char *value);

void mulectl_operate_show(const json_t *result);

#endif
