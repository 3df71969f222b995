#include "mule/ext.h"

#include <string.h>

#define R MULE_EXT_REQUIRED
#define SP MULE_EXT_SPECIAL
#define SU MULE_EXT_SUPPORTED
#define NA MULE_EXT_NA
#define DIS MULE_EXT_DISALLOWED

const struct mule_ext mule_exts[] = {
	{ "SIZE", R, "RFC 1870", "SIZE", "", true, "", 0 },
	{ "8BITMIME", R, "RFC 6152", "BODY", "", true, "", 0 },
	{ "DSN", R, "RFC 3461", "RET ENVID", "NOTIFY ORCPT", true, "", 0 },
	{ "MT-PRIORITY", R, "RFC 6710", "MT-PRIORITY", "", true, "", 0 },
	{ "DELIVERBY", R, "RFC 2852", "BY", "", true, "recomputed at every hop",
	    0 },
	{ "BINARYMIME", R, "RFC 3030", "BODY", "", true, "", 0 },
	{ "CHUNKING", SP, "RFC 3030", "", "", true,
	    "offered by the gateway into MULE; chunks are joined there", 0 },
	{ "ENHANCEDSTATUSCODES", SP, "RFC 2034", "", "", true,
	    "the codes appear in notifications", 0 },
	{ "RRVS", SU, "RFC 7293", "", "RRVS", true, "", MULE_AGREED_RRVS },
	{ "SUBMITTER", SU, "RFC 4405", "SUBMITTER", "", true, "",
	    MULE_AGREED_SUBMITTER },
	{ "PIPELINING", NA, "RFC 2920", "", "", true, "", 0 },
	{ "STARTTLS", NA, "RFC 3207", "", "", true, "", 0 },
	{ "AUTH", SP, "RFC 4954", "AUTH", "", true,
	    "only the parameter of MAIL, by agreement", MULE_AGREED_AUTH },
	{ "BURL", NA, "RFC 4468", "", "", true, "", 0 },
	{ "NO-SOLICITING", NA, "RFC 3865", "SOLICIT", "", true, "", 0 },
	{ "CHECKPOINT", DIS, "RFC 1845", "TRANSID", "", true, "", 0 },
	{ "CONNEG", DIS, "RFC 4141", "", "CONNEG", true, "", 0 },
	/* Not in the table. */
	{ "CONPERM", DIS, "RFC 4141", "CONPERM", "", false, "as CONNEG", 0 },
	{ "LIMITS", NA, "RFC 9422", "", "", false, "", 0 },
	{ "ETRN", NA, "RFC 1985", "", "", false, "", 0 },
	{ "ATRN", NA, "RFC 2645", "", "", false, "", 0 },
	{ "VRFY", NA, "RFC 5321", "", "", false, "", 0 },
	{ "EXPN", NA, "RFC 5321", "", "", false, "", 0 },
	{ "HELP", NA, "RFC 5321", "", "", false, "", 0 },
	{ "FUTURERELEASE", NA, "RFC 4865", "HOLDFOR HOLDUNTIL", "", false,
	    "consumed at submission", 0 },
	{ "SMTPUTF8", SU, "RFC 6531", "SMTPUTF8", "", false, "",
	    MULE_AGREED_SMTPUTF8 },
	{ "REQUIRETLS", DIS, "RFC 8689", "REQUIRETLS", "", false,
	    "MULE has no TLS, so such a message must not enter it", 0 },
	{ "MTRK", SU, "RFC 3885", "MTRK", "", false, "", MULE_AGREED_MTRK },
};

const size_t mule_next = sizeof(mule_exts) / sizeof(mule_exts[0]);

/* Whether word is one of the blank-separated names. */
static bool
listed(const char *names, struct smtp_str word)
{
	while (*names != '\0') {
		struct smtp_str name = { names, 0 };

		while (names[name.len] != '\0' && names[name.len] != ' ')
			name.len++;
		if (smtp_str_same(name, word))
			return true;
		names += name.len;
		names += *names == ' ';
	}
	return false;
}

const struct mule_ext *
mule_ext_find(struct smtp_str keyword)
{
	for (size_t i = 0; i < mule_next; i++)
		if (smtp_str_is(keyword, mule_exts[i].keyword))
			return &mule_exts[i];
	return NULL;
}

const struct mule_ext *
mule_ext_of_param(struct smtp_str param, bool rcpt)
{
	for (size_t i = 0; i < mule_next; i++)
		if (listed(rcpt ? mule_exts[i].rcpt_params
				: mule_exts[i].mail_params,
			param))
			return &mule_exts[i];
	return NULL;
}

bool
mule_param_travels(struct smtp_str param, bool rcpt, unsigned agreed)
{
	const struct mule_ext *e = mule_ext_of_param(param, rcpt);

	if (e == NULL)
		return true;
	if ((e->agreed & ~agreed) != 0)
		return false;
	switch (e->status) {
	case MULE_EXT_REQUIRED:
	case MULE_EXT_SPECIAL:
	case MULE_EXT_SUPPORTED: return true;
	case MULE_EXT_NA:
	case MULE_EXT_DISALLOWED: return false;
	}
	return false;
}
