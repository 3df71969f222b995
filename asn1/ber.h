/*
 * A bounded, iterative walk over BER elements (X.690), standing on libtasn1's
 * tag and length primitives.
 *
 * The walker knows where it is by a stack of the constructed elements it has
 * entered; nothing recurses, nothing is copied or allocated, and no step looks
 * at an octet twice.  Definite and indefinite lengths, minimal or not, are all
 * the same to its caller.
 */
#ifndef MULETEER_ASN1_BER_H
#define MULETEER_ASN1_BER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BER_NODISCARD __attribute__((warn_unused_result))

enum ber_err {
	BER_OK = 0,
	BER_EMALFORMED = -1301,   /* not BER, or not the element expected */
	BER_ETRUNCATED = -1302,   /* an element is longer than what is there */
	BER_ETOODEEP = -1303,     /* more than BER_DEPTH_MAX levels */
	BER_ETOOBIG = -1304,      /* lengths of 2 GiB and more */
	BER_ETRAILING = -1305,    /* octets behind the outermost element */
	BER_EOID = -1306,         /* valid, but names a type by OID: not MULE */
	BER_EALGORITHM = -1307,   /* valid, but not compressed with zlib */
	BER_ECONTENTTYPE = -1308, /* valid, but not content type 25 (MULE) */
};

const char *ber_strerror(int err);

/* Levels of nesting; a sane CompressedData has 4 to 6. */
#define BER_DEPTH_MAX 16

struct ber_level {
	size_t
	    end; /* offset where it ends; indefinite: where its parent does */
	bool indefinite;
};

struct ber_walk {
	const uint8_t *buf;
	size_t pos;
	struct ber_level level[BER_DEPTH_MAX]; /* [0] is the whole buffer */
	size_t depth;                          /* of the level we are in */
};

struct ber_element {
	unsigned char class; /* ASN1_CLASS_... without ASN1_CLASS_STRUCTURED */
	bool constructed;
	unsigned long tag;
	const uint8_t *content; /* of a primitive element */
	size_t len;
};

/* BER_ETOOBIG for 2 GiB and more.  buf is borrowed. */
int ber_walk_init(
    struct ber_walk *w, const void *buf, size_t len) BER_NODISCARD;

/*
 * The next element of the current level.  A primitive one is stepped over, a
 * constructed one is entered.
 */
int ber_walk_next(struct ber_walk *w, struct ber_element *ret_e) BER_NODISCARD;

/* Whether the current level ends here; false also when it is cut short. */
bool ber_walk_at_end(const struct ber_walk *w);

/* Leave the current level, which must end here; BER_EMALFORMED if not. */
int ber_walk_leave(struct ber_walk *w) BER_NODISCARD;

#endif
