"""Mail that is to leave later: RFC 4865."""
import smtplib
import time

import dsn_check
from muleteer import Fleet, crlf, wait_for
from test_dsn import refuse

SENDER = "ops@shore.example.mil"
TEXT = crlf(b"From: ops@shore.example.mil\nSubject: later\n\nText.\n")


def fleet():
    """shore takes submissions that wait up to a minute."""
    f = Fleet(1)
    with open(f["shore"].config, encoding="utf-8") as c:
        text = c.read()
    address = f'{{address: "127.0.0.1:{f["shore"].port}"}}'
    assert address in text
    with open(f["shore"].config, "w", encoding="utf-8") as c:
        c.write(text.replace(address, address[:-1] + ", future_release: 1m}"))
    return f


def mail(gateway, *options):
    s = smtplib.SMTP("127.0.0.1", gateway.port, timeout=30)
    s.ehlo("client.example")
    return s, s.mail(SENDER, list(options))[0]


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ",
                         time.gmtime(time.time() + seconds))


def test_mail_waits_until_its_time_also_over_a_restart():
    with fleet() as f:
        shore = f["shore"]
        s, code = mail(shore, "HOLDFOR=3")
        assert code == 250
        offer = s.esmtp_features["futurerelease"].split()
        assert offer[0] == "60" and offer[1].endswith("Z")
        begin = time.time()
        s.rcpt("a@ship1.example.mil")
        assert s.data(TEXT)[0] == 250
        s.quit()
        assert shore.status()["queue"]["messages"] == 1
        shore.kill()
        shore.start()
        (_, _, content, _), = f.sinks["ship1"].wait(1, 20)
        assert time.time() - begin >= 3
        # It is consumed here, and says nothing to the next hop.
        (line,) = f["ship1"].events("mule.received")
        assert "HOLD" not in line and b"HOLD" not in content


def test_what_cannot_be_kept_is_refused():
    with fleet() as f:
        for option in ("HOLDFOR=61", f"HOLDUNTIL={stamp(120)}",
                       f"HOLDUNTIL={stamp(-5)}", "HOLDFOR=1 HOLDFOR=1"):
            s, code = mail(f["shore"], option)
            assert code == 501, option
            s.close()
        # Later than its own deadline.
        s, code = mail(f["shore"], "HOLDFOR=30", "BY=20;R")
        assert code == 501
        s.close()
        # Where it is not offered.
        s, code = mail(f["ship1"], "HOLDFOR=1")
        assert code == 555
        s.close()


def test_a_report_tells_what_was_asked_for():
    with fleet() as f:
        refuse(f.sinks["shore"], "nobody")
        s, code = mail(f["shore"], "HOLDFOR=1")
        assert code == 250
        s.rcpt("nobody@shore.example.mil")
        assert s.data(TEXT)[0] == 250
        s.quit()
        (_, _, report, _), = f.sinks["shore"].wait(1, 20)
        message = dsn_check.check(report).message
        assert message["Future-Release-Request"] == "for;1"
        assert "Arrival-Date" in message
        wait_for(lambda: f["shore"].status()["queue"]["messages"] == 0, 30,
                 "nothing left")
