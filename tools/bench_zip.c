/*
 * How small zlib 9, libdeflate 12 and zopfli make mail, and what that costs.
 *
 * usage: bench_zip FILE ...
 *
 * One line for each class of size: the octets that each leaves of all its
 * mails, and the CPU time of one mail.  "pays" is the bit rate below which the
 * octets that zopfli saves over libdeflate take longer on the air than zopfli
 * takes in the CPU: as measured, and as mule_zip_pays() estimates it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mule/zip.h"

#define KIB ((size_t)1024)
/* A mail is compressed again and again for so long: the clock is coarse. */
#define LEAST_S 0.05

struct class
{
	const char *name;
	size_t below; /* octets */
	size_t mails, octets;
	size_t left[3]; /* by enum mule_zip */
	double cpu_s[3];
	double estimate; /* sum of the rates */
};

static struct class classes[] = {
	{ .name = "< 1 KiB", .below = KIB },
	{ .name = "1-4 KiB", .below = 4 * KIB },
	{ .name = "4-16 KiB", .below = 16 * KIB },
	{ .name = "16-64 KiB", .below = 64 * KIB },
	{ .name = "64-256 KiB", .below = MULE_ZIP_ZOPFLI_MAX },
};

static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t
shrink(enum mule_zip how, const void *data, size_t len)
{
	uint8_t *buf;
	size_t n;

	if (mule_deflate_by(how, data, len, 0, &buf, &n) != MULE_OK) {
		fprintf(stderr, "bench_zip: cannot compress\n");
		exit(1);
	}
	free(buf);
	return n;
}

/* The highest rate at which the estimate still finds it worth the time. */
static double
estimate(size_t len, size_t z)
{
	uint64_t rate = 1;

	while (mule_zip_pays(rate + 1, len, z))
		rate++;
	return (double)rate;
}

static void
measure(struct class *c, const void *data, size_t len)
{
	size_t z[3];

	for (enum mule_zip how = 0; how < 3; how++) {
		double start = cpu_s(), spent;
		unsigned rounds = 0;

		do {
			z[how] = shrink(how, data, len);
			spent = cpu_s() - start;
			rounds++;
		} while (spent < LEAST_S);
		c->left[how] += z[how];
		c->cpu_s[how] += spent / rounds;
	}
	c->mails++;
	c->octets += len;
	c->estimate += estimate(len, z[MULE_ZIP_LIBDEFLATE]);
}

static void
add_file(const char *path)
{
	static uint8_t data[MULE_ZIP_ZOPFLI_MAX];
	struct class *c = classes;
	FILE *f = fopen(path, "rb");
	size_t len;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	if (len == sizeof(data)) {
		printf("%s is too big for zopfli, left out\n", path);
		return;
	}
	while (len >= c->below)
		c++;
	measure(c, data, len);
}

static double
percent_less(size_t a, size_t b)
{
	return 100 * ((double)a - (double)b) / (double)a;
}

static void
print_class(const struct class *c)
{
	const size_t *left = c->left;
	double n = (double)c->mails;
	double more_s =
	    c->cpu_s[MULE_ZIP_ZOPFLI] - c->cpu_s[MULE_ZIP_LIBDEFLATE];
	double bits =
	    8 * (double)(left[MULE_ZIP_LIBDEFLATE] - left[MULE_ZIP_ZOPFLI]);

	printf("| %s | %zu | %zu | %zu | %zu (%.1f %%) | %zu (%.1f %%) | "
	       "%.1f / %.1f / %.0f | %.0f / %.0f |\n",
	    c->name, c->mails, c->octets, left[MULE_ZIP_ZLIB],
	    left[MULE_ZIP_LIBDEFLATE],
	    percent_less(left[MULE_ZIP_ZLIB], left[MULE_ZIP_LIBDEFLATE]),
	    left[MULE_ZIP_ZOPFLI],
	    percent_less(left[MULE_ZIP_ZLIB], left[MULE_ZIP_ZOPFLI]),
	    1e3 * c->cpu_s[MULE_ZIP_ZLIB] / n,
	    1e3 * c->cpu_s[MULE_ZIP_LIBDEFLATE] / n,
	    1e3 * c->cpu_s[MULE_ZIP_ZOPFLI] / n, bits / more_s,
	    c->estimate / n);
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: bench_zip FILE ...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++)
		add_file(argv[i]);
	printf("| size of the mail | mails | octets | zlib 9 | libdeflate 12 | "
	       "zopfli | CPU ms a mail | pays below bit/s: measured / "
	       "estimated |\n|---|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (classes[i].mails > 0)
			print_class(&classes[i]);
	return 0;
}
