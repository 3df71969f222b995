/*
 * main() for a fuzz target without libFuzzer: runs it once over every file
 * named on the command line, and over every file of a named directory, so that
 * seeds and past crashes are tested in ordinary builds.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long runs;

static int
replay_file(const char *path, size_t size)
{
	/* Exact size, so that a sanitizer sees the first octet past the end. */
	uint8_t *data = malloc(size != 0 ? size : 1);
	FILE *f = fopen(path, "rb");
	int rc = -1;

	if (f != NULL && data != NULL && fread(data, 1, size, f) == size) {
		(void)LLVMFuzzerTestOneInput(data, size);
		runs++;
		rc = 0;
	} else {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	}
	if (f != NULL)
		fclose(f);
	free(data);
	return rc;
}

static int replay(const char *path);

static int
replay_dir(const char *path)
{
	char name[4096];
	const struct dirent *e;
	DIR *d = opendir(path);
	int rc = 0;

	if (d == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		rc = replay(name);
	}
	closedir(d);
	return rc;
}

static int
replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		return replay_dir(path);
	return replay_file(path, (size_t)st.st_size);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) != 0)
			return 1;
	if (runs == 0) {
		fprintf(stderr, "%s: no input to replay\n", argv[0]);
		return 1;
	}
	printf("ok   %s replayed %lu inputs\n", argv[0], runs);
	return 0;
}
