"""A radio link on which nobody answers, and what a gateway puts on it."""
import smtplib
import socket
import threading
import time

FLASH = 0       # the octet of MT-PRIORITY=6
ROUTINE = 6     # ...and of 0
DATA, ADDRESS, EXTRA = 0, 2, 3


class Silence:
    """The hub of an emulated link: hears the PDUs of messages, and counts."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.heard = []     # priority of each
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            frame, sender = self.socket.recvfrom(70000)
            if frame[5] == 1:
                self.socket.sendto(frame, sender)
            elif frame[5] == 2:
                self.heard.append(frame[20 + 2])

    def count(self, priority):
        return self.heard.count(priority)


def submit(port, recipient, subject, size, priority):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as s:
        s.ehlo("client.example")
        s.sendmail("a@away.example", [recipient],
                   f"Subject: {subject}\r\n\r\n".encode() + b"x\r\n" *
                   (size // 3), [f"MT-PRIORITY={priority}"])


def overtaken(silence, port, recipient, seconds=30):
    """A Flash message comes when Routine ones are on the air: how many PDUs
    of theirs leave from the beginning of its SMTP session to its own first
    PDU, and how long that takes: no less than from its 250."""
    begin, before = time.monotonic(), len(silence.heard)
    submit(port, recipient, "flash", 500, 6)
    while silence.count(FLASH) == 0:
        if time.monotonic() - begin > seconds:
            raise TimeoutError("the Flash message is not sent")
        time.sleep(0.001)
    first = silence.heard.index(FLASH)
    return (silence.heard[before:first].count(ROUTINE),
            time.monotonic() - begin)
