"""Delivery status notifications, each read by a strict checker: RFC 3461."""
import smtplib
import time

import pytest

import dsn_check
from muleteer import Fleet, crlf, wait_for

SENDER = "ops@shore.example.mil"
TEXT = crlf(b"From: ops@shore.example.mil\nTo: all\nSubject: sitrep\n\n"
            b"Position unchanged.\n")


def refuse(sink, *names, reply="550 5.1.1 no such user"):
    """The sink refuses recipients of these local parts; more may be added."""
    names = set(names)

    async def handle(_handler, _server, _session, envelope, address, _options):
        if address.split("@")[0] in names:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 ok"
    sink.server.handler.__class__.handle_RCPT = handle
    return names


def configure(gateway, smtp):
    with open(gateway.config, encoding="utf-8") as f:
        text = f.read()
    with open(gateway.config, "w", encoding="utf-8") as f:
        f.write(text.replace("smtp:\n", "smtp:\n" + "".join(
            f"  {line}\n" for line in smtp.splitlines()), 1))


def submit(gateway, rcpts, content=TEXT, options=(), sender=SENDER):
    """rcpts: {address: parameters}."""
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=30) as s:
        s.ehlo("client.example")
        code, reply = s.mail(sender, list(options))
        assert code == 250, reply
        for address, parameters in rcpts.items():
            code, reply = s.rcpt(address, parameters)
            assert code == 250, reply
        code, reply = s.data(content)
        assert code == 250, reply


def report_in(sink, n=0):
    """The report that is the nth message of a sink, and its envelope."""
    sender, rcpts, content, options = sink.wait(n + 1, 30)[n]
    dsn_check.envelope(sender, options)
    return rcpts, dsn_check.check(content)


def idle(*gateways):
    for g in gateways:
        wait_for(lambda g=g: g.status()["queue"]["messages"] == 0, 30,
                 f"{g.name} has nothing left")


def test_refusal_comes_back_with_all_that_was_asked_for():
    with Fleet(2) as fleet:
        refuse(fleet.sinks["ship1"], "bob", "eve")
        submit(fleet["shore"], {
            "bob@ship1.example.mil": [
                "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2BX@ent.example"],
            "eve@ship1.example.mil": ["NOTIFY=NEVER"],
            "tom@ship1.example.mil": ["NOTIFY=FAILURE"],
            "bob@ship2.example.mil": ["NOTIFY=FAILURE"],
        }, options=["RET=HDRS", "ENVID=QQ+2B314159", "MT-PRIORITY=-2"])
        rcpts, report = report_in(fleet.sinks["shore"])
        assert rcpts == [SENDER]
        assert report.message["Original-Envelope-Id"] == "QQ+314159"
        assert report.message["Reporting-MTA"] == "dns; ship1.example.mil"
        # Of bob alone: eve's sender wants to hear nothing, tom has it.
        (bob,) = report.recipients
        assert bob["Original-Recipient"] == "rfc822;Bob+X@ent.example"
        assert bob["Final-Recipient"] == "rfc822; bob@ship1.example.mil"
        assert bob["Action"] == "failed" and bob["Status"] == "5.1.1"
        assert bob["Remote-MTA"] == "dns; [127.0.0.1]"
        assert bob["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
        kind, octets = report.returned
        assert kind == "text/rfc822-headers"
        assert b"Subject: sitrep" in octets and b"Position" not in octets
        # The priority of the message is that of the report.
        (sent,) = fleet["ship1"].events("mule.sending")
        assert sent.endswith(" priority=8")
        idle(*fleet.gateways.values())
        assert fleet.sinks["shore"].count() == 1


@pytest.mark.parametrize("ret", ["FULL", "HDRS", None])
def test_what_comes_back_is_what_ret_says(ret):
    with Fleet(1) as fleet:
        refuse(fleet.sinks["ship1"], "bob")
        submit(fleet["shore"], {"bob@ship1.example.mil": []},
               options=[f"RET={ret}"] if ret else [])
        _, report = report_in(fleet.sinks["shore"])
        kind, octets = report.returned
        assert (b"Position" in octets) == (ret == "FULL")
        assert kind == ("message/rfc822" if ret == "FULL"
                        else "text/rfc822-headers")
        assert "Original-Envelope-Id" not in report.message
        assert "Original-Recipient" not in report.recipients[0]


def test_a_node_that_never_answers_may_have_it():
    """Expiry without an Ack: failed, 4.4.7, after a warning."""
    link = Fleet.FAST + "priorities:\n  - {priority: -9..9, lifetime: 8s}\n"
    fleet = Fleet(1, link=link)
    configure(fleet["shore"], "delay_warning: 1s")
    with fleet:
        fleet["ship1"].stop()
        submit(fleet["shore"], {
            "bob@ship1.example.mil": ["NOTIFY=FAILURE,DELAY"],
            "eve@ship1.example.mil": ["NOTIFY=SUCCESS"]},
            options=["RET=FULL"])
        time.sleep(1.1)
        fleet["shore"].stop()  # It looks for late mail when it starts.
        fleet["shore"].start()
        _, late = report_in(fleet.sinks["shore"])
        (bob,) = late.recipients
        assert bob["Action"] == "delayed" and bob["Status"] == "4.4.7"
        assert "Will-Retry-Until" in bob
        assert late.returned[0] == "text/rfc822-headers"
        _, failed = report_in(fleet.sinks["shore"], 1)
        (bob,) = failed.recipients
        assert bob["Action"] == "failed" and bob["Status"] == "4.4.7"
        assert bob["Remote-MTA"] == "X-MULE; ship1"
        assert bob["Diagnostic-Code"].startswith("X-MULE; ")
        assert b"may have" in failed.words
        assert failed.returned[0] == "message/rfc822"
        idle(fleet["shore"])
        assert fleet.sinks["shore"].count() == 2
        fleet["ship1"].start()


def test_success_is_relayed_where_the_next_server_reports_nothing():
    with Fleet(1) as fleet:
        submit(fleet["shore"], {
            "bob@ship1.example.mil": ["NOTIFY=SUCCESS"],
            "eve@ship1.example.mil": ["NOTIFY=FAILURE"],
            "tom@ship1.example.mil": []}, options=["RET=FULL", "ENVID=7"])
        _, report = report_in(fleet.sinks["shore"])
        (bob,) = report.recipients
        assert bob["Action"] == "relayed" and bob["Status"][0] == "2"
        assert report.message["Original-Envelope-Id"] == "7"
        assert report.returned[0] == "text/rfc822-headers"
        idle(*fleet.gateways.values())
        assert fleet.sinks["shore"].count() == 1


def test_nobody_reports_about_a_report():
    fleet = Fleet(1)
    configure(fleet["ship1"], "bounce_copy: keeper@shore.example.mil")
    with fleet:
        refuse(fleet.sinks["ship1"], "bob")
        refused = refuse(fleet.sinks["shore"])
        # From nobody: the copy's reader hears of it, nobody else.
        submit(fleet["shore"], {"bob@ship1.example.mil": ["NOTIFY=NEVER"]},
               sender="")
        rcpts, report = report_in(fleet.sinks["shore"])
        assert rcpts == ["keeper@shore.example.mil"]
        assert report.recipient("bob@ship1.example.mil")["Status"] == "5.1.1"
        idle(*fleet.gateways.values())
        # A report that is refused itself ends there, copies as well.
        refused.update(("ops", "keeper"))
        submit(fleet["shore"], {"bob@ship1.example.mil": []})
        wait_for(lambda: len(fleet["ship1"].events("notify.sent")) == 2, 20,
                 "the second report")
        wait_for(lambda: fleet["shore"].events("smtp.failed"), 20,
                 "its refusal")
        idle(*fleet.gateways.values())
        time.sleep(0.3)
        assert fleet.sinks["shore"].count() == 1
        assert not fleet["shore"].events("notify.sent")


@pytest.mark.parametrize("name,content,body", [
    ("8-bit header", "Subject: Grüße\r\n\r\nx\r\n".encode("latin-1"),
     "8BITMIME"),
    ("8-bit body", "Subject: x\r\n\r\nGrüße\r\n".encode(), "8BITMIME"),
    ("no header", b"\r\ntext\r\n", "7BIT"),
    ("no body", b"Subject: x\r\n", "7BIT"),
    ("a boundary of ours", b"Subject: x\r\n\r\n--=_1_\r\n--=_\r\n", "7BIT"),
    ("long", b"Subject: x\r\n\r\n" + b"x" * 990 + b"\r\n", "7BIT"),
])
def test_whatever_comes_back_the_report_is_well_formed(name, content, body):
    with Fleet(1) as fleet:
        refuse(fleet.sinks["ship1"], "bob",
               reply="550 5.7.1 odd\x01 and long " + "x" * 400)
        submit(fleet["shore"], {"bob@ship1.example.mil": []}, content,
               ["RET=FULL", f"BODY={body}"])
        sender, rcpts, octets, options = fleet.sinks["shore"].wait(1, 30)[0]
        report = dsn_check.check(octets)
        assert report.recipients[0]["Status"] == "5.7.1", name
        if content.strip():
            assert report.returned[1].rstrip() .endswith(content.rstrip())


def test_binary_that_cannot_be_quoted_is_left_out():
    with Fleet(1) as fleet:
        refuse(fleet.sinks["ship1"], "bob")
        content = b"Subject: x\r\n\r\n\0\1\r\2\n" + b"\xff" * 2000
        with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
            s.ehlo("client.example")
            s.mail(SENDER, ["RET=FULL", "BODY=BINARYMIME"])
            s.rcpt("bob@ship1.example.mil")
            s.send(b"BDAT %d LAST\r\n" % len(content) + content)
            assert s.getreply()[0] == 250
        _, report = report_in(fleet.sinks["shore"])
        assert report.returned[0] == "text/rfc822-headers"
        assert b"Subject: x" in report.returned[1]


def test_addresses_that_are_not_ascii_are_reported_in_ascii():
    link = Fleet.FAST + "agreed: [SMTPUTF8]\n"
    with Fleet(1, link=link) as fleet:
        content = crlf("Subject: Grüße\n\nä\n".encode())
        with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
            s.ehlo("client.example")
            for line in (f"MAIL FROM:<{SENDER}> SMTPUTF8 BODY=8BITMIME",
                         "RCPT TO:<brücke@ship1.example.mil> "
                         "ORCPT=utf-8;brücke@ship1.example.mil"):
                s.send(line.encode() + b"\r\n")
                code, reply = s.getreply()
                assert code == 250, reply
            assert s.data(content)[0] == 250
        _, report = report_in(fleet.sinks["shore"])
        (r,) = report.recipients
        assert r["Final-Recipient"] == "utf-8; br\\x{FC}cke@ship1.example.mil"
        assert r["Original-Recipient"] == \
            "utf-8;br\\x{FC}cke@ship1.example.mil"
        assert report.returned[0] == "message/global-headers"
