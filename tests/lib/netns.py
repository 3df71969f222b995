"""Network namespaces on a bridge: real multicast between real interfaces.

As root, or inside `unshare -Urnm` where there is no root.  Everything is
removed at the end, also after a failure.
"""
import os
import subprocess
import uuid


def run(*args, check=True):
    return subprocess.run(args, check=check, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout


class Net:
    """Stations 10.142.0.1, .2, ... each in a namespace of its own."""

    def __init__(self, names, ipv6=True):
        self.ipv6 = ipv6
        self.tag = uuid.uuid4().hex[:6]
        self.names = names
        self.air = f"air{self.tag}"
        self.address = {n: f"10.142.0.{i + 1}" for i, n in enumerate(names)}

    def ns(self, name):
        return f"mt{self.tag}{name}"

    def prefix(self, name):
        return ["ip", "netns", "exec", self.ns(name)]

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.remove()
            raise
        return self

    def build(self):
        # The bridge has a namespace of its own, so that nothing of this
        # touches the machine's network.
        run("ip", "netns", "add", self.air)
        inside = ["ip", "-n", self.air]
        run(*inside, "link", "add", "br0", "type", "bridge",
            "mcast_snooping", "0")
        run(*inside, "link", "set", "br0", "up")
        for i, n in enumerate(self.names):
            ns = self.ns(n)
            run("ip", "netns", "add", ns)
            if not self.ipv6:
                # Else the interface speaks as soon as it is up.
                run(*self.prefix(n), "sysctl", "-qw",
                    "net.ipv6.conf.default.disable_ipv6=1")
            run(*inside, "link", "add", f"p{i}", "type", "veth", "peer",
                "name", "rf0", "netns", ns)
            run(*inside, "link", "set", f"p{i}", "master", "br0", "up")
            run("ip", "-n", ns, "addr", "add", f"{self.address[n]}/24",
                "dev", "rf0")
            run("ip", "-n", ns, "link", "set", "lo", "up")
            run("ip", "-n", ns, "link", "set", "rf0", "up")

    def remove(self):
        for ns in [self.ns(n) for n in self.names] + [self.air]:
            for pid in run("ip", "netns", "pids", ns, check=False).split():
                if pid.isdigit():
                    os.kill(int(pid), 9)
            run("ip", "netns", "del", ns, check=False)

    def __exit__(self, *_):
        self.remove()

    def lose(self, name, percent):
        """The station misses so many of the datagrams sent to it."""
        nft = (f"add table netdev loss; add chain netdev loss in {{ type "
               f"filter hook ingress device rf0 priority 0; }}; add rule "
               f"netdev loss in meta protocol ip udp dport 2753 numgen "
               f"random mod 100 lt {percent} drop")
        run(*self.prefix(name), "nft", nft)
