"""Extensions that travel by agreement only: RFC 8494, table 1."""
import smtplib

from aiosmtpd.controller import Controller

from muleteer import ExactSMTP, Fleet, Sink, crlf, strip_trace

UTF8 = crlf("From: ops@shore.example.mil\nSubject: Grüße\n\nä\n".encode())
AGREED = Fleet.FAST + "agreed: [SMTPUTF8, RRVS, SUBMITTER]\n"


class Utf8Sink(Sink):
    """A sink that takes SMTPUTF8."""

    def __init__(self):
        super().__init__()

        class Server(Controller):
            def factory(self):
                return ExactSMTP(self.handler, enable_SMTPUTF8=True)

        self.server = Server(self.server.handler, hostname="127.0.0.1",
                             port=self.port)


def hello(gateway):
    s = smtplib.SMTP("127.0.0.1", gateway.port, timeout=30)
    s.ehlo("client.example")
    return s


def line(s, text):
    """One command as it is; the code of its answer."""
    s.send(text.encode() + b"\r\n")
    return s.getreply()


def test_nothing_is_offered_without_an_agreement():
    with Fleet(1) as fleet, hello(fleet["shore"]) as s:
        for keyword in ("smtputf8", "rrvs", "submitter"):
            assert not s.has_extn(keyword)
        assert s.esmtp_features["limits"] == "RCPTMAX=1000"
        assert line(s, "MAIL FROM:<a@x.example> SMTPUTF8")[0] == 555


def test_an_address_that_is_not_ascii_crosses_where_it_is_agreed():
    fleet = Fleet(1, link=AGREED)
    sink = Utf8Sink()
    old = fleet.sinks["ship1"].port
    with open(fleet["ship1"].config, encoding="utf-8") as f:
        text = f.read()
    with open(fleet["ship1"].config, "w", encoding="utf-8") as f:
        f.write(text.replace(str(old), str(sink.port)))
    sink.start()
    try:
        with fleet, hello(fleet["shore"]) as s:
            assert s.has_extn("smtputf8")
            assert line(s, "MAIL FROM:<ops@shore.example.mil> SMTPUTF8 "
                           "BODY=8BITMIME")[0] == 250
            assert line(s, "RCPT TO:<brücke@ship1.example.mil> "
                           "NOTIFY=NEVER")[0] == 250
            assert s.data(UTF8)[0] == 250
            (_, rcpts, content, _), = sink.wait(1, 30)
            assert rcpts == ["brücke@ship1.example.mil"]
            assert strip_trace(content) == UTF8
            assert b"with UTF8SMTP id" in content
    finally:
        sink.stop()


def test_it_comes_back_where_the_last_server_does_not_take_it():
    with Fleet(1, link=AGREED) as fleet, hello(fleet["shore"]) as s:
        line(s, "MAIL FROM:<ops@shore.example.mil> SMTPUTF8 BODY=8BITMIME")
        assert line(s, "RCPT TO:<brücke@ship1.example.mil>")[0] == 250
        assert s.data(UTF8)[0] == 250
        (_, _, report, _), = fleet.sinks["shore"].wait(1, 30)
        assert b"Status: 5.6.7" in report
        assert fleet.sinks["ship1"].count() == 0


def test_each_network_has_its_own_agreement():
    fleet = Fleet(1, link=AGREED)
    shore = fleet["shore"]
    with open(shore.config, encoding="utf-8") as f:
        text = f.read()
    # A second link, without an agreement, to a node of its own.
    before, after = text.split("routes:\n")
    before = before.replace(
        "links:\n", "  - {name: far, id: 10.142.0.9}\nlinks:\n")
    before += ("  - name: hf2\n    bearer: emulated\n"
               f'    hub: "127.0.0.1:{fleet.channel.port}"\n    groups:\n'
               "      - {name: g, address: 239.142.0.9, members: [far]}\n")
    with open(shore.config, "w", encoding="utf-8") as f:
        f.write(before + "routes:\n  - {domain: far.example.mil, via: mule, "
                "node: far}\n" + after)
    with fleet, hello(shore) as s:
        line(s, "MAIL FROM:<ops@shore.example.mil> SMTPUTF8")
        assert line(s, "RCPT TO:<a@ship1.example.mil>")[0] == 250
        code, text = line(s, "RCPT TO:<a@far.example.mil>")
        assert (code, text[:5]) == (553, b"5.6.7")
        line(s, "RSET")
        line(s, "MAIL FROM:<ops@shore.example.mil>")
        when = "2014-04-03T23:01:00Z"
        assert line(s, f"RCPT TO:<a@far.example.mil> RRVS={when}")[0] == 550
        assert line(s, f"RCPT TO:<a@far.example.mil> RRVS={when};C")[0] == 250
        assert line(s, f"RCPT TO:<a@ship1.example.mil> RRVS={when}")[0] == 250
