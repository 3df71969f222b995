"""Real multicast between network namespaces, with tshark as the judge."""
import os
import subprocess
import time

import pytest

import oracle
from muleteer import Gateway, crlf, strip_trace, wait_for
from netns import Net, run

SINK = """
import asyncio, sys
from aiosmtpd.smtp import SMTP
class Handler:
    n = 0
    async def handle_DATA(self, server, session, envelope):
        with open(f"{sys.argv[2]}.{Handler.n}", "wb") as f:
            f.write(envelope.original_content)
        Handler.n += 1
        return "250 2.0.0 kept"
async def main():
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: SMTP(Handler()), "127.0.0.1", 2525)
    print("ready", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""

SUBMIT = """
import smtplib, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as s:
    s.sendmail("ops@shore.example.mil", sys.argv[2].split(","),
               sys.stdin.buffer.read(), ["BODY=8BITMIME"])
"""

LINK = ("ack_delay_upper_bound: 50ms\nack_retransmission_time: 400ms\n"
        "ack_pdu_time: 1s\nbit_rate: 10000000\npdu_max: 400\n")


def gateway(net, directory, name):
    routes = [f'domain: {name}.example.mil, via: smtp, host: '
              '"127.0.0.1:2525"']
    routes += [f"domain: {m}.example.mil, via: mule, node: {m}"
               for m in net.names if m != name]
    return Gateway(directory, name, net.address[name], net.address, 0, routes,
                   LINK, prefix=net.prefix(name),
                   bearer=f"bearer: udp, interface: {net.address[name]}")


def start(net, name, code, *args, **kw):
    return subprocess.Popen(net.prefix(name) + ["/usr/bin/python3", "-c",
                                                code, *args], **kw)


@pytest.mark.parametrize("ships,loss", [(1, 0), (2, 0), (2, 15)])
def test_tshark_finds_nothing_wrong(tmp_path, ships, loss):
    names = ["shore"] + [f"ship{i + 1}" for i in range(ships)]
    pcap = str(tmp_path / "air.pcap")
    lines = "".join(os.urandom(30).hex() + " £\n" for _ in range(150))
    content = crlf(("From: ops@shore.example.mil\nSubject: Grüße\n\n"
                    + lines).encode())
    with Net(names) as net:
        capture = subprocess.Popen(
            ["ip", "netns", "exec", net.air, "tcpdump", "-i", "br0", "-U",
             "--immediate-mode", "-Z", "root",
             "-w", pcap, "udp"], stderr=subprocess.PIPE)
        assert b"listening" in capture.stderr.readline()
        sinks = [start(net, n, SINK, "x", str(tmp_path / n),
                       stdout=subprocess.PIPE) for n in names[1:]]
        for s in sinks:
            assert s.stdout.readline() == b"ready\n"
        gateways = [gateway(net, str(tmp_path), n).start() for n in names]
        for n in names[1:]:
            if loss:
                net.lose(n, loss)
        to = ",".join(f"a@{n}.example.mil" for n in names[1:])
        start(net, "shore", SUBMIT, str(gateways[0].port), to,
              stdin=subprocess.PIPE).communicate(content, timeout=30)
        for n in names[1:]:
            out = tmp_path / f"{n}.0"
            wait_for(out.exists, 60, f"delivery on {n}")
            wait_for(lambda p=out: strip_trace(p.read_bytes()) == content, 5,
                     "the content as sent")
        wait_for(lambda: gateways[0].status()["queue"]["messages"] == 0, 30,
                 "acknowledgements")
        for g in gateways:
            assert g.stop() == 0
        capture.terminate()
        capture.wait()
        for s in sinks:
            s.kill()
            s.wait()
    check(pcap, content, ships)


def transmitted(net, name):
    return run(*net.prefix(name), "cat",
               "/sys/class/net/rf0/statistics/tx_packets").strip()


def test_gateway_in_emcon_transmits_not_one_frame(tmp_path):
    def send(subject):
        start(net, "shore", SUBMIT, str(shore.port), "a@ship1.example.mil",
              stdin=subprocess.PIPE).communicate(
                  b"Subject: %s\r\n\r\nx\r\n" % subject, timeout=30)

    with Net(["shore", "ship1"], ipv6=False) as net:
        sink = start(net, "ship1", SINK, "x", str(tmp_path / "ship1"),
                     stdout=subprocess.PIPE)
        assert sink.stdout.readline() == b"ready\n"
        run("ip", "-n", net.ns("shore"), "route", "add", "default", "dev",
            "rf0")
        shore, ship = [gateway(net, str(tmp_path), n).start()
                       for n in net.names]
        send(b"before")
        wait_for((tmp_path / "ship1.0").exists, 30, "delivery")
        wait_for(lambda: shore.events("mule.relayed"), 30, "its Ack")
        (link,) = ship.ask(cmd="emcon.set", link="hf1", on=True)["links"]
        assert link["voice"] == "silent"
        before = transmitted(net, "ship1")
        send(b"in silence")
        wait_for((tmp_path / "ship1.1").exists, 30, "delivery")
        for end in (ship.stop, ship.kill):
            end()
            ship.start()
            run(*net.prefix("shore"), "ping", "-c1", "-W1",
                net.address["ship1"], check=False)
        assert transmitted(net, "ship1") == before
        assert len(shore.events("mule.relayed")) == 1
        (link,) = ship.ask(cmd="emcon.set", link="hf1", on=False)["links"]
        assert link["voice"] == "speaks"
        wait_for(lambda: len(shore.events("mule.relayed")) == 2, 30,
                 "the Ack")
        # Who would lose more than the radio is told so.
        assert "the default route" in shore.events("link.shared")[0]
        assert ship.events("link.shared") == []
        assert [g.stop() for g in (shore, ship)] == [0, 0]
        sink.kill()
        sink.wait()


def test_silence_of_one_link_is_that_of_its_interface(tmp_path):
    """Two links on one interface: the second keeps its PDUs for later."""
    def link(name):
        links = ship.ask(cmd="status")["links"]
        return [x for x in links if x["name"] == name][0]

    def out():
        return link("hf2")["counters"]["pdus_out"]

    with Net(["shore", "ship1"], ipv6=False) as net:
        ship = gateway(net, str(tmp_path), "ship1")
        with open(ship.config, encoding="utf-8") as f:
            head, rest = f.read().split("links:\n")
        first, routes = rest.split("routes:\n")
        second = first.replace("hf1", "hf2").replace(
            "239.142.0.1", "239.142.0.2").replace("bit_rate:", (
                "tport: 3750\n    rport: 3751\n    dport: 3752\n    "
                "aport: 3753\n    bit_rate:"))
        with open(ship.config, "w", encoding="utf-8") as f:
            f.write(head + "links:\n" + first + second + "routes:\n"
                    + routes.replace("node: shore", "node: shore, link: hf2"))
        ship.start()
        ship.ask(cmd="emcon.set", link="hf1", on=True)
        assert link("hf1")["emcon"]["voice"] == "silent"
        assert link("hf2")["emcon"]["voice"] == "muted"
        start(net, "ship1", SUBMIT, str(ship.port), "ops@shore.example.mil",
              stdin=subprocess.PIPE).communicate(b"Subject: x\r\n\r\n",
                                                 timeout=30)
        wait_for(lambda: ship.events("mule.sending"), 30, "its turn")
        time.sleep(0.5)
        assert out() == 0
        for end in (ship.stop, ship.kill):
            end()
            ship.start()
            wait_for(lambda: ship.events("link.muted"), 30, "the warning")
            assert link("hf2")["emcon"]["voice"] == "muted"
            assert out() == 0
        ship.ask(cmd="emcon.set", link="hf1", on=False)
        assert link("hf2")["emcon"]["voice"] == "speaks"
        wait_for(lambda: out() > 0, 30, "the first PDU")
        assert ship.stop() == 0


def check(pcap, content, ships):
    assert oracle.complaints(pcap) == []
    rows = oracle.fields(pcap, "p_mul.pdu_type", "p_mul.checksum_good",
                         "cdt.contentType_ShortForm")
    kinds = [int(r[0], 0) for r in rows]
    assert kinds.count(0) > 10 and kinds.count(1) >= ships
    assert all(r[1] in ("1", "True") for r in rows)
    assert {r[2] for r in rows if r[2]} == {"25"}
    carried = oracle.payloads(pcap)
    assert carried, "tshark reassembled nothing"
    envelope, _, sent = carried[0].partition(b"\r\n\r\n")
    assert strip_trace(sent) == content
    lines = envelope.split(b"\r\n")
    assert lines[0].startswith(b"<ops@shore.example.mil>")
    assert len(lines) == 1 + ships
