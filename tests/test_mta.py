"""Postfix, Exim and OpenSMTPD on both sides of the gateways:

    near server -> shore ==radio==> ship1 -> far server

and back.  At the end of each world their queues and logs must agree with ours.
"""
import email
import email.policy
import os
import re
import smtplib
import subprocess
import threading

import pytest

from mta import SERVERS
from muleteer import Fleet, crlf, wait_for

LONG = os.environ.get("MULETEER_LONG") == "1"
NEAR, FAR = "shore.example.mil", "ship1.example.mil"


class World:
    """A fleet of two between two servers of one kind."""

    def __init__(self, kind, directory):
        self.kind = kind
        # Ids of shore that the near server was stopped before it could note.
        self.lost = set()
        cert, key = str(directory / "tls.crt"), str(directory / "tls.key")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
             "/CN=localhost", "-keyout", key, "-out", cert],
            check=True, capture_output=True)
        os.makedirs(directory / "fleet")
        self.fleet = Fleet(1, directory=str(directory / "fleet"))
        self.shore, self.ship = self.fleet["shore"], self.fleet["ship1"]
        server = SERVERS[kind]
        self.near = server(str(directory), NEAR, self.shore.port, (cert, key))
        self.far = server(str(directory), FAR, self.ship.port, (cert, key))
        for g, s in ((self.shore, self.near), (self.ship, self.far)):
            with open(g.config, encoding="utf-8") as f:
                text = f.read()
            old = f'{{address: "127.0.0.1:{g.port}"}}'
            assert old in text
            text = text.replace(old, f'{{address: "127.0.0.1:{g.port}", tls: '
                                f'{{certificate: {cert}, key: {key}}}}}')
            sink = self.fleet.sinks[g.name].port
            with open(g.config, "w", encoding="utf-8") as f:
                f.write(text.replace(f'host: "127.0.0.1:{sink}"',
                                     f'host: "127.0.0.1:{s.port}"'))

    def __enter__(self):
        try:
            self.near.start()
            self.far.start()
            self.fleet.__enter__()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        self.near.stop()
        self.far.stop()

    def __exit__(self, *what):
        try:
            self.fleet.__exit__(*what)
        finally:
            self.stop()

    def send(self, recipients, content, options=(), rcpt=(),
             sender=f"ops@{NEAR}", to=None):
        """Hand a message to the near server, or to another."""
        with smtplib.SMTP("127.0.0.1", (to or self.near).port,
                          timeout=30) as s:
            s.ehlo("client.example")
            return s.sendmail(sender, recipients, content, list(options),
                              list(rcpt))

    def quiet(self):
        def empty():
            for g in (self.shore, self.ship):
                q = g.status()["queue"]
                if q["messages"] or q["transmissions"]:
                    return False
            return not self.near.queue() and not self.far.queue()
        wait_for(empty, 40, f"{self.kind}: nothing left in any queue")


@pytest.fixture(scope="module", params=list(SERVERS))
def world(request, tmp_path_factory):
    with World(request.param, tmp_path_factory.mktemp("mta")) as w:
        yield w


def message(word, body=b"Text.\n", headers=b""):
    return crlf(b"From: ops@shore.example.mil\nTo: a@ship1.example.mil\n"
                b"Subject: " + word + b"\nDate: Mon, 2 Nov 2026 10:00:00 "
                b"+0000\nMessage-ID: <" + word + b"@shore.example.mil>\n"
                + headers + b"\n" + body)


def body_of(content):
    return content.split(b"\n\n", 1)[1]


def once(server, user, word, seconds=30):
    """The only copy of a message."""
    found = server.find(user, b"Subject: " + word + b"\n", seconds)
    assert len(found) == 1
    return found[0]


def report(content, kind="multipart/report"):
    """A DSN, and its fields: of the message, of each recipient."""
    m = email.message_from_bytes(content, policy=email.policy.default)
    assert m.get_content_type() == kind
    parts = m.get_payload()[1].get_payload()
    return m, parts[0], parts[1:]


def test_plain_mail_goes_through_with_swaks(world):
    run = subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{world.near.port}", "--ehlo",
         "swaks.example", "--from", f"ops@{NEAR}", "--to", f"a@{FAR},b@{FAR}",
         "--h-Subject", "plain", "--body", "hello\n.\n..\nthere"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=True, timeout=60)
    assert "250" in run.stdout
    for user in ("a", "b"):
        got = once(world.far, user, b"plain")
        assert body_of(got).rstrip() == b"hello\n.\n..\nthere"
    world.send([f"a@{NEAR}"], message(b"back"), sender=f"ops@{FAR}",
               to=world.far)
    assert body_of(once(world.near, "a", b"back")) == b"Text.\n"


def test_tls_is_used_wherever_it_is_offered(world):
    world.send([f"a@{FAR}"], message(b"tls"))
    once(world.far, "a", b"tls")
    for server, out in ((world.near, True), (world.far, False)):
        log = server.log()
        if world.kind == "postfix":
            place = "smtp" if out else "smtpd"
            assert re.search(rf"postfix/{place}\[\d+\]: .*TLS connection "
                             "established (to|from) ", log)
        elif world.kind == "exim":
            mark = "=> a@ship1" if out else "<= ops@"
            assert re.search(rf"(?m){mark}.* X=TLS", log)
        elif out:
            assert re.search("mta tls ciphers=TLS", log)
        else:
            # Debian's OpenSMTPD offers TLS and fails at the handshake: it
            # keeps the key where OpenSSL 3 does not ask for it.  The mail
            # comes in the clear then.
            assert 'disconnected reason="io-error: error:0A' in log
            tried = world.ship.events("smtp.tls")
            assert tried and all('why="TLS: tlsv1 alert internal error"'
                                 in line for line in tried)


def test_octets_above_127_arrive(world):
    body = "Grüße, £100, \u4f60\n".encode() * 50
    world.send([f"a@{FAR}"], message(
        b"eight", body, b"MIME-Version: 1.0\nContent-Type: text/plain; "
        b"charset=utf-8\nContent-Transfer-Encoding: 8bit\n"),
        ["BODY=8BITMIME"])
    assert body_of(once(world.far, "a", b"eight")) == body


def test_five_megabytes_arrive_whole(world):
    line = b"0123456789abcdef" * 4 + b"\n"
    body = b"".join(b"%08d " % i + line for i in range(70000))
    assert len(body) > 5000000
    world.send([f"a@{FAR}"], message(b"big", body))
    assert body_of(once(world.far, "a", b"big", 60)) == body


def test_chunks_arrive_joined(world):
    """BDAT into the near server where it can, and into ours."""
    content = message(b"chunk", b".\n..\nText.\n" * 100)
    for port in (world.near.port, world.shore.port):
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as s:
            s.ehlo("client.example")
            if not s.has_extn("chunking"):
                assert world.kind == "opensmtpd"
                continue
            text = content.replace(b"chunk", b"chunk%d" % port)
            s.mail(f"ops@{NEAR}")
            s.rcpt(f"b@{FAR}")
            half = len(text) // 2
            s.send(b"BDAT %d\r\n" % half + text[:half])
            assert s.getreply()[0] == 250
            s.send(b"BDAT %d LAST\r\n" % (len(text) - half) + text[half:])
            assert s.getreply()[0] == 250
        got = once(world.far, "b", b"chunk%d" % port)
        assert body_of(got) == b".\n..\nText.\n" * 100


def send_binary(world, content):
    with smtplib.SMTP("127.0.0.1", world.shore.port, timeout=30) as s:
        s.ehlo("client.example")
        assert s.mail(f"b@{NEAR}", ["BODY=BINARYMIME"])[0] == 250
        assert s.rcpt(f"b@{FAR}")[0] == 250
        s.send(b"BDAT %d LAST\r\n" % len(content) + content)
        assert s.getreply()[0] == 250


def test_binary_mail_is_converted_for_servers_that_do_not_take_it(world):
    octets = b"\0\r\n\n\r\xff.\r"
    send_binary(world, message(
        b"octets", b"", b"MIME-Version: 1.0\nContent-Type: application/"
        b"octet-stream\nContent-Transfer-Encoding: binary\n") + octets)
    got = email.message_from_bytes(once(world.far, "b", b"octets"),
                                   policy=email.policy.default)
    assert got["Content-Transfer-Encoding"] == "base64"
    assert got.get_content() == octets


def test_what_may_not_be_converted_is_reported(world):
    """None of the three takes BINARYMIME, and a signature would break."""
    send_binary(world, message(
        b"signed", b"", b'MIME-Version: 1.0\nContent-Type: multipart/signed; '
        b'boundary=b; protocol="application/x"; micalg=x\n')
        + b"--b\r\n\r\nText \0.\r\n--b\r\nContent-Type: application/x\r\n"
        b"\r\nx\r\n--b--\r\n")
    got, = world.near.find("b", b"Status: 5.6.")
    _, whole, (one,) = report(got)
    assert whole["Reporting-MTA"] == "dns; ship1.example.mil"
    assert one["Action"] == "failed"
    assert one["Status"] == "5.6.3"
    assert one["Final-Recipient"].endswith(f"b@{FAR}")
    assert not [m for m in world.far.mail("b") if b"Subject: signed" in m]


def test_commands_in_one_segment_are_all_answered(world):
    """PIPELINING from a client; servers that offer it to us are pipelined."""
    with smtplib.SMTP("127.0.0.1", world.shore.port, timeout=30) as s:
        s.ehlo("client.example")
        assert s.has_extn("pipelining")
        s.send(f"MAIL FROM:<ops@{NEAR}>\r\nRCPT TO:<a@{FAR}>\r\n"
               f"RCPT TO:<b@elsewhere.example>\r\nRCPT TO:<b@{FAR}>\r\n"
               "DATA\r\n".encode())
        assert [s.getreply()[0] for _ in range(5)] == [250, 250, 550, 250, 354]
        s.send(message(b"piped") + b".\r\nNOOP\r\n")
        assert [s.getreply()[0] for _ in range(2)] == [250, 250]
    once(world.far, "a", b"piped")
    once(world.far, "b", b"piped")


def test_success_is_reported_by_the_last_server_that_knows_dsn(world):
    world.send([f"a@{FAR}"], message(b"wish"),
               ["ENVID=QQ+2B7", "RET=HDRS"],
               ["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;alias+2B1@{FAR}"])
    once(world.far, "a", b"wish")
    got = world.near.find("ops", b"Subject: wish", 10)
    assert len(got) == 1
    m, whole, (one,) = report(got[0], "multipart/mixed" if world.kind ==
                              "opensmtpd" else "multipart/report")
    # Exim repeats the xtext as it came; OpenSMTPD passes the parameters on
    # but names neither in its reports.
    assert (whole["Original-Envelope-Id"], one["Original-Recipient"]) == {
        "postfix": ("QQ+7", f"rfc822;alias+1@{FAR}"),
        "exim": ("QQ+2B7", f"rfc822;alias+2B1@{FAR}"),
        "opensmtpd": (None, None)}[world.kind]
    assert "ENVID=QQ+2B7" in world.ship.events("mule.received")[-1]
    assert one["Action"] in ("delivered", "relayed")
    # Written by the far server itself: every hop passed the wish on.
    assert whole["Reporting-MTA"].endswith("mx.ship1.example.mil")
    assert m["Return-Path"] == (None if world.kind == "opensmtpd" else "<>")
    assert b"Text." not in m.get_payload()[2].as_bytes()


def test_never_is_never(world):
    before = len(world.near.mail("ops"))
    world.send([f"nobody@{FAR}"], message(b"never"), ["ENVID=NEVER"],
               ["NOTIFY=NEVER"])
    wait_for(lambda: any(f"nobody@{FAR}" in line for line
                         in world.ship.events("smtp.failed")), 30, "refused")
    world.quiet()
    assert len(world.near.mail("ops")) == before


def test_a_refused_recipient_is_reported_once_and_the_others_served(world):
    word = b"refused"
    world.send([f"nobody@{FAR}", f"a@{FAR}"], message(word), ["ENVID=R1"])
    once(world.far, "a", word)
    got = world.near.find("ops", b"Envelope-Id: R1")
    assert len(got) == 1
    _, whole, parts = report(got[0])
    assert whole["Reporting-MTA"] == "dns; ship1.example.mil"
    one, = parts
    assert one["Action"] == "failed"
    assert one["Status"].startswith("5.")
    assert one["Final-Recipient"].endswith(f"nobody@{FAR}")
    assert one["Remote-MTA"] is not None


def test_the_null_sender_stays_null_and_is_never_answered(world):
    world.send([f"a@{FAR}"], message(b"null"), sender="")
    got = once(world.far, "a", b"null")
    # OpenSMTPD leaves the field out.
    assert got.startswith(b"Delivered-To: " if world.kind == "opensmtpd"
                          else b"Return-Path: <>\n" if world.kind == "postfix"
                          else b"Return-path: <>\n")
    failed = len(world.ship.events("smtp.failed"))
    counts = [len(s.mail(u)) for s in (world.near, world.far)
              for u in ("ops", "a", "b")]
    world.send([f"nobody@{FAR}"], message(b"null2"), sender="")
    wait_for(lambda: len(world.ship.events("smtp.failed")) > failed, 30,
             "refused")
    world.quiet()
    assert counts == [len(s.mail(u)) for s in (world.near, world.far)
                      for u in ("ops", "a", "b")]


def test_a_temporary_refusal_is_tried_again(world):
    world.far.be_shy(True)
    deferred = len(world.ship.events("smtp.deferred"))
    world.send([f"later@{FAR}", f"b@{FAR}"], message(b"shy"))
    once(world.far, "b", b"shy")
    wait_for(lambda: len(world.ship.events("smtp.deferred")) > deferred, 30,
             "deferred")
    assert not world.far.mail("later")
    world.far.be_shy(False)
    once(world.far, "later", b"shy")
    assert len([m for m in world.far.mail("b") if b"Subject: shy\n" in m]) == 1


def accepted(gateway):
    """Ids of what the server next to a gateway has handed over to it."""
    return [re.search(r"message=(\d+)", line).group(1)
            for line in gateway.events("smtp.accepted")
            if "helo=mx." in line or 'helo="mx.' in line]


def in_flight(ship):
    """Tells, of ship ids, which may be delivered twice if the connections of
    this moment break: received, and not known to be delivered."""
    def ids(event):
        return {re.search(r"message=(\d+)", line).group(1)
                for line in ship.events(event)}
    delivered, received = ids("smtp.delivered"), ids("mule.received")
    # Stored and not yet logged is in flight as well.
    return lambda i: i not in delivered and (
        i in received or i not in ids("mule.received"))


def copies(server, user):
    """Of each mid- message there: number, shore id, ship id."""
    found, own = [], set()
    for m in server.mail(user):
        number = re.search(rb"(?m)^Subject: mid-(\d+)-$", m)
        # Two with one id of the server's own are one that it was given, and
        # was stopped before it could note that it had delivered it.
        i = re.search(rb"\bReceived: [^;]*\sid ([\w-]+)", m)
        if number and i.group(1) not in own:
            own.add(i.group(1))
            shore = re.search(rb"by shore\.example\.mil with \w+ id (\d+)", m)
            ship = re.search(rb"via ACP142 id (\d+)", m)
            found.append((int(number.group(1)), shore.group(1).decode(),
                          ship.group(1).decode()))
    return found


def stop_amid_a_commit(world, content):
    """Stop shore while the near server waits for the word that it has it."""
    release = world.shore.hold_commits()
    known = len(accepted(world.shore))
    world.send([f"b@{FAR}"], content)

    def waits():
        now = world.shore.status()
        return now["smtp"]["sessions_in"] and now["queue"]["pending"]
    wait_for(waits, 10, "a commit under way")
    late = threading.Timer(0.5, release)
    late.start()
    assert world.shore.stop() == 0
    late.join()
    assert len(accepted(world.shore)) > known
    # What it took it has said so: a stop in order repeats nothing.
    wait_for(lambda: set(world.near.handed_over()) ==
             set(accepted(world.shore)), 10, "all answered")


def test_servers_and_gateways_restart_in_the_middle(world):
    """Everything arrives, and twice only what a kill has left undecided."""
    n = 200 if LONG else 30
    before = set(accepted(world.shore))
    broken = []
    for i in range(n):
        if i == n // 3:
            world.far.pause()
            broken.append(in_flight(world.ship))
            world.far.start()
        if i == n // 2:
            stop_amid_a_commit(world, message(b"mid-%d-" % i))
            world.shore.start()
            continue
        if i == 2 * n // 3:
            world.ship.kill()
            broken.append(in_flight(world.ship))
            world.ship.start()
        world.send([f"b@{FAR}"], message(b"mid-%d-" % i))
    world.near.pause()

    # What had been sent whole may still be on its way to shore's disk.
    def over():
        now = world.shore.status()
        return not now["smtp"]["sessions_in"] and not now["queue"]["pending"]
    wait_for(over, 20, "shore has seen the end of all sessions")
    world.lost = set(accepted(world.shore)) - set(world.near.handed_over())
    # Exim ends the deliveries that it has begun, the others break them off.
    assert world.kind != "exim" or not world.lost
    world.near.start()

    def all_there():
        world.near.flush()
        return {c[0] for c in copies(world.far, "b")} == set(range(n))
    wait_for(all_there, 60, "all of them")
    world.quiet()
    got = copies(world.far, "b")
    taken = set(accepted(world.shore)) - before
    number = {shore: i for i, shore, _ in got}
    assert set(number) == taken
    assert sorted(number[i] for i in taken - world.lost) == list(range(n))
    # One number by radio for each, even when the receiver was killed.
    assert len({(shore, ship) for _, shore, ship in got}) == len(taken)
    for ship in {c[2] for c in got}:
        times = [c[2] for c in got].count(ship)
        assert times == 1 or times == 2 and any(b(ship) for b in broken)


def far_ids(gateway):
    """The next server's queue ids in our log."""
    found = []
    for line in gateway.events("smtp.delivered"):
        i = re.search(r"queued as (\w+)|id=(\w+-\w+-\w+)|(\w+) Message "
                      r"accepted", line)
        assert i, line
        found.append((re.search(r"message=(\d+)", line).group(1),
                      next(x for x in i.groups() if x)))
    return found


def test_queues_and_logs_agree_at_the_end(world):
    """Last in this file: what one side handed over the other has, once."""
    world.quiet()
    for server, gateway in ((world.near, world.shore),
                            (world.far, world.ship)):
        taken = accepted(gateway)
        assert len(taken) == len(set(taken))
        assert set(server.handed_over()) == set(taken) - (
            world.lost if gateway is world.shore else set())
        ids = far_ids(gateway)
        received = re.findall(server.received, server.log())
        # One queue id of theirs belongs to one message of ours.
        owner = {}
        for ours, theirs in ids:
            assert owner.setdefault(theirs, ours) == ours
            assert received.count(theirs) == 1, theirs
