/* mulelink ctl SOCKET COMMAND: one line to a running mulelink, one back. */
#include "tools/mulelink.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_OCTETS 510

static int
usage(FILE *to)
{
	fprintf(to, "usage: mulelink ctl SOCKET COMMAND\n%s",
	    mulelink_command_help);
	return to == stdout ? 0 : 2;
}

static FILE *
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	FILE *f = NULL;
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		fprintf(stderr, "mulelink: %s: the path is too long\n", path);
		return NULL;
	}
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		f = fdopen(fd, "r+");
	if (f == NULL) {
		perror(path);
		if (fd >= 0)
			close(fd);
	}
	return f;
}

/* The answer goes to standard output: 0 if it says so, else 1. */
static int
ask(FILE *f, const char *line)
{
	bool ok = false, first = true;
	int c;

	fprintf(f, "%s\n", line);
	if (fflush(f) != 0)
		return 1;
	while ((c = fgetc(f)) != EOF && c != '\n') {
		/* {"ok":true... */
		ok = ok || (first && c == 't');
		first = first && c != 't' && c != 'f';
		putchar(c);
	}
	putchar('\n');
	return ok && c == '\n' ? 0 : 1;
}

int
mulelink_ctl(int argc, char **argv)
{
	char line[LINE_OCTETS];
	size_t len = 0;
	int status;
	FILE *f;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	if (argc < 3)
		return usage(stderr);
	for (int i = 2; i < argc; i++) {
		int n = snprintf(line + len, sizeof(line) - len, "%s%s",
		    i > 2 ? " " : "", argv[i]);

		if (n < 0 || (size_t)n >= sizeof(line) - len ||
		    strchr(argv[i], '\n') != NULL)
			return usage(stderr);
		len += (size_t)n;
	}
	f = dial(argv[1]);
	if (f == NULL)
		return 1;
	status = ask(f, line);
	fclose(f);
	return status;
}
