#include "gateway/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t
clock_wall_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec;
}

struct pmul_clock
clock_now(void)
{
	struct pmul_clock now;
	struct timespec ts;

	/* BOOTTIME goes on while the machine sleeps; peers do not wait. */
	clock_gettime(CLOCK_BOOTTIME, &ts);
	now.mono.us =
	    (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	now.wall.s = clock_wall_s();
	return now;
}

const char *
clock_date(int64_t s, char buf[CLOCK_DATE_MAX])
{
	/* strftime's names follow the locale; mail's do not. */
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)s;
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&t, &tm);
	snprintf(buf, CLOCK_DATE_MAX, "%s, %d %s %d %02d:%02d:%02d +0000",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	return buf;
}
