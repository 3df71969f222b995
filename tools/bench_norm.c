/*
 * One object by NORM (RFC 5740), for the comparison of air time in
 * tests/bench/air.py; not part of the product.
 *
 *	bench_norm send INTERFACE RECEIVERS BIT_RATE SEGMENT GRTT FILE
 *	bench_norm receive INTERFACE ID FILE
 *
 * The sender, whose id is 1, sends the file once and answers requests for
 * repair with parity, made when it is asked for.  The receivers, 2 and up,
 * acknowledge the whole, as mail needs it, and that also spares the air what
 * the sender would otherwise repeat to find out whether anything is missing.
 * With the last acknowledgement it ends.  A receiver says "complete SECONDS"
 * (since 1970) when it has the object, and writes it to FILE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <normApi.h>

#define ADDRESS "239.142.0.2"
#define PORT 6003
/* A block of 64 segments, and as many of parity as one in four being lost
 * can ask for: what the library's own tools use by default. */
#define BLOCK 64
#define PARITY 16
#define BUFFER (4U << 20)

static void
fail(const char *what)
{
	(void)fprintf(stderr, "bench_norm: %s\n", what);
	exit(1);
}

static char *
read_file(const char *name, size_t *ret_len)
{
	FILE *f = fopen(name, "rb");
	char *data = malloc(BUFFER);

	if (f == NULL || data == NULL)
		fail(name);
	*ret_len = fread(data, 1, BUFFER, f);
	if (ferror(f) || *ret_len == BUFFER)
		fail(name);
	(void)fclose(f);
	return data;
}

static NormSessionHandle
session(NormInstanceHandle norm, const char *interface, NormNodeId id)
{
	NormSessionHandle s = NormCreateSession(norm, ADDRESS, PORT, id);

	if (s == NORM_SESSION_INVALID ||
	    !NormSetMulticastInterface(s, interface))
		fail("no session");
	return s;
}

/* Send data to the nodes 2 to last, and have it acknowledged. */
static void
submit(NormSessionHandle s, const char *data, size_t len, NormNodeId last)
{
	NormObjectHandle object =
	    NormDataEnqueue(s, data, (UINT32)len, NULL, 0);

	if (object == NORM_OBJECT_INVALID)
		fail("cannot send");
	for (NormNodeId id = 2; id <= last; id++)
		if (!NormAddAckingNode(s, id))
			fail("cannot ask for acknowledgement");
	if (!NormSetWatermark(s, object, true))
		fail("cannot ask for acknowledgement");
}

static void
send_file(NormInstanceHandle norm, char **arg)
{
	NormSessionHandle s = session(norm, arg[0], 1);
	NormNodeId last = 1 + (NormNodeId)strtoul(arg[1], NULL, 10);
	UINT16 segment = (UINT16)strtoul(arg[3], NULL, 10);
	NormEvent e;
	size_t len;
	char *data = read_file(arg[5], &len);

	/* The library counts its own octets only: its header, but not 28 for
	 * UDP and IP. */
	NormSetTxRate(
	    s, strtod(arg[2], NULL) * (segment + 32) / (segment + 60));
	NormSetCongestionControl(s, false, false);
	NormSetGrttEstimate(s, strtod(arg[4], NULL));
	NormSetAutoParity(s, 0);
	if (!NormStartSender(
		s, NormGetRandomSessionId(), BUFFER, segment, BLOCK, PARITY, 0))
		fail("cannot send");
	submit(s, data, len, last);
	while (NormGetNextEvent(norm, &e, true)) {
		if (e.type != NORM_TX_WATERMARK_COMPLETED)
			continue;
		if (NormGetAckingStatus(s, NORM_NODE_ANY) == NORM_ACK_SUCCESS)
			break;
		if (!NormResetWatermark(s))
			fail("cannot ask again for acknowledgement");
	}
	free(data);
}

static void
keep(NormObjectHandle object, const char *name)
{
	struct timespec now;
	size_t len = (size_t)NormObjectGetSize(object);
	FILE *f = fopen(name, "wb");

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (f == NULL || fwrite(NormDataAccessData(object), 1, len, f) != len ||
	    fclose(f) != 0)
		fail(name);
	(void)printf(
	    "complete %lld.%06ld\n", (long long)now.tv_sec, now.tv_nsec / 1000);
	(void)fflush(stdout);
}

static void
receive(NormInstanceHandle norm, char **arg)
{
	NormSessionHandle s =
	    session(norm, arg[0], (NormNodeId)strtoul(arg[1], NULL, 10));
	NormEvent e;

	if (!NormStartReceiver(s, BUFFER))
		fail("cannot receive");
	(void)puts("ready");
	(void)fflush(stdout);
	while (NormGetNextEvent(norm, &e, true))
		if (e.type == NORM_RX_OBJECT_COMPLETED)
			keep(e.object, arg[2]);
}

int
main(int argc, char **argv)
{
	NormInstanceHandle norm = NormCreateInstance(false);

	if (norm == NORM_INSTANCE_INVALID)
		fail("no instance");
	if (argc == 8 && strcmp(argv[1], "send") == 0)
		send_file(norm, argv + 2);
	else if (argc == 5 && strcmp(argv[1], "receive") == 0)
		receive(norm, argv + 2);
	else
		fail("see the head of tools/bench_norm.c");
	NormDestroyInstance(norm);
	return 0;
}
