"""STARTTLS, in and out."""
import smtplib
import socket
import ssl
import subprocess

import pytest

from aiosmtpd.controller import Controller

from muleteer import ExactSMTP, Fleet, Sink, crlf, strip_trace

TEXT = crlf(b"From: ops@shore.example.mil\nSubject: secret\n\nText.\n")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A certificate for localhost, and its key."""
    d = tmp_path_factory.mktemp("tls")
    cert, key = d / "tls.crt", d / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", cert], check=True, capture_output=True)
    return str(cert), str(key)


def with_tls(gateway, pair, extra=""):
    """Give the listener of a gateway a certificate."""
    with open(gateway.config, encoding="utf-8") as f:
        text = f.read()
    old = f'{{address: "127.0.0.1:{gateway.port}"}}'
    assert old in text
    new = (f'{{address: "127.0.0.1:{gateway.port}", tls: {{certificate: '
           f'{pair[0]}, key: {pair[1]}}}{extra}}}')
    with open(gateway.config, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def trusting(pair):
    context = ssl.create_default_context(cafile=pair[0])
    return context


def test_mail_comes_in_under_tls(pair):
    fleet = Fleet(1)
    with_tls(fleet["shore"], pair)
    with fleet:
        with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
            s.ehlo("client.example")
            assert s.has_extn("starttls")
            s._host = "localhost"  # the name to verify
            code, _ = s.starttls(context=trusting(pair))
            assert code == 220
            s.ehlo("client.example")
            assert not s.has_extn("starttls")
            big = TEXT + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 20000
            s.sendmail("ops@shore.example.mil", ["a@ship1.example.mil"], big)
        (_, _, content, _), = fleet.sinks["ship1"].wait(1, 60)
        assert strip_trace(content) == big


def read_reply(f):
    lines = []
    while True:
        line = f.readline()
        lines.append(line)
        if line[3:4] != b"-":
            return lines


def test_what_came_in_the_clear_is_not_heard_after_the_handshake(pair):
    """CVE-2011-0411: commands injected behind STARTTLS."""
    fleet = Fleet(1)
    with_tls(fleet["shore"], pair)
    with fleet, socket.create_connection(
            ("127.0.0.1", fleet["shore"].port)) as raw:
        f = raw.makefile("rb", buffering=0)
        read_reply(f)
        raw.sendall(b"EHLO c\r\n")
        read_reply(f)
        raw.sendall(b"STARTTLS\r\nEHLO evil\r\n"
                    b"MAIL FROM:<evil@shore.example.mil>\r\n")
        assert read_reply(f)[0].startswith(b"220 ")
        with trusting(pair).wrap_socket(
                raw, server_hostname="localhost") as tls:
            tls.sendall(b"NOOP\r\nMAIL FROM:<a@b.example>\r\n")
            g = tls.makefile("rb", buffering=0)
            assert read_reply(g)[0].startswith(b"250 ")
            assert read_reply(g)[0].startswith(b"503 ")


def test_a_broken_handshake_ends_the_session(pair):
    fleet = Fleet(1)
    with_tls(fleet["shore"], pair)
    with fleet, socket.create_connection(
            ("127.0.0.1", fleet["shore"].port), timeout=20) as raw:
        f = raw.makefile("rb", buffering=0)
        read_reply(f)
        raw.sendall(b"EHLO c\r\n")
        read_reply(f)
        raw.sendall(b"STARTTLS\r\n")
        read_reply(f)
        raw.sendall(b"NOOP\r\n" * 100)
        rest = f.read()
        assert b"250" not in rest
        assert fleet["shore"].events("smtp.tls")


def test_a_missing_certificate_stops_the_start(pair, tmp_path):
    fleet = Fleet(1)
    with_tls(fleet["shore"], (str(tmp_path / "none.crt"), pair[1]))
    shore = fleet["shore"]
    shore.process = subprocess.Popen(shore.args, stderr=subprocess.PIPE,
                                     text=True)
    _, err = shore.process.communicate(timeout=20)
    assert shore.process.returncode == 1
    assert "none.crt: No such file" in err


class TlsSink(Sink):
    """A sink that offers STARTTLS."""

    def __init__(self, context):
        super().__init__()
        handler = self.server.handler
        handler.sessions = []

        async def handle_MAIL(_server, session, envelope, address, options):
            handler.sessions.append(session.ssl is not None)
            envelope.mail_from = address
            envelope.mail_options.extend(options)
            return "250 ok"
        handler.handle_MAIL = handle_MAIL

        class Server(Controller):
            def factory(self):
                return ExactSMTP(self.handler, tls_context=context)

        self.server = Server(handler, hostname="127.0.0.1", port=self.port)


def deliver_to(sink, change=None):
    fleet = Fleet(1)
    old = fleet.sinks["ship1"].port
    with open(fleet["ship1"].config, encoding="utf-8") as f:
        text = f.read()
    with open(fleet["ship1"].config, "w", encoding="utf-8") as f:
        f.write(text.replace(str(old), str(sink.port)))
    if change:
        change(fleet["ship1"], sink.port)
    sink.start()
    try:
        with fleet:
            fleet["shore"].submit("ops@shore.example.mil",
                                  ["a@ship1.example.mil"], TEXT)
            (_, _, content, _), = sink.wait(1, 30)
            assert strip_trace(content) == TEXT
    finally:
        sink.stop()
    return sink.server.handler.sessions


def test_mail_leaves_under_tls_where_it_is_offered(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    assert deliver_to(TlsSink(context)) == [True]


def test_mail_leaves_in_the_clear_where_tls_is_broken(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("RC4:aNULL:eNULL:@SECLEVEL=0")
    assert deliver_to(TlsSink(context)) == [False]
