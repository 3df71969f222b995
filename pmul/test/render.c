#include "pmul/test/render.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pmul/test/sim.h"

void
render_append(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text + used, RENDER_MAX - used, format, ap);
	va_end(ap);
}

static void
render_address(const struct pmul_pdu *pdu, char *text)
{
	static const char *const parts[] = { "middle", "last", "first",
		"only" };

	render_append(text, " total=%u part=%s dest=%s", pdu->total,
	    parts[pdu->first * 2 + pdu->last], pdu->count == 0 ? "none" : "");
	for (size_t i = 0; i < pdu->count; i++)
		render_append(text, "%s%u", i > 0 ? "," : "",
		    sim_node(pmul_pdu_dest(pdu, i).id));
}

static void
render_entry(const struct pmul_ack_entry *entry, const char *name, char *text)
{
	uint16_t first, last;
	size_t pos = 0;

	if (entry->nmissing == 0) {
		render_append(text, " %scomplete", name);
		return;
	}
	render_append(text, " %smissing=", name);
	for (bool more = false; pmul_ack_next_range(entry, &pos, &first, &last);
	     more = true) {
		render_append(text, "%s%u", more ? "," : "", first);
		if (last > first)
			render_append(text, "..%u", last);
	}
}

static void
render_ack(const struct pmul_pdu *pdu, char *text)
{
	struct pmul_ack_entry entry;
	size_t pos = 0;

	render_append(text, " entries=%u", pdu->count);
	while (pmul_pdu_next_ack(pdu, &pos, &entry)) {
		char name[16];

		snprintf(name, sizeof(name), "%u:", entry.msid);
		if (pdu->count == 1)
			render_append(text, " msg=%u", entry.msid);
		render_entry(&entry, pdu->count == 1 ? "" : name, text);
	}
}

/* The groups of the pool are 1, 2, 3 ... */
static void
render_group(const struct pmul_pdu *pdu, char *text)
{
	render_append(text, "%s msg=%u group=%u", pmul_pdu_name(pdu->type),
	    pdu->msid, pdu->group - RENDER_POOL + 1);
}

static void
render_announced(const struct pmul_pdu *pdu, char *text)
{
	render_append(text, " dest=");
	for (size_t i = 0; i < pdu->count; i++)
		render_append(text, "%s%u", i > 0 ? "," : "",
		    sim_node(pmul_pdu_announced(pdu, i)));
}

void
render_pdu(const struct pmul_pdu *pdu, char *text)
{
	text[0] = '\0';
	switch (pdu->type) {
	case PMUL_DATA:
		render_append(
		    text, "Data_PDU msg=%u seq=%u", pdu->msid, pdu->seq);
		break;
	case PMUL_ADDRESS:
		render_append(text, "Address_PDU msg=%u", pdu->msid);
		render_address(pdu, text);
		break;
	case PMUL_EXTRA_ADDRESS:
		render_append(text, "Extra_Address_PDU msg=%u", pdu->msid);
		render_address(pdu, text);
		break;
	case PMUL_ACK:
		render_append(text, "Ack_PDU");
		render_ack(pdu, text);
		break;
	case PMUL_DISCARD:
		render_append(text, "Discard_Message_PDU msg=%u", pdu->msid);
		break;
	case PMUL_ANNOUNCE:
		render_group(pdu, text);
		render_announced(pdu, text);
		break;
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE: render_group(pdu, text); break;
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS:
		render_append(text, "unexpected type");
		break;
	}
	render_append(text, " priority=%u", pdu->priority);
}

bool
render_matches(const char *pattern, const char *text)
{
	char copy[RENDER_MAX], whole[RENDER_MAX + 2], word[RENDER_MAX + 2];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", pattern);
	snprintf(whole, sizeof(whole), " %s ", text);
	for (char *w = strtok_r(copy, " \t", &save); w != NULL;
	     w = strtok_r(NULL, " \t", &save)) {
		snprintf(word, sizeof(word), " %s ", w);
		if (strstr(whole, word) == NULL)
			return false;
	}
	return true;
}
