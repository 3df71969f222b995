"""Mail in by SMTP, over the emulated radio, out by SMTP."""
import email
import email.policy
import smtplib

import pytest

from muleteer import Fleet, crlf, strip_trace, wait_for

TEXT = crlf("From: Ops <ops@shore.example.mil>\n"
            "To: bridge@ship1.example.mil\nSubject: Grüße\n\n"
            ".dot\n..two\n\n.\nThis is worth £100.\n".encode())


def quiet(gateway):
    def empty():
        s = gateway.status()
        return (s["queue"]["messages"] == 0
                and s["queue"]["transmissions"] == 0)
    wait_for(empty, 30, f"{gateway.name} has nothing left")


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_one_transmission_reaches_all_ships_and_answers_come_back(loss):
    with Fleet(3, loss=loss, seed=7) as fleet:
        ships = ["ship1", "ship2", "ship3"]
        fleet["shore"].submit("ops@shore.example.mil",
                              [f"bridge@{s}.example.mil" for s in ships],
                              TEXT, ["BODY=8BITMIME"])
        for s in ships:
            (sender, rcpts, content, options), = fleet.sinks[s].wait(1, 30)
            assert sender == "ops@shore.example.mil"
            assert rcpts == [f"bridge@{s}.example.mil"]
            assert strip_trace(content) == TEXT
            assert b"via ACP142" in content
            assert "BODY=8BITMIME" in [o.upper() for o in options]
        quiet(fleet["shore"])
        link = fleet["shore"].status()["links"][0]
        assert link["counters"]["acks_in"] >= 3
        assert len(fleet["shore"].events("mule.sending")) == 1
        assert len(fleet["shore"].events("mule.relayed")) == 3
        fleet["ship2"].submit("bridge@ship2.example.mil",
                              ["ops@shore.example.mil"], TEXT,
                              ["BODY=8BITMIME"])
        (_, _, content, _), = fleet.sinks["shore"].wait(1, 30)
        assert strip_trace(content) == TEXT
        quiet(fleet["ship2"])


def test_many_messages_arrive_once_each():
    with Fleet(2, loss=0.05, seed=3) as fleet:
        with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
            for i in range(100):
                s.sendmail("ops@shore.example.mil",
                           [f"a@ship{i % 2 + 1}.example.mil"],
                           crlf(f"Subject: {i}\n\n{i}\n".encode() * (i + 1)))
        for n in (1, 2):
            got = fleet.sinks[f"ship{n}"].wait(50, 60)
            numbers = sorted(int(strip_trace(c).split()[1])
                             for _, _, c, _ in got)
            assert numbers == list(range(n - 1, 100, 2))
        quiet(fleet["shore"])


def test_refused_recipient_is_reported_to_the_sender():
    with Fleet(1) as fleet:
        fleet.sinks["ship1"].server.handler.__class__.handle_RCPT = refuse
        fleet["shore"].submit("ops@shore.example.mil",
                              ["nobody@ship1.example.mil"], TEXT,
                              ["BODY=8BITMIME", "ENVID=QQ1"],
                              ["ORCPT=rfc822;nobody@ship1.example.mil"])
        (sender, rcpts, content, _), = fleet.sinks["shore"].wait(1, 30)
        assert sender in ("", "<>", None)
        assert rcpts == ["ops@shore.example.mil"]
        report = email.message_from_bytes(content,
                                          policy=email.policy.default)
        assert report.get_content_type() == "multipart/report"
        status = report.get_payload()[1].get_payload()
        assert status[0]["Original-Envelope-Id"] == "QQ1"
        assert status[0]["Reporting-MTA"] == "dns; ship1.example.mil"
        assert status[1]["Action"] == "failed"
        assert status[1]["Status"] == "5.1.1"
        assert status[1]["Final-Recipient"].endswith(
            "nobody@ship1.example.mil")
        quiet(fleet["ship1"])


async def refuse(_handler, _server, _session, envelope, address, options):
    if address.startswith("nobody"):
        return "550 5.1.1 no such user"
    envelope.rcpt_tos.append(address)
    return "250 ok"


def test_restart_goes_on_where_it_was():
    with Fleet(2) as fleet:
        fleet["ship2"].stop()
        fleet["shore"].submit("ops@shore.example.mil",
                              ["a@ship1.example.mil", "b@ship2.example.mil"],
                              TEXT, ["BODY=8BITMIME"])
        fleet.sinks["ship1"].wait(1, 30)
        wait_for(lambda: fleet["shore"].events("mule.relayed"), 30,
                 "ship1 acknowledged")
        fleet["shore"].kill()
        fleet["shore"].start()
        fleet["ship2"].start()
        fleet.sinks["ship2"].wait(1, 30)
        quiet(fleet["shore"])
        assert fleet.sinks["ship1"].count() == 1
        assert "nodes=1 " in fleet["shore"].events("mule.sending")[-1]


def test_bad_addresses_are_refused_while_good_ones_go():
    with Fleet(1) as fleet, smtplib.SMTP("127.0.0.1",
                                         fleet["shore"].port) as s:
        s.ehlo("c.example")
        s.mail("ops@shore.example.mil")
        assert s.rcpt("x@elsewhere.example")[0] == 550
        assert s.rcpt("a@ship1.example.mil")[0] == 250
        assert s.data(TEXT)[0] == 250
        fleet.sinks["ship1"].wait(1, 30)
