"""SIGTERM: what is accepted is answered, what is not answered is not kept."""
import smtplib
import threading

from muleteer import Fleet, crlf

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
