/*
 * What else would fall silent with an interface; see silence.h.
 */
#include "gateway/silence.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Does one of the n addresses, in host order, belong to the interface? */
static bool
has_address(const struct ifaddrs *all, const char *ifname,
    const uint32_t *addresses, size_t n, struct in_addr *ret_which)
{
	for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
		struct sockaddr_in sin;

		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_INET ||
		    strcmp(a->ifa_name, ifname) != 0)
			continue;
		memcpy(&sin, a->ifa_addr, sizeof(sin));
		*ret_which = sin.sin_addr;
		for (size_t i = 0; i < n; i++)
			if (htonl(addresses[i]) == sin.sin_addr.s_addr)
				return true;
	}
	return false;
}

/* IPv4's; a node with only IPv6 routes is not reached by SMTP here. */
static bool
has_default_route(const char *ifname)
{
	char line[256], name[32];
	unsigned to, mask;
	bool found = false;
	FILE *f = fopen("/proc/self/net/route", "re");

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "%31s %x %*x %*x %*d %*d %*d %x", name,
			    &to, &mask) == 3 &&
			to == 0 && mask == 0 && strcmp(name, ifname) == 0;
	if (f != NULL)
		fclose(f);
	return found;
}

/* A bridge, a bond, a VLAN: frames also leave by what is below it. */
static bool
is_stacked(const char *ifname)
{
	char path[64];
	const struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/net/%s", ifname);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL)
		found = strncmp(e->d_name, "lower_", 6) == 0;
	if (d != NULL)
		closedir(d);
	return found;
}

enum silence_shared
silence_shared(const char *ifname, const uint32_t *addresses, size_t n,
    char *why, size_t cap)
{
	struct ifaddrs *all = NULL;
	struct in_addr used;
	char text[INET_ADDRSTRLEN];
	bool listens;

	if (getifaddrs(&all) != 0)
		all = NULL;
	listens = has_address(all, ifname, addresses, n, &used);
	freeifaddrs(all);
	if (listens) {
		inet_ntop(AF_INET, &used, text, sizeof(text));
		snprintf(why, cap, "%s is an address of %s", text, ifname);
		return SILENCE_CUTS_SERVICE;
	}
	if (has_default_route(ifname)) {
		snprintf(why, cap, "the default route leads by %s", ifname);
		return SILENCE_DOUBTFUL;
	}
	if (is_stacked(ifname)) {
		snprintf(why, cap, "%s stands on other interfaces", ifname);
		return SILENCE_DOUBTFUL;
	}
	return SILENCE_DEDICATED;
}
