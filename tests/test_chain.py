"""Three networks in a row, A - B - C - D: a report comes back the whole way,
and one hop of it lies under radio silence."""
import dsn_check
from muleteer import Channel, Fleet, Gateway, Sink, crlf, strip_trace, wait_for
from test_dsn import refuse

NAMES = ["a", "b", "c", "d"]
NODES = {n: f"10.142.0.{i + 1}" for i, n in enumerate(NAMES)}
SENDER = "ops@a.example.mil"
TEXT = crlf(b"From: ops@a.example.mil\nSubject: far away\n\nText.\n")


class Chain:
    """a-b, b-c and c-d have a channel each; a sink is behind every node."""

    def __init__(self, directory):
        self.channels = {}
        for left, right in zip(NAMES, NAMES[1:]):
            d = directory / (left + right)
            d.mkdir()
            self.channels[left + right] = Channel(str(d))
        self.sinks = {n: Sink() for n in NAMES}
        self.gateways = {n: self.gateway(str(directory), n) for n in NAMES}

    def gateway(self, directory, name):
        i = NAMES.index(name)
        nearby = [n for n in NAMES[max(i - 1, 0):i + 2] if n != name]
        g = Gateway(directory, name, NODES[name],
                    {n: NODES[n] for n in [name] + nearby}, 1, [])
        with open(g.config, encoding="utf-8") as f:
            text = f.read()
        text = text[:text.index("links:\n")] + "links:\n" + "".join(
            self.link(name, n) for n in nearby) + "routes:\n"
        text += (f"  - {{domain: {name}.example.mil, via: smtp, "
                 f'host: "127.0.0.1:{self.sinks[name].port}"}}\n')
        for n in NAMES:
            if n != name:
                towards = NAMES[i + (1 if NAMES.index(n) > i else -1)]
                text += (f"  - {{domain: {n}.example.mil, via: mule, "
                         f"node: {towards}}}\n")
        with open(g.config, "w", encoding="utf-8") as f:
            f.write(text)
        return g

    def link(self, name, other):
        pair = "".join(sorted([name, other]))
        return (f"  - name: {pair}\n    bearer: emulated\n"
                f'    hub: "127.0.0.1:{self.channels[pair].port}"\n'
                + "".join(f"    {s}\n" for s in Fleet.FAST.splitlines())
                + "    emcon_rtc: 1\n    emcon_rti: 300ms\n"
                + f"    groups:\n      - {{name: {pair}, address: "
                  f"239.142.0.{NAMES.index(pair[0]) + 1}, "
                  f"members: [{pair[0]}, {pair[1]}]}}\n")

    def emcon(self, name, on, node=None):
        more = {"node": node} if node else {}
        self.gateways[name].ask(cmd="emcon.set", link="bc", on=on, **more)

    def __enter__(self):
        for part in (self.channels, self.sinks, self.gateways):
            for p in part.values():
                p.start()
        return self

    def __exit__(self, kind, *_):
        codes = [g.stop() for g in self.gateways.values()]
        for p in (*self.channels.values(), *self.sinks.values()):
            p.stop()
        assert kind is not None or codes == [0] * len(codes)


def hops(content):
    return content.split(b"\r\n\r\n")[0].lower().count(b"via acp142")


def test_mail_and_its_report_cross_three_networks(tmp_path):
    with Chain(tmp_path) as chain:
        refuse(chain.sinks["d"], "bob")
        chain.gateways["a"].submit(
            SENDER, ["bob@d.example.mil", "eve@d.example.mil",
                     "tom@b.example.mil"], TEXT,
            ["ENVID=Q1", "RET=HDRS"], ["NOTIFY=FAILURE"])
        (_, rcpts, content, _), = chain.sinks["d"].wait(1, 30)
        assert rcpts == ["eve@d.example.mil"]
        assert strip_trace(content) == TEXT and hops(content) == 3
        (_, rcpts, content, _), = chain.sinks["b"].wait(1, 30)
        assert rcpts == ["tom@b.example.mil"] and hops(content) == 1
        (_, rcpts, content, _), = chain.sinks["a"].wait(1, 30)
        assert rcpts == [SENDER] and hops(content) == 3
        report = dsn_check.check(content)
        (bob,) = report.recipients
        assert report.message["Reporting-MTA"] == "dns; d.example.mil"
        assert report.message["Original-Envelope-Id"] == "Q1"
        assert (bob["Action"], bob["Status"]) == ("failed", "5.1.1")
        # Only the node that answers for bob has said anything.
        for n in NAMES:
            made = len(chain.gateways[n].events("notify.sent"))
            assert made == (1 if n == "d" else 0), n


def test_a_silent_relay_passes_on_and_answers_afterwards(tmp_path):
    with Chain(tmp_path) as chain:
        refuse(chain.sinks["d"], "bob")
        b, c = chain.gateways["b"], chain.gateways["c"]
        chain.emcon("b", True, "c")
        chain.emcon("c", True)
        chain.gateways["a"].submit(
            SENDER, ["bob@d.example.mil", "eve@d.example.mil"], TEXT)
        # c hears b and says nothing to it; towards d it may speak.
        (_, rcpts, content, _), = chain.sinks["d"].wait(1, 30)
        assert rcpts == ["eve@d.example.mil"] and hops(content) == 3
        wait_for(lambda: len(c.events("mule.received")) == 2, 30,
                 "the report at c")
        assert chain.sinks["a"].count() == 0
        assert b.status()["queue"]["messages"] == 1  # not acknowledged
        # The report waits; the message itself is done with.
        wait_for(lambda: c.status()["queue"]["messages"] == 1, 30, "c")
        # A restart in between forgets nothing of it.
        c.kill()
        c.start()
        assert c.status()["queue"]["messages"] == 1
        chain.emcon("c", False)
        (_, rcpts, content, _), = chain.sinks["a"].wait(1, 30)
        assert rcpts == [SENDER] and hops(content) == 3
        (bob,) = dsn_check.check(content).recipients
        assert bob["Final-Recipient"] == "rfc822; bob@d.example.mil"
        for g in chain.gateways.values():
            wait_for(lambda g=g: g.status()["queue"]["messages"] == 0, 30,
                     f"{g.name} has nothing left")
        assert chain.sinks["d"].count() == 1
