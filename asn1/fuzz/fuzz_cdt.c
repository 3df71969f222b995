/*
 * Any octets into the walker; and libtasn1's schema decoder beside it: what
 * that accepts we must accept with the same stream, unless we dislike a value.
 */
#include <assert.h>
#include <libtasn1.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "asn1/cdt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const asn1_static_node cdt_implicit[];
extern const asn1_static_node cdt_explicit[];

static int
decode(const uint8_t *data, size_t size, uint8_t *stream, size_t *ret_len)
{
	struct ber_cdt c;
	const uint8_t *p;
	size_t len, n = 0;
	int rc = ber_cdt_open(&c, data, size);

	if (rc != BER_OK)
		return rc;
	while ((rc = ber_cdt_next(&c, &p, &len)) == 1) {
		assert(p >= data && len <= size && p + len <= data + size);
		assert(len <= size - n);
		memcpy(stream + n, p, len);
		n += len;
	}
	*ret_len = n;
	return rc;
}

static void
compare(const asn1_static_node *schema, const char *type, const uint8_t *data,
    size_t size, int rc, const uint8_t *stream, size_t len)
{
	asn1_node definitions = NULL, element = NULL;
	char err[ASN1_MAX_ERROR_DESCRIPTION_SIZE];
	uint8_t *theirs = malloc(size + 1);
	int got = (int)size;

	if (asn1_array2tree(schema, &definitions, err) == ASN1_SUCCESS &&
	    asn1_create_element(definitions, type, &element) == ASN1_SUCCESS &&
	    asn1_der_decoding(&element, data, (int)size, err) == ASN1_SUCCESS &&
	    asn1_read_value(element, "compressedContentInfo.compressedContent",
		theirs, &got) == ASN1_SUCCESS) {
		/*
		 * EMALFORMED: an INTEGER that is negative or huge.
		 * ETRUNCATED: libtasn1 does not mind an element that overruns
		 * its wrapper, nor a missing last end-of-contents.
		 */
		assert(rc == BER_OK || rc == BER_EOID || rc == BER_EALGORITHM ||
		       rc == BER_ECONTENTTYPE || rc == BER_EMALFORMED ||
		       rc == BER_ETRUNCATED);
		if (rc == BER_OK)
			assert((size_t)got == len &&
			       memcmp(stream, theirs, len) == 0);
	}
	asn1_delete_structure(&element);
	asn1_delete_structure(&definitions);
	free(theirs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *stream;
	size_t len = 0;
	int rc;

	if (size > 65536)
		return 0;
	stream = malloc(size + 1);
	rc = decode(data, size, stream, &len);
	compare(
	    cdt_implicit, "CDT.CompressedData", data, size, rc, stream, len);
	compare(cdt_explicit, "CDT-EXPLICIT.CompressedData", data, size, rc,
	    stream, len);
	free(stream);
	return 0;
}
