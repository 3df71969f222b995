/*
 * The rule that keeps an interface silent; see silence.h.
 *
 * Why clsact and not nftables' egress hook: both see every frame, but
 * "nft flush ruleset" is how Debian's own nftables.service begins, and a
 * firewall reload must not end radio silence.  Why a filter of classic BPF
 * with one instruction and not matchall or u32 with an action: it needs no
 * action module and no bpf(2), only rtnetlink.
 */
#include "gateway/silence.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
/* The lowest is asked first. */
#define PRIO_FIRST 1
/* For silence_try(): the filter changes nothing, but need not come first. */
#define PRIO_TRY 0xbfff

/* Attempts to get a list that nobody changes meanwhile. */
#define LOOKS 10
/* What the kernel puts into one part of a dump at most. */
#define DUMP_SIZE 32768

/* What the filters at the egress of one interface are. */
struct rules {
	int ifindex;
	bool any;     /* one has been seen */
	bool first;   /* ours came before all others */
	bool present; /* ours is there */
};

/* --- one request to the kernel --------------------------------------------- */

static int
exchange(struct mnl_socket *nl, struct nlmsghdr *h, mnl_cb_t cb, void *ctx)
{
	char buf[DUMP_SIZE];
	ssize_t n;
	int rc;

	/* The socket is fresh: no other answer can come. */
	h->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(
		    buf, (size_t)n, 1, mnl_socket_get_portid(nl), cb, ctx);
	} while (rc == MNL_CB_OK);
	return rc < 0 ? -errno : 0;
}

static int
request(struct nlmsghdr *h, mnl_cb_t cb, void *ctx)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc;

	if (nl == NULL)
		return -errno;
	rc = exchange(nl, h, cb, ctx);
	mnl_socket_close(nl);
	return rc;
}

static struct nlmsghdr *
start(void *buf, uint16_t type, uint16_t flags, const struct tcmsg *tc)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(h, sizeof(*tc)), tc, sizeof(*tc));
	return h;
}

/* --- looking ----------------------------------------------------------------- */

/* What is_ours() has found out about one filter. */
struct filter {
	bool bpf, drops, direct;
};

static int
on_bpf_option(const struct nlattr *a, void *ctx)
{
	struct filter *f = ctx;
	uint16_t len = mnl_attr_get_payload_len(a);
	struct sock_filter op;

	if (mnl_attr_get_type(a) == TCA_BPF_FLAGS && len == sizeof(uint32_t))
		f->direct = mnl_attr_get_u32(a) & TCA_BPF_FLAG_ACT_DIRECT;
	/* A longer program is not ours. */
	if (mnl_attr_get_type(a) == TCA_BPF_OPS && len == sizeof(op)) {
		memcpy(&op, mnl_attr_get_payload(a), sizeof(op));
		f->drops = op.code == (BPF_RET | BPF_K) && op.k == TC_ACT_SHOT;
	}
	return MNL_CB_OK;
}

static int
on_filter_attr(const struct nlattr *a, void *ctx)
{
	struct filter *f = ctx;

	if (mnl_attr_get_type(a) == TCA_KIND)
		f->bpf = strcmp(mnl_attr_get_str(a), "bpf") == 0;
	/* The kind comes first. */
	if (mnl_attr_get_type(a) == TCA_OPTIONS && f->bpf)
		return mnl_attr_parse_nested(a, on_bpf_option, f);
	return MNL_CB_OK;
}

static bool
is_ours(const struct nlmsghdr *h, const struct tcmsg *tc)
{
	struct filter f = { .bpf = false };

	mnl_attr_parse(h, sizeof(*tc), on_filter_attr, &f);
	return f.bpf && f.drops && f.direct &&
	       tc->tcm_handle == SILENCE_HANDLE &&
	       TC_H_MIN(tc->tcm_info) == htons(ETH_P_ALL);
}

static int
on_filter(const struct nlmsghdr *h, void *ctx)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(h);
	struct rules *r = ctx;

	/* Handle 0 announces the filters of one priority; they follow. */
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*tc) ||
	    h->nlmsg_type != RTM_NEWTFILTER || tc->tcm_ifindex != r->ifindex ||
	    tc->tcm_handle == 0)
		return MNL_CB_OK;
	if (is_ours(h, tc)) {
		r->present = true;
		r->first = !r->any;
	}
	r->any = true;
	return MNL_CB_OK;
}

static int
look_once(int ifindex, struct rules *ret_r)
{
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct tcmsg) + 64];
	struct tcmsg tc = { .tcm_ifindex = ifindex, .tcm_parent = EGRESS };

	*ret_r = (struct rules){ .ifindex = ifindex };
	return request(
	    start(buf, RTM_GETTFILTER, NLM_F_DUMP, &tc), on_filter, ret_r);
}

static int
look(int ifindex, struct rules *ret_r)
{
	int rc = -EINTR;

	/* Somebody changes rules while the kernel lists them. */
	for (int i = 0; i < LOOKS && rc == -EINTR; i++)
		rc = look_once(ifindex, ret_r);
	return rc;
}

int
silence_get(int ifindex, bool *ret_silent)
{
	struct rules r;
	int rc = look(ifindex, &r);

	if (rc == 0)
		*ret_silent = r.first;
	return rc;
}

/* --- changing ---------------------------------------------------------------- */

/* The place for egress filters; somebody else may have made it. */
static int
add_clsact(int ifindex)
{
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct tcmsg) + 64];
	struct tcmsg tc = {
		.tcm_ifindex = ifindex,
		.tcm_parent = TC_H_CLSACT,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
	};
	struct nlmsghdr *h = start(
	    buf, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &tc);
	int rc;

	mnl_attr_put_strz(h, TCA_KIND, "clsact");
	rc = request(h, NULL, NULL);
	return rc == -EEXIST ? 0 : rc;
}

static struct tcmsg
filter_place(int ifindex, uint32_t prio)
{
	return (struct tcmsg){
		.tcm_ifindex = ifindex,
		.tcm_parent = EGRESS,
		.tcm_handle = SILENCE_HANDLE,
		.tcm_info = TC_H_MAKE(prio << 16, htons(ETH_P_ALL)),
	};
}

static int
add_filter(int ifindex, uint32_t prio, int verdict)
{
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct tcmsg) + 128];
	struct tcmsg tc = filter_place(ifindex, prio);
	struct sock_filter op = {
		.code = BPF_RET | BPF_K,
		.k = (uint32_t)verdict,
	};
	struct nlmsghdr *h = start(
	    buf, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &tc);
	struct nlattr *nest;

	mnl_attr_put_strz(h, TCA_KIND, "bpf");
	nest = mnl_attr_nest_start(h, TCA_OPTIONS);
	mnl_attr_put_u16(h, TCA_BPF_OPS_LEN, 1);
	mnl_attr_put(h, TCA_BPF_OPS, sizeof(op), &op);
	mnl_attr_put_u32(h, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	/* What a card does in hardware, the kernel would not count. */
	mnl_attr_put_u32(h, TCA_BPF_FLAGS_GEN, TCA_CLS_FLAGS_SKIP_HW);
	mnl_attr_nest_end(h, nest);
	return request(h, NULL, NULL);
}

static int
remove_filter(int ifindex, uint32_t prio)
{
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct tcmsg) + 64];
	struct tcmsg tc = filter_place(ifindex, prio);
	struct nlmsghdr *h = start(buf, RTM_DELTFILTER, NLM_F_ACK, &tc);

	mnl_attr_put_strz(h, TCA_KIND, "bpf");
	return request(h, NULL, NULL);
}

/*
 * Frames that passed the filter before it was there wait in the queue, for
 * minutes on a slow link.  A new queue length makes the kernel stop the queue,
 * wait for who is just putting something in, empty it and start it again; the
 * queue's own settings stay.
 */
static int
empty_queue(int ifindex)
{
	struct ifreq ifr = { .ifr_qlen = 0 };
	int fd, rc = 0, length;

	if (if_indextoname((unsigned)ifindex, ifr.ifr_name) == NULL)
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFTXQLEN, &ifr) != 0)
		rc = -errno;
	length = ifr.ifr_qlen;
	ifr.ifr_qlen = length + 1;
	if (rc == 0 && ioctl(fd, SIOCSIFTXQLEN, &ifr) != 0)
		rc = -errno;
	ifr.ifr_qlen = length;
	if (rc == 0 && ioctl(fd, SIOCSIFTXQLEN, &ifr) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int
refuse_loopback(int ifindex)
{
	struct ifreq ifr = { .ifr_flags = 0 };
	int fd, rc;

	if (if_indextoname((unsigned)ifindex, ifr.ifr_name) == NULL)
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = ioctl(fd, SIOCGIFFLAGS, &ifr) != 0 ? -errno : 0;
	close(fd);
	return rc == 0 && ifr.ifr_flags & IFF_LOOPBACK ? -EINVAL : rc;
}

static int
add_first(int ifindex)
{
	int rc = add_clsact(ifindex);

	if (rc == 0)
		rc = add_filter(ifindex, PRIO_FIRST, TC_ACT_SHOT);
	if (rc != -EEXIST)
		return rc;
	/* There, but behind another or not as it should be: of one priority
	 * the last to come is the first to be asked. */
	rc = remove_filter(ifindex, PRIO_FIRST);
	return rc == 0 ? add_filter(ifindex, PRIO_FIRST, TC_ACT_SHOT) : rc;
}

int
silence_set(int ifindex)
{
	bool silent = false;
	int rc = refuse_loopback(ifindex);

	if (rc == 0)
		rc = silence_get(ifindex, &silent);
	if (rc != 0)
		return rc;
	if (silent) {
		/* Who set it may have died before the next step, or be an
		 * administrator, who is asked for no more than the rule. */
		rc = empty_queue(ifindex);
		return rc == -EPERM ? 0 : rc;
	}
	rc = add_first(ifindex);
	if (rc == 0)
		rc = silence_get(ifindex, &silent);
	if (rc == 0)
		rc = silent ? empty_queue(ifindex) : -EBUSY;
	return rc;
}

int
silence_clear(int ifindex)
{
	struct rules r;
	int rc = look(ifindex, &r);

	if (rc != 0 || !r.present)
		return rc;
	return remove_filter(ifindex, PRIO_FIRST);
}

int
silence_try(int ifindex)
{
	int rc = refuse_loopback(ifindex);

	if (rc == 0)
		rc = add_clsact(ifindex);
	if (rc == 0)
		rc = add_filter(ifindex, PRIO_TRY, TC_ACT_UNSPEC);
	/* Left by a process that died in between. */
	if (rc == 0 || rc == -EEXIST)
		rc = remove_filter(ifindex, PRIO_TRY);
	return rc;
}

/* --- watching ---------------------------------------------------------------- */

int
silence_watch_open(void)
{
	struct sockaddr_nl to = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_TC,
	};
	int rc;
	int fd = socket(
	    AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

void
silence_watch_empty(int fd)
{
	char buf[DUMP_SIZE];

	/* ENOBUFS means that some were missed, which is all the same here. */
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 ||
	       errno == ENOBUFS || errno == EINTR)
		continue;
}

/* --- counting ---------------------------------------------------------------- */

static int
on_link_attr(const struct nlattr *a, void *ctx)
{
	size_t n = mnl_attr_get_payload_len(a);

	if (mnl_attr_get_type(a) == IFLA_STATS64)
		memcpy(ctx, mnl_attr_get_payload(a),
		    n < sizeof(struct rtnl_link_stats64)
			? n
			: sizeof(struct rtnl_link_stats64));
	return MNL_CB_OK;
}

static int
on_link(const struct nlmsghdr *h, void *ctx)
{
	return mnl_attr_parse(h, sizeof(struct ifinfomsg), on_link_attr, ctx);
}

int
silence_count(int ifindex, uint64_t *ret_frames)
{
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg) + 64];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtnl_link_stats64 stats = { .tx_packets = 0 };
	struct ifinfomsg *m;
	int rc;

	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifi_index = ifindex;
	rc = request(h, on_link, &stats);
	if (rc != 0)
		return rc;
	*ret_frames = stats.tx_packets;
	return 0;
}
