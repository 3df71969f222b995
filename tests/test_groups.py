"""Which multicast group a message goes to, and what is said about it."""
import subprocess

import oracle
from muleteer import Fleet, crlf, strip_trace, wait_for
from netns import Net
from test_netns import SINK, SUBMIT, gateway, start

TEXT = crlf(b"From: ops@shore.example.mil\nSubject: groups\n\nText.\n")
POOL = "239.142.7."
DYNAMIC = ("    dynamic_groups: {first: 239.142.7.1, last: 239.142.7.9}\n"
           "    wait_for_reject_time: 300ms\n    announce_delay: 300ms\n")
ANNOUNCE, REQUEST, REJECT, RELEASE = 4, 5, 6, 7


def regroup(gateway, groups, more=""):
    """Other static groups, {name: (last octet, members)}."""
    with open(gateway.config, encoding="utf-8") as f:
        lines = f.read().splitlines(keepends=True)
    at = lines.index("    groups:\n")
    new = [f"      - {{name: {n}, address: 239.142.0.{octet}, members: "
           f"[{', '.join(members)}]}}\n"
           for n, (octet, members) in groups.items()]
    lines[at:at + 2] = [more, "    groups:\n"] + new
    with open(gateway.config, "w", encoding="utf-8") as f:
        f.write("".join(lines))


def sendings(gateway):
    """(group, nodes) of every transmission, sorted."""
    out = []
    for line in gateway.events("mule.sending"):
        fields = dict(f.split("=", 1) for f in line.split() if "=" in f)
        octets = bytes.fromhex(fields["group"])
        out.append((".".join(map(str, octets)), int(fields["nodes"])))
    return sorted(out)


def memberships(net, name):
    return subprocess.run(
        net.prefix(name) + ["ip", "maddr", "show", "dev", "rf0"], check=True,
        stdout=subprocess.PIPE, text=True).stdout


def test_mail_crosses_over_a_dynamic_group_of_its_own(tmp_path):
    names = ["shore", "ship1", "ship2"]
    pcap = str(tmp_path / "air.pcap")
    with Net(names) as net:
        capture = start_capture(net, pcap)
        sinks = [start(net, n, SINK, "x", str(tmp_path / n),
                       stdout=subprocess.PIPE) for n in names[1:]]
        for s in sinks:
            assert s.stdout.readline() == b"ready\n"
        gateways = [gateway(net, str(tmp_path), n) for n in names]
        # No static group has both ships; only shore takes dynamic ones.
        for g in gateways:
            regroup(g, {"one": (1, ["shore", "ship1"]),
                        "two": (2, ["shore", "ship2"])},
                    DYNAMIC if g is gateways[0] else "")
            g.start()
        start(net, "shore", SUBMIT, str(gateways[0].port),
              "a@ship1.example.mil,a@ship2.example.mil",
              stdin=subprocess.PIPE).communicate(TEXT, timeout=30)
        for n in names[1:]:
            out = tmp_path / f"{n}.0"
            wait_for(out.exists, 60, f"delivery on {n}")
            wait_for(lambda p=out: strip_trace(p.read_bytes()) == TEXT, 5,
                     "the content as sent")
        wait_for(lambda: gateways[0].status()["queue"]["messages"] == 0, 30,
                 "acknowledgements")
        for n in names[1:]:
            wait_for(lambda n=n: POOL not in memberships(net, n), 10,
                     f"{n} leaves the group")
        (link,) = gateways[0].status()["links"]
        assert link["counters"]["requests_out"] == 1
        assert link["counters"]["releases_out"] == 1
        assert sendings(gateways[0]) == [("0.0.0.0", 2)]
        assert not [e for g in gateways for e in g.events("link.join")]
        for g in gateways:
            assert g.stop() == 0
        capture.terminate()
        capture.wait()
        for s in sinks:
            s.kill()
            s.wait()
    judge(pcap)


def start_capture(net, pcap):
    capture = subprocess.Popen(
        ["ip", "netns", "exec", net.air, "tcpdump", "-i", "br0", "-U",
         "--immediate-mode", "-Z", "root", "-w", pcap, "udp"],
        stderr=subprocess.PIPE)
    assert b"listening" in capture.stderr.readline()
    return capture


def judge(pcap):
    """What tshark saw: the PDUs of 3.8 in their order, on their ports."""
    assert oracle.complaints(pcap) == []
    rows = [(int(kind, 0), dst, int(port)) for kind, dst, port in
            oracle.fields(pcap, "p_mul.pdu_type", "ip.dst", "udp.dstport")]
    kinds = [kind for kind, _, _ in rows]
    assert kinds.count(REQUEST) == kinds.count(RELEASE) == 1
    assert kinds.count(ANNOUNCE) == 3
    assert REJECT not in kinds
    # Acks of the ships may be among those at the end.
    assert kinds[:4] == [REQUEST] + 3 * [ANNOUNCE]
    assert rows[0][1:] == ("239.1.1.1", 2751)
    assert all(r[1:] == ("239.1.1.1", 2752) for r in rows[1:4])
    (release,) = [r for r in rows if r[0] == RELEASE]
    assert release[1:] == ("239.1.1.1", 2751)
    data = {dst for _, dst, port in rows if port == 2753}
    assert len(data) == 1 and data.pop().startswith(POOL)


def grouped(groups, more=""):
    fleet = Fleet(3)
    for g in fleet.gateways.values():
        regroup(g, groups, more)
    return fleet


ALL = ["shore", "ship1", "ship2", "ship3"]


def deliver(fleet, ships):
    before = {n: fleet.sinks[n].count() for n in ships}
    fleet["shore"].submit("ops@shore.example.mil",
                          [f"a@{n}.example.mil" for n in ships], TEXT)
    for n in ships:
        fleet.sinks[n].wait(before[n] + 1, 30)
    wait_for(lambda: fleet["shore"].status()["queue"]["messages"] == 0, 30,
             "acknowledgements")


def test_the_smallest_static_group_that_covers_is_taken():
    with grouped({"all": (1, ALL), "pair": (2, ALL[:3]),
                  "one": (3, ALL[:2])}, DYNAMIC) as fleet:
        shore = fleet["shore"]
        deliver(fleet, ["ship1"])
        deliver(fleet, ["ship1", "ship2"])
        deliver(fleet, ["ship2", "ship3"])
        assert sendings(shore) == [("239.142.0.1", 2), ("239.142.0.2", 2),
                                   ("239.142.0.3", 1)]
        # Dynamic groups are not for what a static one covers.
        (link,) = shore.status()["links"]
        assert link["counters"]["requests_out"] == 0


def test_without_one_that_covers_all_it_is_split_over_as_few_as_it_takes():
    with grouped({"pair": (1, ALL[:3]), "one": (2, ALL[:2]),
                  "third": (3, ["shore", "ship3"])}) as fleet:
        deliver(fleet, ["ship1", "ship2", "ship3"])
        assert sendings(fleet["shore"]) == [("239.142.0.1", 2),
                                            ("239.142.0.3", 1)]
        for n in ALL[1:]:
            assert fleet.sinks[n].count() == 1


def test_a_message_on_a_dynamic_group_survives_a_restart():
    """Killed with the message on its group: the next life asks for a group
    and announces it before it goes on."""
    with grouped({"pair": (1, ALL[:3]), "third": (2, ["shore", "ship3"])},
                 DYNAMIC) as fleet:
        shore = fleet["shore"]
        fleet["ship3"].stop()
        shore.submit("ops@shore.example.mil",
                     [f"a@{n}.example.mil" for n in ALL[1:]], TEXT)
        for n in ALL[1:3]:
            fleet.sinks[n].wait(1, 30)
        wait_for(lambda: len(shore.events("mule.acked")) >= 2 or
                 len(shore.events("mule.relayed")) >= 2, 30, "two Acks")
        shore.kill()
        fleet["ship3"].start()
        shore.start()
        fleet.sinks["ship3"].wait(1, 30)
        wait_for(lambda: shore.status()["queue"]["messages"] == 0, 30,
                 "acknowledgements")
        (link,) = shore.status()["links"]
        assert link["counters"]["requests_out"] == 1
        assert [fleet.sinks[n].count() for n in ALL[1:]] == [1, 1, 1]
