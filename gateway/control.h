/*
 * The operator's socket: one JSON object a line, each way.
 *
 *	{"cmd":"status"}
 *	{"cmd":"emcon"}
 *	{"cmd":"emcon.set","link":"hf1","node":"ship1","on":true}
 *	{"cmd":"queue.list","after":0,"limit":100}
 *	{"cmd":"queue.operate","action":"hold","domain":"ship1.example.mil"}
 *	{"cmd":"quarantine.list","after":0,"limit":100}
 *
 * The answer is {"ok":true,"result":{...}} or {"ok":false,"error":"..."}.
 * Without "node" it is this node's own EMCON on the link.  The answer to
 * emcon.set, which is that to emcon, comes when it is in force and committed.
 *
 * queue.operate is described in operate.h.
 *
 * Whoever may open the socket (mode 0660) may ask.
 */
#ifndef MULETEER_GATEWAY_CONTROL_H
#define MULETEER_GATEWAY_CONTROL_H

#include <stddef.h>

#include "gateway/gateway.h"

struct control;

/* Listen on path, replacing the socket of a daemon that is gone. */
int control_open(struct gateway *gw, const char *path, char *errbuf,
    size_t errcap, struct control **ret_c);

/* closed(ctx) when nothing of it is left on the loop; *c is NULL at once. */
void control_close(struct control **c, void (*closed)(void *ctx), void *ctx);

#endif
