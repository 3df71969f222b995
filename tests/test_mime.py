"""Content for servers that take less: converted so that a reader, Python's
email package, gets the same; or sent back."""
import email
import email.policy
import smtplib

import pytest

import dsn_check
from muleteer import Fleet, Sink, strip_trace, wait_for
from test_shapes import corpus

SENDER = "ops@shore.example.mil"


class Narrow(Sink):
    """A server that offers neither 8BITMIME nor CHUNKING; 7-bit or an error."""

    def __init__(self, port):
        super().__init__(port=port)
        factory = self.server.factory

        def narrow():
            server = factory()
            push = server.push

            async def without(status):
                if status != "250-8BITMIME":
                    await push(status)
            server.push = without
            return server
        self.server.factory = narrow


def narrow_fleet(**kwargs):
    """shore, and ship1 in front of a server of 1982."""
    fleet = Fleet(1, **kwargs)
    fleet.sinks["ship1"] = Narrow(fleet.sinks["ship1"].port)
    return fleet


def decoded(message):
    """What a reader gets to see: types, and content without its encoding."""
    if message.is_multipart():
        return (message.get_content_type(),
                [decoded(p) for p in message.get_payload()])
    payload = message.get_payload(decode=True)
    return (message.get_content_type(), message.get_content_charset(),
            message.get_filename(), payload)


def fields(message):
    return [(k, v) for k, v in message.items()
            if k.lower() != "content-transfer-encoding"]


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.compat32)


def is_seven_bit(content):
    return all(b < 128 and b != 0 for b in content) and all(
        len(line) <= 998 for line in content.split(b"\r\n"))


def submit(gateway, number, content, body):
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=60) as s:
        s.ehlo("client.example")
        assert s.mail(SENDER, [f"BODY={body}"])[0] == 250
        assert s.rcpt(f"m{number}@ship1.example.mil",
                      ["NOTIFY=FAILURE"])[0] == 250
        s.send(b"BDAT %d LAST\r\n" % len(content) + content)
        code, reply = s.getreply()
        assert code == 250, reply


def mime(kind, body, cte="8bit"):
    return (f"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n"
            f"Content-Transfer-Encoding: {cte}\r\n\r\n").encode() + body


LATIN = "Grüße aus Kiel, und alles Gute\r\n".encode("latin-1") * 3
SAMPLES = {
    "text": mime("text/plain; charset=iso-8859-1", LATIN),
    "no line end": mime("text/plain; charset=utf-8", b"\xc3\xa4 and no end"),
    "japanese": mime("text/plain; charset=utf-8", "潜水艦\r\n".encode() * 40),
    "binary": mime("application/octet-stream", bytes(range(256)) * 50,
                   "binary"),
    "large": mime("application/octet-stream", bytes(range(256)) * 3000,
                  "binary"),
    "long line": mime("text/plain; charset=utf-8", b"x" * 5000 + b"\r\n",
                      "binary"),
    "nested": mime('multipart/mixed; boundary="a"',
                   b"--a\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                   b"Content-Transfer-Encoding: 8bit\r\n\r\n" + LATIN +
                   b"\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n" +
                   mime("multipart/alternative; boundary=b",
                        b"--b\r\n\r\nplain\r\n--b\r\nContent-Type: "
                        b"image/x; name=y\r\nContent-Transfer-Encoding: "
                        b"binary\r\n\r\n\0\1\2\xff\r\n--b--\r\n", "binary") +
                   b"\r\n--a--\r\n", "binary"),
}


def test_readers_get_what_was_sent():
    with narrow_fleet() as fleet:
        for i, content in enumerate(SAMPLES.values()):
            submit(fleet["shore"], i, content, "BINARYMIME")
        got = fleet.sinks["ship1"].wait(len(SAMPLES), 30)
        by_rcpt = {r[0].split("@")[0]: (c, o) for _, r, c, o in got}
        for i, (name, content) in enumerate(SAMPLES.items()):
            arrived, options = by_rcpt[f"m{i}"]
            assert is_seven_bit(arrived), name
            assert not any(o.startswith("BODY") for o in options), name
            before, after = parse(content), parse(strip_trace(arrived))
            assert decoded(after) == decoded(before), name
            assert fields(after) == fields(before), name
        assert len(fleet["ship1"].events("smtp.converted")) == len(SAMPLES)
        assert not fleet["ship1"].events("smtp.failed")


def test_whatever_mail_there_is_arrives_or_comes_back():
    """All messages that the tests have: converted, or reported, never lost and
    never another."""
    mails = [c for _, c in corpus()]
    with narrow_fleet() as fleet:
        for i, content in enumerate(mails):
            submit(fleet["shore"], i, content, "BINARYMIME")

        def seen():
            return {r[0].split("@")[0] for _, r, _, _ in
                    list(fleet.sinks["ship1"].messages)} | {
                dsn_check.check(c).recipients[0]["Final-Recipient"]
                .split("; ")[1].split("@")[0]
                for _, _, c, _ in list(fleet.sinks["shore"].messages)}
        wait_for(lambda: len(seen()) == len(mails), 60, "all of them")
        bounced = fleet.sinks["shore"].count()
        assert fleet.sinks["ship1"].count() + bounced == len(mails)
        # Only where MIME gives no means: not labelled, or in header fields.
        assert bounced < len(mails) / 2
        for _, rcpts, content, _ in fleet.sinks["ship1"].messages:
            sent = mails[int(rcpts[0].split("@")[0][1:])]
            assert is_seven_bit(content)
            assert decoded(parse(strip_trace(content))) == \
                decoded(parse(strip_trace(sent)))
        print(f"{len(mails) - bounced} arrived, {bounced} came back")


@pytest.mark.parametrize("content,why", [
    (mime("multipart/signed; protocol=x; boundary=b",
          b"--b\r\n\r\n\xe4\r\n--b--\r\n"), "Signed"),
    (b"Subject: Gr\xfc\xdfe\r\nMIME-Version: 1.0\r\n\r\nx\r\n", "header"),
    (b"Subject: x\r\n\r\n\xe4\r\n", "not MIME"),
], ids=["signed", "header", "no MIME"])
def test_what_cannot_be_converted_comes_back(content, why):
    with narrow_fleet() as fleet:
        submit(fleet["shore"], 0, content, "8BITMIME")
        (_, _, report, _), = fleet.sinks["shore"].wait(1, 30)
        (r,) = dsn_check.check(report).recipients
        assert r["Status"] == "5.6.3"
        assert why in r["Diagnostic-Code"]
        # The next one goes over the same connection.
        submit(fleet["shore"], 1, SAMPLES["text"], "8BITMIME")
        fleet.sinks["ship1"].wait(1, 30)


def test_a_server_with_8bitmime_gets_8_bits():
    with Fleet(1) as fleet:
        submit(fleet["shore"], 0, SAMPLES["nested"], "BINARYMIME")
        (_, _, content, options), = fleet.sinks["ship1"].wait(1, 30)
        assert any(o == "BODY=8BITMIME" for o in options)
        assert LATIN in content and b"\0" not in content
        assert decoded(parse(strip_trace(content))) == \
            decoded(parse(SAMPLES["nested"]))
