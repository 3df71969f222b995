"""Radio silence holds for the kernel too: the interface's transmit counters
stand still, whatever the others do to make it speak.
"""
import os
import queue
import signal
import subprocess
import threading
import time

import pytest

from muleteer import BUILD, wait_for
from netns import Net, run

FLEET, POOL, GG = "239.142.0.1", "239.142.0.9", "239.1.1.1"
SHIP, SHORE = "10.142.0.2", "10.142.0.1"
EPERM, EBUSY, EINVAL, ENETDOWN, ENODATA = -1, -16, -22, -100, -61
SPEAKS, SILENT, QUIET, MUTED = range(4)
# As silence.h gives it to administrators.
RULE = ("filter add dev rf0 egress prio 1 handle 0x4d554c45 bpf da bytecode "
        "1,6 0 0 2")

# What makes a Linux host speak.  argv: the host's address, its MAC, our MAC.
PROVOKE = r"""
import socket, struct, sys, time
ip = socket.inet_aton
host, mac, ours = sys.argv[1], *(bytes.fromhex(m.replace(":", ""))
                                 for m in sys.argv[2:4])
def checksum(b):
    n = sum(struct.unpack(f">{len(b) // 2}H", b))
    n = (n & 0xffff) + (n >> 16)
    return ~(n + (n >> 16)) & 0xffff
def sealed(b, at):
    return b[:at] + struct.pack(">H", checksum(b)) + b[at + 2:]
def ipv4(to, proto, payload, options=b"", ttl=1):
    head = struct.pack(">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0xc0,
        20 + len(options) + len(payload), 7, 0, ttl, proto, 0,
        ip("10.142.0.1"), ip(to)) + options
    return sealed(head, 10) + payload
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("rf0", 0))
def frame(to, kind, payload):
    raw.send(to + ours + struct.pack(">H", kind) + payload)
all_hosts = bytes.fromhex("01005e000001")
alert = bytes.fromhex("94040000")
frame(b"\xff" * 6, 0x806, struct.pack(">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1,
    ours, ip("10.142.0.1"), bytes(6), ip(host)))
frame(mac, 0x800, ipv4(host, 1, sealed(bytes.fromhex("0800000000010001"), 2)))
frame(mac, 0x800, ipv4(host, 17, struct.pack(">HHHH", 9, 9, 12, 0) + b"shut"))
syn = struct.pack(">HHIIBBHHH", 9, 9, 1, 0, 0x50, 2, 1000, 0, 0)
pseudo = ip("10.142.0.1") + ip(host) + struct.pack(">HH", 6, len(syn))
frame(mac, 0x800, ipv4(host, 6, sealed(pseudo + syn, 28)[12:]))
frame(all_hosts, 0x800, ipv4("224.0.0.1", 2,
    sealed(bytes.fromhex("110300000000000002140000"), 2), alert))
frame(all_hosts, 0x800, ipv4("224.0.0.1", 2,
    sealed(bytes.fromhex("1103000000000000"), 2), alert))
time.sleep(0.6)
"""

SAY = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(0, 32, struct.pack("4s4si", bytes(4),
    socket.inet_aton("10.142.0.1"), 0))
s.sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
"""


# PACKET_QDISC_BYPASS
BYPASS = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.setsockopt(263, 20, 1)
s.bind(("rf0", 0))
s.send(bytes(60))
"""


class Probe:
    """bearer-probe in a station's namespace."""

    def __init__(self, prefix):
        self.process = subprocess.Popen(
            prefix + [os.path.join(BUILD, "bearer-probe")], text=True,
            bufsize=-1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answers, self.heard = queue.Queue(), []
        self.changes, self.writable = [], 0
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for text in self.process.stdout:
            word, *rest = text.split()
            if word == "recv":
                self.heard.append((int(rest[0]), rest[2]))
            elif word == "changed":
                self.changes.append([int(w) for w in rest])
            elif word == "writable":
                self.writable += 1
            else:
                self.answers.put((word, [int(w) for w in rest]))

    def __call__(self, command):
        print(command, file=self.process.stdin, flush=True)
        word, numbers = self.answers.get(timeout=10)
        assert word == command.split()[0]
        return numbers[0] if len(numbers) == 1 else numbers

    def both(self, *commands):
        """In one go, so that the loop does nothing in between."""
        self.process.stdin.write("\n".join(commands) + "\n")
        self.process.stdin.flush()
        return [self.answers.get(timeout=10)[1][0] for _ in commands]

    def end(self):
        """As a clean stop; nothing may be left on the loop."""
        self.process.stdin.close()
        assert self.process.wait(10) == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Air:
    """shore, where the others are, and ship, which is watched."""

    def __init__(self, net):
        self.net = net
        self.ship = net.prefix("ship")
        self.probes = []

    def probe(self, *wrap):
        self.probes.append(Probe(self.ship + list(wrap)))
        return self.probes[-1]

    def tc(self, command, check=True):
        words, _, program = command.partition(" bytecode ")
        return run(*self.ship, "tc", *words.split(),
                   *(["bytecode", program] if program else []), check=check)

    def rules(self):
        return self.tc("filter show dev rf0 egress", check=False)

    def sent(self):
        """Frames and octets that the ship's interface has transmitted, and
        frames that arrived on the air."""
        s = "/sys/class/net/{}/statistics/{}_{}"
        own = run(*self.ship, "cat", s.format("rf0", "tx", "packets"),
                  s.format("rf0", "tx", "bytes")).split()
        air = run("ip", "netns", "exec", self.net.air, "cat",
                  s.format("p1", "rx", "packets"))
        return [int(n) for n in own + [air]]

    def mac(self, name):
        return run(*self.net.prefix(name), "cat",
                   "/sys/class/net/rf0/address").strip()

    def provoke(self):
        run(*self.net.prefix("shore"), "/usr/bin/python3", "-c", PROVOKE,
            SHIP, self.mac("ship"), self.mac("shore"))

    def say(self, text, to=FLEET, port=2753):
        run(*self.net.prefix("shore"), "/usr/bin/python3", "-c", SAY, to,
            str(port), text)

    def hears(self, probe, text, to=FLEET, port=2753, bearer=0):
        self.say(text, to, port)
        wait_for(lambda: (bearer, text) in probe.heard, 5, f"hearing {text}")

    def capture(self, words):
        """Starts tcpdump on the air; call the result for what it saw."""
        p = subprocess.Popen(
            ["ip", "netns", "exec", self.net.air, "tcpdump", "-i", "p1",
             "-Q", "in", "-nvl", "--immediate-mode", "-Z", "root"]
            + words.split(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while "listening" not in p.stderr.readline():
            assert p.poll() is None

        def seen():
            p.terminate()
            return p.communicate()[0]
        return seen


def joined(text, group):
    """A report of a new membership; version 2 after a query of that one."""
    return f"gaddr {group} to_ex" in text or f"report {group}" in text


@pytest.fixture(name="air")
def air_fixture():
    with Net(["shore", "ship"], ipv6=False) as net:
        air = Air(net)
        run("ip", "-n", net.ns("shore"), "neigh", "add", SHIP, "lladdr",
            air.mac("ship"), "dev", "rf0")
        assert air.sent() == [0, 0, 0]
        yield air
        for p in air.probes:
            p.kill()


def test_a_speaking_node_answers_every_provocation(air):
    """Otherwise the tests below would prove nothing."""
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET}") == 0
    assert probe("voice 0") == [SPEAKS, 0]
    assert probe("emitted 0") == [ENODATA, 0]
    air.hears(probe, "one")
    seen = air.capture("arp or icmp or igmp or tcp")
    air.provoke()
    text = seen()
    for answer in ("Reply 10.142.0.2", "echo reply", "udp port 9 unreachable",
                   "igmp v3 report", f"gaddr {FLEET}", "Flags [R.]"):
        assert answer in text, text
    assert "clsact" not in air.tc("qdisc show dev rf0")
    probe.end()


def test_a_node_that_starts_in_silence_transmits_nothing_and_hears(air):
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} silent gg={GG}") == 0
    assert probe("voice 0") == [SILENT, 0]
    for n in range(2):
        air.hears(probe, f"message{n}")
        air.hears(probe, f"announce{n}", GG, 2752)
        air.hears(probe, f"unicast{n}", SHIP, 2754)
        air.hears(probe, f"reject{n}", SHIP, 2751)
        air.provoke()
    assert probe(f"send 0 {FLEET} x") == ENETDOWN
    assert probe(f"send 0 {SHORE} x") == ENETDOWN
    run(*air.ship, "ip", "link", "set", "rf0", "down")
    run(*air.ship, "ip", "link", "set", "rf0", "up")
    air.hears(probe, "again")
    air.provoke()
    probe.end()
    time.sleep(1.5)
    assert air.sent() == [0, 0, 0]


def test_leaving_silence_reports_the_groups_and_sends_at_once(air):
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} silent gg={GG}") == 0
    assert probe(f"join 0 {POOL}") == 0
    air.hears(probe, "one", POOL)
    time.sleep(1.5)
    assert air.sent() == [0, 0, 0]
    seen = air.capture("igmp or udp or arp")
    assert probe("silence 0 off") == 0
    assert probe("voice 0") == [SPEAKS, 0]
    assert probe(f"send 0 {FLEET} data") == 0
    assert probe(f"send 0 {SHORE} ack") == 0
    assert probe("send 0 gg announce") == 0
    time.sleep(0.3)
    text = seen()
    for group in (FLEET, POOL, GG):
        assert joined(text, group), text
    for to in (f"{FLEET}.2753", f"{SHORE}.2754", f"{GG}.2752"):
        assert f"{SHIP}.2754 > {to}" in text, text
    air.hears(probe, "two")
    air.hears(probe, "three", POOL)
    assert "bpf" not in air.rules()
    probe.end()


def test_entering_silence_stops_what_waits_in_the_queue(air):
    air.tc("qdisc add dev rf0 root tbf rate 9600bit burst 600 limit 100000")
    # Adding clsact would empty the queue by itself.
    air.tc("qdisc add dev rf0 clsact")
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} gg={GG}") == 0
    assert probe(f"join 0 {POOL}") == 0
    time.sleep(1.5)
    for _ in range(4):
        probe(f"send 0 {FLEET} {'x' * 400}")
    # A foreign program's datagrams wait there as well.
    run(*air.ship, "/usr/bin/python3", "-c",
        SAY.replace(SHORE, SHIP) +
        "for i in range(50): s.sendto(b'y' * 400, (sys.argv[1], 9))",
        FLEET, "9", "z")
    queued = air.tc("-s qdisc show dev rf0 root")
    assert "backlog" in queued and "backlog 0b" not in queued
    assert probe("silence 0 on") == 0
    before = air.sent()
    assert probe("voice 0") == [SILENT, 0]
    assert probe(f"leave 0 {POOL}") == 0
    air.provoke()
    time.sleep(1)
    air.hears(probe, "one")
    assert air.sent() == before and before[0] > 0
    assert probe("emitted 0") == [0, 0]
    assert "tbf" in air.tc("qdisc show dev rf0")
    assert "qlen 1000" in run(*air.ship, "ip", "link", "show", "rf0")
    probe.end()
    time.sleep(1.5)
    assert air.sent() == before


def test_a_crash_in_silence_leaves_the_interface_silent(air):
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} silent") == 0
    probe.kill()
    air.provoke()
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} silent") == 0
    air.hears(probe, "one")
    air.provoke()
    probe.end()
    air.provoke()
    assert air.sent() == [0, 0, 0]
    # A life without silence removes the rule of the former.
    probe = air.probe()
    seen = air.capture("igmp")
    assert probe(f"open 0 rf0 {FLEET}") == 0
    time.sleep(0.3)
    assert joined(seen(), FLEET)
    assert "bpf" not in air.rules()
    probe.end()


def test_a_receive_only_node_never_speaks(air):
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} receive-only") == 0
    assert probe("silence 0 off") == EPERM
    assert probe("voice 0") == [SILENT, 0]
    assert probe(f"send 0 {FLEET} x") == ENETDOWN
    air.hears(probe, "one")
    air.provoke()
    probe.end()
    assert air.sent() == [0, 0, 0]


UNPRIVILEGED = ("setpriv", "--bounding-set=-net_admin")


def test_without_the_privilege_silence_is_not_pretended(air):
    probe = air.probe(*UNPRIVILEGED)
    assert probe(f"open 0 rf0 {FLEET} silent") == EPERM
    assert air.sent() == [0, 0, 0]
    assert probe(f"open 0 rf0 {FLEET}") == 0
    assert probe("try 0") == EPERM
    assert probe("silence 0 on") == EPERM
    assert probe("voice 0") == [QUIET, EPERM]
    assert probe(f"send 0 {FLEET} x") == ENETDOWN
    assert probe(f"join 0 {POOL}") == ENETDOWN
    assert probe("silence 0 off") == 0
    assert probe(f"join 0 {POOL}") == 0
    assert probe(f"send 0 {FLEET} x") == 0
    assert probe("silence 0 on") == EPERM
    # A leave would be heard, so the group stays joined, unheard by us.
    seen = air.capture("igmp")
    assert probe(f"leave 0 {POOL}") == 0
    air.say("deaf", POOL)
    time.sleep(0.3)
    assert "to_in" not in seen() and (0, "deaf") not in probe.heard
    seen = air.capture("igmp")
    assert probe("silence 0 off") == 0
    time.sleep(0.3)
    assert f"gaddr {POOL} to_in" in seen()
    probe.end()
    probe = air.probe(*UNPRIVILEGED)
    assert probe(f"open 0 rf0 {FLEET} silent best-effort") == 0
    assert probe("voice 0") == [QUIET, EPERM]
    air.hears(probe, "one")
    probe.end()
    probe = air.probe(*UNPRIVILEGED)
    assert probe(f"open 0 rf0 {FLEET} silent off") == 0
    assert probe("voice 0") == [QUIET, 0]
    assert probe("silence 0 off") == 0
    assert probe(f"send 0 {FLEET} x") == 0
    probe.end()


def test_an_administrators_rule_needs_no_privilege_of_ours(air):
    air.tc("qdisc add dev rf0 clsact")
    air.tc(RULE)
    probe = air.probe(*UNPRIVILEGED)
    assert probe(f"open 0 rf0 {FLEET} silent") == 0
    assert probe("voice 0") == [SILENT, 0]
    air.hears(probe, "one")
    air.provoke()
    assert air.sent() == [0, 0, 0]
    # Removed and set again by him, without us.
    air.tc("filter del dev rf0 egress")
    wait_for(lambda: probe("voice 0") == [QUIET, EPERM], 5, "notice")
    air.tc(RULE)
    wait_for(lambda: probe("voice 0") == [SILENT, 0], 5, "notice")
    assert probe.changes == [[0, QUIET, EPERM], [0, SILENT, 0]]
    before = air.sent()
    assert probe("silence 0 off") == EPERM
    assert probe("voice 0") == [MUTED, EPERM]
    assert probe("close 0") == 0
    # Nor does a node pretend to speak that cannot.
    assert probe(f"open 0 rf0 {FLEET}") == EPERM
    assert probe(f"open 0 rf0 {FLEET} best-effort") == 0
    assert probe("voice 0") == [MUTED, EPERM]
    probe.end()
    time.sleep(1.2)
    assert air.sent() == before
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET}") == 0
    assert probe("voice 0") == [SPEAKS, 0]
    assert probe("try 0") == 0
    assert "bpf" not in air.rules()
    probe.end()


@pytest.mark.parametrize("old,new", [
    ("0x4d554c45", "7"),          # somebody else's, who may remove it
    ("1,6 0 0 2", "1,6 0 0 0"),   # lets everything pass
    (" da ", " classid 1:1 "),    # only classifies
    ("egress ", "egress protocol ip "),
])
def test_a_rule_unlike_ours_is_not_silence(air, old, new):
    air.tc("qdisc add dev rf0 clsact")
    assert old in RULE
    air.tc(RULE.replace(old, new))
    probe = air.probe(*UNPRIVILEGED)
    assert probe(f"open 0 rf0 {FLEET} silent") == EPERM
    assert probe(f"open 0 rf0 {FLEET}") == 0
    probe.end()
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} silent") == (
        EINVAL if "protocol" in new else 0)
    probe.end()
    assert "0x4d554c45" in air.rules()


def test_failing_to_be_silent_is_no_reason_to_spin(air):
    air.tc("qdisc add dev rf0 clsact")
    air.tc("filter add dev rf0 egress prio 1 handle 7 protocol ip bpf da "
           "bytecode 1,6 0 0 0")
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET}") == 0
    assert probe("silence 0 on") == EINVAL
    run(*air.ship, "ip", "link", "set", "rf0", "txqueuelen", "1001")
    time.sleep(0.5)
    with open(f"/proc/{probe.process.pid}/stat", encoding="ascii") as f:
        user, system = [int(n) for n in f.read().split()[13:15]]
    assert user + system < 20
    assert probe("voice 0") == [QUIET, EINVAL]
    assert "qlen 1001" in run(*air.ship, "ip", "link", "show", "rf0")
    probe.end()


def test_a_removed_rule_is_set_again(air):
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET}") == 0
    assert probe(f"send 0 {FLEET} x") == 0
    assert probe("silence 0 on") == 0
    before = air.sent()
    assert before[0] > 0
    # A repeated report must not be due in the moment without a rule.
    time.sleep(1.2)
    run(*air.ship, "nft", "flush ruleset")
    assert probe("counters 0")[2] == 0
    for n, blow in enumerate(("filter del dev rf0 egress",
                              "qdisc del dev rf0 clsact"), 1):
        air.tc(blow)
        wait_for(lambda n=n: probe("counters 0")[2] == n, 5, "the rule")
        assert "0x4d554c45" in air.rules()
        assert probe("voice 0") == [SILENT, 0]
    assert probe.changes == [[0, SILENT, 0]] * 2
    air.hears(probe, "one")
    air.provoke()
    assert air.sent() == before
    # The same interface, plugged in again.
    run(*air.ship, "ip", "link", "del", "rf0")
    run("ip", "-n", air.net.air, "link", "add", "p1", "type", "veth", "peer",
        "name", "rf0", "netns", air.net.ns("ship"))
    wait_for(lambda: probe("counters 0")[2] == 3, 5, "the rule")
    assert probe("emitted 0") == [0, 0]
    run("ip", "-n", air.net.air, "link", "set", "p1", "master", "br0", "up")
    run("ip", "-n", air.net.ns("ship"), "addr", "add", f"{SHIP}/24", "dev",
        "rf0")
    run("ip", "-n", air.net.ns("ship"), "link", "set", "rf0", "up")
    air.provoke()
    assert air.sent() == [0, 0, 0]
    probe.end()


def test_a_filter_that_comes_first_is_reported(air):
    air.tc("qdisc add dev rf0 clsact")
    air.tc("filter add dev rf0 egress prio 1 handle 7 protocol ip bpf da "
           "bytecode 1,6 0 0 0")
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET}") == 0
    assert probe("silence 0 on") < 0
    assert probe("voice 0")[0] == QUIET
    air.tc("filter del dev rf0 egress prio 1")
    # Its going is noticed, and silence made good.
    wait_for(lambda: probe("voice 0") == [SILENT, 0], 5, "silence")
    assert probe.changes[-1] == [0, SILENT, 0]
    # What passed before that is counted neither as silence nor as a breach.
    before = air.sent()[0]
    assert probe("emitted 0") == [0, 0]
    # A breach is seen, though the rule is there: a queue is bypassed.
    run(*air.ship, "/usr/bin/python3", "-c", BYPASS)
    wait_for(lambda: air.sent()[0] == before + 1, 5, "the breach")
    assert probe("emitted 0") == [0, 1]
    # Ours comes first among filters of the same priority, and others stay.
    assert probe("silence 0 off") == 0
    air.tc("filter add dev rf0 egress prio 1 handle 7 bpf da bytecode "
           "1,6 0 0 0")
    assert probe("silence 0 on") == 0
    before = air.sent()
    air.provoke()
    assert air.sent() == before
    # Also when they come later.
    air.tc("filter add dev rf0 egress prio 1 handle 8 bpf da bytecode "
           "1,6 0 0 0")
    wait_for(lambda: probe("counters 0")[2] == 1, 5, "the first place")
    before = air.sent()
    air.provoke()
    assert air.sent() == before and probe("voice 0") == [SILENT, 0]
    assert probe("silence 0 off") == 0
    assert "0x7" in air.rules() and "0x4d554c45" not in air.rules()
    probe.end()


def test_of_bearers_on_one_interface_the_silent_one_wins(air):
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} silent") == 0
    assert probe(f"open 1 {SHIP} {POOL}") == 0
    assert probe("voice 1") == [MUTED, EBUSY]
    assert probe(f"send 1 {POOL} x") == ENETDOWN
    assert probe("silence 1 on") == 0
    assert probe("silence 0 off") == EBUSY
    assert probe("voice 0") == [MUTED, EBUSY]
    air.hears(probe, "one", POOL, 2763, 1)
    air.provoke()
    assert air.sent() == [0, 0, 0]
    seen = air.capture("igmp")
    assert probe("silence 1 off") == 0
    assert probe("voice 0") == [SPEAKS, 0]
    assert probe(f"send 0 {FLEET} x") == 0
    time.sleep(0.3)
    text = seen()
    assert joined(text, FLEET) and joined(text, POOL)
    probe.end()


def test_interfaces_that_others_need_are_told_apart(air):
    probe = air.probe()
    dedicated, doubtful, cuts_service = range(3)
    assert probe("shared rf0 10.99.0.1") == dedicated
    assert probe(f"shared rf0 {SHIP}") == cuts_service
    run(*air.ship, "ip", "route", "add", "default", "via", SHORE)
    assert probe("shared rf0 10.99.0.1") == doubtful
    assert probe("shared lo 10.99.0.1") == dedicated
    run(*air.ship, "ip", "route", "del", "default")
    run(*air.ship, "ip", "link", "add", "br0", "type", "bridge")
    assert probe("shared br0 10.99.0.1") == dedicated
    run(*air.ship, "ip", "link", "set", "rf0", "master", "br0")
    assert probe("shared br0 10.99.0.1") == doubtful
    assert probe("shared rf0 10.99.0.1") == dedicated
    # A silent loopback would silence the whole machine.
    assert probe(f"open 0 127.0.0.1 {FLEET} silent") == EINVAL
    assert probe(f"open 0 lo {FLEET}") == 0
    assert probe("silence 0 on") == EINVAL
    assert probe("voice 0") == [QUIET, EINVAL]
    assert "filter" not in run(*air.ship, "tc", "filter", "show", "dev", "lo",
                               "egress", check=False)
    probe.end()


def test_a_full_queue_and_a_closed_port_are_noticed(air):
    air.tc("qdisc add dev rf0 root tbf rate 9600bit burst 600 limit 1200")
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET}") == 0
    answers = [probe(f"send 0 {FLEET} {'x' * 400}") for _ in range(6)]
    assert answers[0] == 0 and answers[-1] == -11
    wait_for(lambda: probe.writable, 5, "room")
    wait_for(lambda: probe(f"send 0 {FLEET} y") == 0, 5, "room")
    assert probe("counters 0")[1] > 0
    air.tc("qdisc del dev rf0 root")
    # In a deep queue of somebody's, we have a PDU or two.
    air.tc("qdisc add dev rf0 root tbf rate 2400bit burst 600 limit 100000")
    answers = [probe(f"send 0 {FLEET} {'x' * 400}") for _ in range(20)]
    assert 1 <= answers.count(0) <= 10 and answers[-1] == -11
    air.tc("qdisc del dev rf0 root")
    # Nobody listens on APORT there; the next datagram must not pay for it.
    for n in range(3):
        assert probe(f"send 0 {SHORE} ack{n}") == 0
        wait_for(lambda n=n: probe("counters 0")[0] > n, 5, "unreachable")
    assert probe.both(f"send 0 {SHORE} ack", f"send 0 {FLEET} x") == [0, 0]
    air.hears(probe, "one", SHIP, 2754)
    probe.end()


def test_dynamic_groups_come_and_go(air):
    probe = air.probe()
    assert probe(f"open 0 rf0 {FLEET} gg={GG}") == 0
    for n in range(3):
        assert probe(f"join 0 {POOL}") == 0
        assert probe(f"join 0 {POOL}") == 0
        air.hears(probe, f"in{n}", POOL)
        air.hears(probe, f"discard{n}", POOL, 2754)
        assert probe(f"leave 0 {POOL}") == 0
        air.say(f"out{n}", POOL)
        air.hears(probe, f"still{n}")
        assert (0, f"out{n}") not in probe.heard
    # Groups of the configuration stay.
    assert probe(f"leave 0 {FLEET}") == 0
    assert probe(f"leave 0 {GG}") == 0
    air.hears(probe, "announce", GG, 2752)
    air.hears(probe, "fleet")
    for n in range(64):
        assert probe(f"join 0 239.142.1.{n}") == 0
    assert probe("join 0 239.142.2.1") == -28
    assert probe("leave 0 239.142.1.7") == 0
    assert probe("join 0 239.142.2.1") == 0
    air.hears(probe, "last", "239.142.2.1")
    probe.end()


def test_a_rule_set_before_the_interface_is_up_silences_ipv6_too():
    with Net(["shore", "ship"], ipv6=False) as net:
        air = Air(net)
        run(*air.ship, "ip", "link", "set", "rf0", "down")
        run(*air.ship, "sysctl", "-qw", "net.ipv6.conf.rf0.disable_ipv6=0")
        air.tc("qdisc add dev rf0 clsact")
        air.tc(RULE)
        run(*air.ship, "ip", "link", "set", "rf0", "up")
        probe = air.probe()
        assert probe(f"open 0 rf0 {FLEET} silent") == 0
        air.hears(probe, "one")
        time.sleep(2)
        air.provoke()
        assert "inet6 fe80" in run(*air.ship, "ip", "addr", "show", "rf0")
        assert air.sent() == [0, 0, 0]
        # Without it, all of that would have spoken.
        assert probe("silence 0 off") == 0
        run(*air.ship, "ip", "link", "set", "rf0", "down")
        run(*air.ship, "ip", "link", "set", "rf0", "up")
        wait_for(lambda: air.sent()[0] > 0, 5, "IPv6")
        probe.end()
