"""A node between two radio networks: mail in by one, out by the other."""
from muleteer import (Channel, Fleet, Gateway, Sink, crlf, strip_trace,
                      wait_for)

TEXT = crlf(b"From: ops@shore.example.mil\nSubject: relayed\n\nText.\n")
NODES = {"shore": "10.142.0.1", "relay": "10.142.0.2",
         "ship": "10.142.0.3", "boat": "10.142.0.4"}
FAST = ("ack_delay_upper_bound: 20ms\nack_retransmission_time: 150ms\n"
        "ack_pdu_time: 400ms\nbit_rate: 100000000\n")


def mule(name, node):
    return f"domain: {name}.example.mil, via: mule, node: {node}"


def second_link(gateway, hub, group, members):
    """Give a gateway another link, on a channel of its own."""
    with open(gateway.config, encoding="utf-8") as f:
        text = f.read()
    link = (f'  - name: hf2\n    bearer: emulated\n'
            f'    hub: "127.0.0.1:{hub}"\n'
            + "".join(f"    {line}\n" for line in FAST.splitlines())
            + f"    groups:\n      - {{name: {group}, address: 239.142.0.2, "
              f"members: [{members}]}}\n")
    before, after = text.split("routes:\n")
    with open(gateway.config, "w", encoding="utf-8") as f:
        f.write(before + link + "routes:\n" + after)


def only(names):
    return {n: NODES[n] for n in names}


class Network:
    """shore and relay on one channel; relay, ship and boat on the other."""

    def __init__(self, directory):
        dirs = [directory / "one", directory / "two"]
        for d in dirs:
            d.mkdir()
        self.channels = [Channel(str(d)) for d in dirs]
        one, two = (c.port for c in self.channels)
        self.sinks = {n: Sink() for n in NODES}
        own = {n: f'domain: {n}.example.mil, via: smtp, host: '
                  f'"127.0.0.1:{s.port}"' for n, s in self.sinks.items()}
        make = {
            "shore": (only(["shore", "relay"]), one,
                      [own["shore"], mule("relay", "relay"),
                       mule("ship", "relay"), mule("boat", "relay")]),
            "relay": (only(["shore", "relay"]), one,
                      [own["relay"], mule("shore", "shore"),
                       mule("ship", "ship"), mule("boat", "boat")]),
            "ship": (only(["relay", "ship", "boat"]), two,
                     [own["ship"], mule("boat", "boat"),
                      mule("shore", "relay")]),
            "boat": (only(["relay", "ship", "boat"]), two,
                     [own["boat"], mule("ship", "ship"),
                      mule("shore", "relay")]),
        }
        self.gateways = {}
        for name, (nodes, hub, routes) in make.items():
            self.gateways[name] = Gateway(str(directory), name, NODES[name],
                                          nodes, hub, routes, FAST)
        self.add_far_nodes()
        second_link(self.gateways["relay"], two, "far", "ship, boat")

    def add_far_nodes(self):
        gateway = self.gateways["relay"]
        with open(gateway.config, encoding="utf-8") as f:
            text = f.read()
        more = "".join(f"  - {{name: {n}, id: {NODES[n]}}}\n"
                       for n in ("ship", "boat"))
        with open(gateway.config, "w", encoding="utf-8") as f:
            f.write(text.replace("links:\n", more + "links:\n"))

    def __enter__(self):
        for part in (self.channels, self.sinks.values(),
                     self.gateways.values()):
            for p in part:
                p.start()
        return self

    def __exit__(self, *_):
        codes = [g.stop() for g in self.gateways.values()]
        for c in self.channels:
            c.stop()
        for s in self.sinks.values():
            s.stop()
        assert codes == [0] * len(codes)


def test_a_relay_carries_mail_from_one_network_into_the_other(tmp_path):
    with Network(tmp_path) as net:
        net.gateways["shore"].submit(
            "ops@shore.example.mil",
            [f"a@{n}.example.mil" for n in ("relay", "ship", "boat")],
            TEXT, ["RET=HDRS", "ENVID=Q7"], ["NOTIFY=FAILURE"])
        for name in ("relay", "ship", "boat"):
            (sender, rcpts, content, _), = net.sinks[name].wait(1, 30)
            assert sender == "ops@shore.example.mil"
            assert rcpts == [f"a@{name}.example.mil"]
            assert strip_trace(content) == TEXT
            hops = content.lower().count(b"via acp142")
            assert hops == (1 if name == "relay" else 2)
        # One payload per network: the second names only its own recipients.
        sent = net.gateways["relay"].events("mule.sending")
        assert len(sent) == 1 and "nodes=2 " in sent[0]
        assert "link=hf2" in sent[0]
        net.gateways["ship"].submit("a@ship.example.mil",
                                    ["ops@shore.example.mil"], TEXT)
        (_, _, content, _), = net.sinks["shore"].wait(1, 30)
        assert strip_trace(content) == TEXT


def test_mail_never_goes_back_into_the_network_it_came_from(tmp_path):
    """relay gets a payload that names a recipient of boat's as well: boat is
    responsible for that one, and relay says nothing about it."""
    with Network(tmp_path) as net:
        net.gateways["ship"].submit(
            "a@ship.example.mil",
            ["a@boat.example.mil", "ops@shore.example.mil"], TEXT)
        net.sinks["boat"].wait(1, 30)
        net.sinks["shore"].wait(1, 30)
        relay = net.gateways["relay"]
        wait_for(lambda: relay.status()["queue"]["messages"] == 0, 30,
                 "relay is done")
        sent = relay.events("mule.sending")
        assert len(sent) == 1 and "link=hf1" in sent[0]
        assert "recipients=1 " in relay.events("mule.received")[0]
        assert not relay.events("notify.sent")
        assert net.sinks["boat"].count() == 1


def test_a_recipient_who_had_it_before_does_not_get_it_again():
    with Fleet(1) as fleet:
        fleet["shore"].submit(
            "ops@shore.example.mil",
            ["a@ship1.example.mil", "b@ship1.example.mil"],
            b"Delivered-To: B@ship1.example.mil\r\n" + TEXT)
        (_, rcpts, _, _), = fleet.sinks["ship1"].wait(1, 30)
        assert rcpts == ["a@ship1.example.mil"]
        (_, _, report, _), = fleet.sinks["shore"].wait(1, 30)
        assert b"Status: 5.4.6" in report
        assert b"b@ship1.example.mil" in report


def test_mail_that_goes_round_in_circles_goes_back_to_its_sender():
    fleet = Fleet(1)
    ship = fleet["ship1"]
    with open(ship.config, encoding="utf-8") as f:
        text = f.read()
    with open(ship.config, "w", encoding="utf-8") as f:
        f.write(text.replace("smtp:\n", "smtp:\n  max_hops: 5\n"))
    with fleet:
        trace = b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        fleet["shore"].submit("ops@shore.example.mil",
                              ["a@ship1.example.mil"], trace * 6 + TEXT)
        (_, rcpts, report, _), = fleet.sinks["shore"].wait(1, 30)
        assert rcpts == ["ops@shore.example.mil"]
        assert b"Status: 5.4.6" in report
        wait_for(lambda: ship.status()["queue"]["messages"] == 0, 30,
                 "nothing left")
        assert fleet.sinks["ship1"].count() == 0
