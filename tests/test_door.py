"""Who may send mail through a gateway: networks, passwords, certificates."""
import base64
import hashlib
import hmac
import os
import smtplib
import socket
import ssl
import subprocess

import pytest

from muleteer import BUILD, Fleet, crlf, strip_trace, wait_for
from test_tls import TlsSink, deliver_to, pair, trusting, with_tls

TEXT = crlf(b"From: ops@shore.example.mil\nSubject: door\n\nText.\n")
__all__ = ["pair"]


def users_file(directory, **passwords):
    path = directory / "users"
    lines = [subprocess.run(
        [os.path.join(BUILD, "mulectl"), "password", name], input=word,
        capture_output=True, text=True, check=True).stdout
        for name, word in passwords.items()]
    path.write_text("".join(lines))
    return path


def edit(gateway, old, new):
    with open(gateway.config, encoding="utf-8") as f:
        text = f.read()
    assert old in text
    with open(gateway.config, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def strangers(gateway):
    """Nobody on this host may relay any more."""
    edit(gateway, f'"127.0.0.1:{gateway.port}"',
         f'"127.0.0.1:{gateway.port}", allow: [192.0.2.0/24]')


class Scram:
    """SCRAM-SHA-256 as RFC 7677 has it, for smtplib."""

    def __init__(self, user, password):
        self.user, self.password = user, password
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.verified = False

    def __call__(self, challenge=None):
        if challenge is None:
            self.bare = f"n={self.user},r={self.nonce}"
            return "n,," + self.bare
        text = challenge.decode()
        if text.startswith("v="):
            assert text == "v=" + self.signature
            self.verified = True
            return ""
        part = dict(p.split("=", 1) for p in text.split(","))
        assert part["r"].startswith(self.nonce)
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password.encode(), base64.b64decode(part["s"]),
            int(part["i"]))
        client = hmac.digest(salted, b"Client Key", "sha256")
        server = hmac.digest(salted, b"Server Key", "sha256")
        final = f"c=biws,r={part['r']}"
        message = f"{self.bare},{text},{final}".encode()
        proof = bytes(a ^ b for a, b in zip(client, hmac.digest(
            hashlib.sha256(client).digest(), message, "sha256")))
        self.signature = base64.b64encode(
            hmac.digest(server, message, "sha256")).decode()
        return f"{final},p={base64.b64encode(proof).decode()}"


def secure(gateway, pair):
    s = smtplib.SMTP("127.0.0.1", gateway.port, timeout=30)
    s.ehlo("client.example")
    s._host = "localhost"
    s.starttls(context=trusting(pair))
    s.ehlo("client.example")
    return s


def relays(s):
    s.mail("ops@shore.example.mil")
    code, _ = s.rcpt("a@ship1.example.mil")
    s.rset()
    return code == 250


@pytest.fixture
def guarded(pair, tmp_path):
    fleet = Fleet(1)
    users = users_file(tmp_path, ops="pencil", bridge="gr\u00fcn")
    strangers(fleet["shore"])
    edit(fleet["shore"], "allow: [192.0.2.0/24]",
         "allow: [192.0.2.0/24], tls: {certificate: "
         f"{pair[0]}, key: {pair[1]}}}, users: {users}")
    with fleet:
        yield fleet


def test_who_has_a_password_may_relay(guarded, pair):
    with smtplib.SMTP("127.0.0.1", guarded["shore"].port) as s:
        s.ehlo("client.example")
        assert not s.has_extn("auth")
        assert not relays(s)
        assert s.docmd("AUTH PLAIN AG9wcwBwZW5jaWw=")[0] == 538
    with secure(guarded["shore"], pair) as s:
        assert s.esmtp_features["auth"].split() == ["SCRAM-SHA-256", "PLAIN"]
        assert not relays(s)
        s.user, s.password = "ops", "pencil"
        assert s.auth("PLAIN", s.auth_plain)[0] == 235
        assert relays(s)
        s.sendmail("ops@shore.example.mil", ["a@ship1.example.mil"], TEXT)
    (_, _, content, _), = guarded.sinks["ship1"].wait(1, 30)
    assert strip_trace(content) == TEXT
    assert b"with ESMTPSA" in content
    with secure(guarded["shore"], pair) as s:
        scram = Scram("bridge", "gr\u00fcn")
        assert s.auth("SCRAM-SHA-256", scram)[0] == 235
        assert scram.verified
        assert relays(s)


def test_a_wrong_password_opens_nothing(guarded, pair):
    with secure(guarded["shore"], pair) as s:
        for user, password in (("ops", "pen"), ("nobody", "nothing"),
                               ("bridge", "pencil")):
            s.user, s.password = user, password
            with pytest.raises(smtplib.SMTPAuthenticationError) as e:
                s.auth("PLAIN", s.auth_plain)
            assert e.value.smtp_code == 535
        assert not relays(s)
    assert len(guarded["shore"].events("smtp.auth-failed")) == 3


def test_mail_for_this_side_needs_no_permission(guarded):
    with smtplib.SMTP("127.0.0.1", guarded["shore"].port) as s:
        s.sendmail("x@elsewhere.example", ["ops@shore.example.mil"], TEXT)
    guarded.sinks["shore"].wait(1, 30)


def test_everybody_reaches_the_postmaster(guarded):
    with smtplib.SMTP("127.0.0.1", guarded["shore"].port) as s:
        s.ehlo("client.example")
        s.mail("x@elsewhere.example")
        assert s.docmd("RCPT", "TO:<Postmaster> NOTIFY=NEVER")[0] == 250
        assert s.rcpt("POSTMASTER@shore.example.mil")[0] == 250
        assert s.rcpt("postmaster@ship1.example.mil")[0] == 550
        assert s.data(TEXT)[0] == 250
    got = guarded.sinks["shore"].wait(1, 30)
    rcpts = sorted(r for m in got for r in m[1])
    assert rcpts == ["postmaster@shore.example.mil"] * 2


def test_only_the_permitted_are_urgent(guarded, pair):
    with smtplib.SMTP("127.0.0.1", guarded["shore"].port) as s:
        s.ehlo("client.example")
        code, text = s.mail("x@elsewhere.example", ["MT-PRIORITY=6"])
        assert (code, text[:5]) == (250, b"2.3.6")
        s.rset()
        code, text = s.mail("x@elsewhere.example", ["MT-PRIORITY=-2"])
        assert (code, text[:5]) == (250, b"2.1.0")
    with secure(guarded["shore"], pair) as s:
        s.user, s.password = "ops", "pencil"
        s.auth("PLAIN", s.auth_plain)
        code, text = s.mail("ops@shore.example.mil", ["MT-PRIORITY=6"])
        assert (code, text[:5]) == (250, b"2.1.0")


def test_a_client_certificate_is_a_permission(pair, tmp_path):
    fleet = Fleet(1)
    strangers(fleet["shore"])
    edit(fleet["shore"], "allow: [192.0.2.0/24]",
         "allow: [192.0.2.0/24], tls: {certificate: "
         f"{pair[0]}, key: {pair[1]}, client_ca: {pair[0]}}}")
    other = [str(tmp_path / n) for n in ("o.crt", "o.key")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
         "-out", other[0], "-keyout", other[1]], check=True,
        capture_output=True)
    with fleet:
        for own, allowed in ((pair, True), (other, False), (None, False)):
            context = trusting(pair)
            if own:
                context.load_cert_chain(*own)
            with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
                s.ehlo("client.example")
                s._host = "localhost"
                s.starttls(context=context)
                s.ehlo("client.example")
                assert relays(s) == allowed


def test_networks_may_be_ipv6(pair):
    fleet = Fleet(1)
    edit(fleet["shore"], f'"127.0.0.1:{fleet["shore"].port}"',
         f'"[::1]:{fleet["shore"].port}", allow: ["::/127"]')
    with fleet, smtplib.SMTP("::1", fleet["shore"].port) as s:
        s.ehlo("client.example")
        assert relays(s)


def test_tls_and_a_password_can_be_required(pair, tmp_path):
    fleet = Fleet(1)
    users = users_file(tmp_path, ops="pencil")
    with_tls(fleet["shore"], pair,
             f", require_tls: true, require_auth: true, users: {users}")
    with fleet:
        with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
            s.ehlo("client.example")
            assert s.mail("ops@shore.example.mil")[0] == 530
        with secure(fleet["shore"], pair) as s:
            assert s.mail("ops@shore.example.mil")[0] == 530
            s.user, s.password = "ops", "pencil"
            s.auth("PLAIN", s.auth_plain)
            assert s.mail("ops@shore.example.mil")[0] == 250


def test_tls_from_the_first_octet(pair):
    fleet = Fleet(1)
    with_tls(fleet["shore"], pair, ", implicit_tls: true")
    with fleet:
        with pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(
                socket.create_connection(
                    ("127.0.0.1", fleet["shore"].port)),
                server_hostname="localhost")
        raw = socket.create_connection(("127.0.0.1", fleet["shore"].port))
        with trusting(pair).wrap_socket(
                raw, server_hostname="localhost") as tls:
            f = tls.makefile("rwb")
            assert f.readline().startswith(b"220 ")
            tls.sendall(b"EHLO c\r\n")
            lines = [f.readline()]
            while lines[-1][3:4] == b"-":
                lines.append(f.readline())
            assert not any(b"STARTTLS" in line for line in lines)


def test_who_talks_before_the_greeting_is_turned_away():
    fleet = Fleet(1)
    edit(fleet["shore"], f'"127.0.0.1:{fleet["shore"].port}"',
         f'"127.0.0.1:{fleet["shore"].port}", greeting_delay: 500ms')
    with fleet:
        with socket.create_connection(
                ("127.0.0.1", fleet["shore"].port)) as s:
            s.sendall(b"EHLO early.example\r\n")
            assert s.makefile("rb").read().startswith(b"554 5.5.1")
        assert fleet["shore"].events("smtp.early")
        fleet["shore"].submit("ops@shore.example.mil",
                              ["a@ship1.example.mil"], TEXT)
        fleet.sinks["ship1"].wait(1, 30)


@pytest.mark.parametrize("tls", ["encrypt", "verify"])
def test_mail_waits_for_a_server_that_is_not_secure_enough(pair, tls):
    fleet = Fleet(1)
    port = fleet.sinks["ship1"].port
    edit(fleet["ship1"], f'"127.0.0.1:{port}"',
         f'"127.0.0.1:{port}", tls: {tls}')
    with fleet:
        fleet["shore"].submit("ops@shore.example.mil",
                              ["a@ship1.example.mil"], TEXT)
        wait_for(lambda: fleet["ship1"].events("smtp.unreachable"), 30,
                 "a server without TLS")
        assert fleet.sinks["ship1"].count() == 0


def test_a_certificate_that_is_not_good_is_not_enough(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    sink = TlsSink(context).start()
    fleet = Fleet(1)
    edit(fleet["ship1"], str(fleet.sinks["ship1"].port) + '"',
         str(sink.port) + '", tls: verify')
    try:
        with fleet:
            fleet["shore"].submit("ops@shore.example.mil",
                                  ["a@ship1.example.mil"], TEXT)
            wait_for(lambda: fleet["ship1"].events("smtp.tls"), 30,
                     "a handshake that fails")
            assert "certificate: " in fleet["ship1"].events("smtp.tls")[0]
            assert sink.count() == 0
    finally:
        sink.stop()


def test_a_certificate_that_is_good_is_enough(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    sessions = deliver_to(
        TlsSink(context),
        lambda g, port: (edit(g, f'"127.0.0.1:{port}"',
                              f'"localhost:{port}", tls: verify'),
                         edit(g, "smtp:\n", f"smtp:\n  tls_ca: {pair[0]}\n")))
    assert sessions == [True]
