"""Three networks in a row, A - B - C - D: a report comes back the whole way,
and one hop of it lies under radio silence."""
import dsn_check
from chain import Chain
from muleteer import crlf, strip_trace, wait_for
from test_dsn import refuse

NAMES = ["a", "b", "c", "d"]
SENDER = "ops@a.example.mil"
TEXT = crlf(b"From: ops@a.example.mil\nSubject: far away\n\nText.\n")


def make(directory):
    return Chain(directory, NAMES, "emcon_rtc: 1\nemcon_rti: 300ms\n")


def emcon(chain, name, on, node=None):
    more = {"node": node} if node else {}
    chain.gateways[name].ask(cmd="emcon.set", link="bc", on=on, **more)


def hops(content):
    return content.split(b"\r\n\r\n")[0].lower().count(b"via acp142")


def test_mail_and_its_report_cross_three_networks(tmp_path):
    with make(tmp_path) as chain:
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
    with make(tmp_path) as chain:
        refuse(chain.sinks["d"], "bob")
        b, c = chain.gateways["b"], chain.gateways["c"]
        emcon(chain, "b", True, "c")
        emcon(chain, "c", True)
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
        emcon(chain, "c", False)
        (_, rcpts, content, _), = chain.sinks["a"].wait(1, 30)
        assert rcpts == [SENDER] and hops(content) == 3
        (bob,) = dsn_check.check(content).recipients
        assert bob["Final-Recipient"] == "rfc822; bob@d.example.mil"
        for g in chain.gateways.values():
            wait_for(lambda g=g: g.status()["queue"]["messages"] == 0, 30,
                     f"{g.name} has nothing left")
        assert chain.sinks["d"].count() == 1
