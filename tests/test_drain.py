"""SIGTERM: what is accepted is answered, what is not answered is not kept."""
import smtplib
import threading

from muleteer import Fleet, crlf, wait_for

TEXT = crlf(b"From: ops@shore.example.mil\nSubject: drain\n\n"
            + b"x" * 70 + b"\n")


class Client(threading.Thread):
    """Submits one message after the other and counts the answers."""

    def __init__(self, port):
        super().__init__()
        self.port, self.answered, self.asked = port, 0, 0

    def run(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as s:
                s.ehlo("client.example")
                while True:
                    if s.mail("ops@shore.example.mil")[0] != 250:
                        return
                    if s.rcpt("a@ship1.example.mil")[0] != 250:
                        return
                    if s.docmd("DATA")[0] != 354:
                        return
                    self.asked += 1
                    s.send(TEXT + b".\r\n")
                    if s.getreply()[0] == 250:
                        self.answered += 1
        except (smtplib.SMTPException, OSError):
            pass


def test_every_accepted_message_is_answered_when_the_daemon_stops():
    with Fleet(1) as fleet:
        shore = fleet["shore"]
        clients = [Client(shore.port) for _ in range(20)]
        for c in clients:
            c.start()
        while len(shore.events("smtp.accepted")) < 200:
            pass
        assert shore.stop() == 0
        for c in clients:
            c.join()
        answered = sum(c.answered for c in clients)
        accepted = len(shore.events("smtp.accepted"))
        assert accepted >= 200
        assert answered == accepted


def test_who_waits_for_the_disk_is_answered_before_the_daemon_stops():
    with Fleet(1) as fleet:
        shore = fleet["shore"]
        with smtplib.SMTP("127.0.0.1", shore.port, timeout=20) as waiting, \
                smtplib.SMTP("127.0.0.1", shore.port, timeout=20) as idle:
            for s in (waiting, idle):
                s.ehlo("client.example")
            waiting.mail("ops@shore.example.mil")
            waiting.rcpt("a@ship1.example.mil")
            assert waiting.docmd("DATA")[0] == 354
            release = shore.hold_commits()
            waiting.send(TEXT + b".\r\n")
            wait_for(lambda: shore.status()["queue"]["pending"], 10,
                     "a commit under way")
            stop = threading.Thread(target=shore.stop)
            stop.start()
            # Who waits for nothing is sent away at once.
            assert idle.getreply()[0] == 421
            waiting.sock.settimeout(0.3)
            try:
                early = waiting.sock.recv(1000)
            except TimeoutError:
                early = None
            assert early is None and shore.running()
            release()
            waiting.sock.settimeout(20)
            code, text = waiting.getreply()
            assert (code, text[:16]) == (250, b"2.0.0 Queued as ")
            # Nor does anybody hold up the stop by saying nothing more.
            assert waiting.getreply()[0] == 421
            stop.join()
            assert shore.process.returncode == 0
        (line,) = shore.events("smtp.accepted")
        assert f"message={text[16:].decode()} " in line
