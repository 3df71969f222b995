/*
 * libmule: mail as MULE (RFC 8494) carries it.
 *
 * The parts:
 *	mule/ext.h       which SMTP extension may travel: table 1
 *	mule/zip.h       the zlib stream
 *	mule/envelope.h  FROM-line, RCPT-lines, and where the message begins
 *	mule/payload.h   the whole: envelope + message <-> CompressedData
 *	mule/dsn.h       delivery status notifications
 *
 * Pure: no file, no clock, no socket.  Stands on smtp/ for the grammar of paths
 * and parameters, on asn1/ for the wrapper, on zlib, libdeflate and zopfli.
 */
#ifndef MULETEER_MULE_MULE_H
#define MULETEER_MULE_MULE_H

#include <stddef.h>
#include <stdint.h>

#define MULE_NODISCARD __attribute__((warn_unused_result))

/*
 * What can be wrong.  A function that reads a CompressedData also returns the
 * errors of asn1/ber.h as they are; mule_strerror() knows both.
 */
enum mule_err {
	MULE_OK = 0,
	MULE_ENOMEM = -1401,
	MULE_ETRUNCATED = -1402, /* the zlib stream ends too early */
	MULE_ECORRUPT = -1403, /* not a zlib stream, or its Adler-32 is wrong */
	MULE_ETRAILING = -1404, /* octets behind the zlib stream */
	MULE_ETOOBIG = -1405,   /* over a limit */
	MULE_ERATIO = -1406,    /* inflates to too many times its size */
	MULE_EENVELOPE = -1407, /* no envelope: no empty line, no RCPT-line */
	MULE_EFROM = -1408,     /* FROM-line is not valid */
	MULE_ERCPT = -1409,     /* a RCPT-line is not valid */
	MULE_ELINE = -1410,     /* a line too long, or CR, LF or NUL in it */
	MULE_ETOOMANY = -1411,  /* too many RCPT-lines */
	MULE_ECOMPRESS = -1412, /* the compressor failed; it should not */
};

/* English for an error code; a static string, never NULL. */
const char *mule_strerror(int err);

/*
 * MappedPriority (RFC 8494 5.1): 6 minus MT-PRIORITY, and 0 for the values
 * above 6, which the formula leaves without an octet.  At most 15.
 */
uint8_t mule_priority(int mt_priority);
#define MULE_PRIORITIES 16

#endif
