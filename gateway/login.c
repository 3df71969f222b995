#include "gateway/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"

static void
forget(struct login *l)
{
	sasl_session_free(&l->session);
	free(l->text);
	l->text = NULL;
}

static void
answer(struct login *l)
{
	char user[SASL_USER_MAX * 4 + 1];

	switch (l->result) {
	case SASL_CHALLENGE: smtp_server_challenge(l->server, l->out); return;
	case SASL_DONE:
		snprintf(l->user, sizeof(l->user), "%s",
		    sasl_session_user(l->session));
		log_event(GW_LOG_INFO, "smtp.auth", "peer=%s user=\"%s\"",
		    l->peer,
		    log_vis(user, sizeof(user), l->user, strlen(l->user)));
		smtp_server_reply(l->server, 235, "2.7.0", "Authenticated");
		break;
	case SASL_BAD:
		smtp_server_reply(
		    l->server, 501, "5.5.2", "Cannot decode that");
		break;
	case SASL_REFUSED:
		log_event(GW_LOG_WARN, "smtp.auth-failed", "peer=%s", l->peer);
		smtp_server_reply(
		    l->server, 535, "5.7.8", "Authentication failed");
		break;
	}
	forget(l);
}

static void
work(uv_work_t *w)
{
	struct login *l = w->data;

	l->result = sasl_session_step(l->session, l->text, &l->out);
}

static void
on_worked(uv_work_t *w, int status)
{
	struct login *l = w->data;

	(void)status;
	l->working = false;
	if (!l->gone)
		answer(l);
	l->answered(l->ctx);
}

void
login_step(struct login *l, const struct smtp_server_event *ev)
{
	bool ok = true;

	if (ev->mechanism.len > 0) {
		forget(l);
		ok = sasl_session_new(l->users, ev->mechanism.p,
			 ev->mechanism.len, &l->session) == 0;
	}
	free(l->text);
	l->text = NULL;
	if (ok && ev->has_text) {
		l->text = strndup(ev->text.p, ev->text.len);
		ok = l->text != NULL;
	}
	l->work.data = l;
	if (!ok || uv_queue_work(l->loop, &l->work, work, on_worked) != 0) {
		forget(l);
		smtp_server_reply(l->server, 454, "4.7.0",
		    "Temporary authentication failure");
		return;
	}
	l->working = true;
}

void
login_release(struct login *l)
{
	forget(l);
}
