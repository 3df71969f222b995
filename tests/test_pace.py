"""How many connections to a next hop, and how fast."""
import time

from aiosmtpd.controller import Controller

from muleteer import ExactSMTP, Fleet, Sink, crlf

TEXT = crlf(b"Subject: pace\n\nText.\n")


class CountingSink(Sink):
    """Remembers how many sessions there were at a time, and when mail came."""

    def __init__(self):
        super().__init__()
        self.open = self.most = 0
        self.times = []
        sink = self

        class Counting(ExactSMTP):
            def connection_made(self, transport):
                sink.open += 1
                sink.most = max(sink.most, sink.open)
                super().connection_made(transport)

            def connection_lost(self, error):
                sink.open -= 1
                super().connection_lost(error)

        class Server(Controller):
            def factory(self):
                return Counting(self.handler)

        async def handle_DATA(_server, _session, envelope):
            sink.times.append(time.monotonic())
            sink.messages.append((envelope.mail_from, envelope.rcpt_tos,
                                  envelope.original_content, []))
            return "250 kept"
        handler = self.server.handler
        handler.handle_DATA = handle_DATA
        self.server = Server(handler, hostname="127.0.0.1", port=self.port)


def deliver(smtp, n):
    fleet = Fleet(1, smtp=smtp)
    sink = CountingSink().start()
    ship = fleet["ship1"]
    with open(ship.config, encoding="utf-8") as f:
        text = f.read()
    with open(ship.config, "w", encoding="utf-8") as f:
        f.write(text.replace(str(fleet.sinks["ship1"].port), str(sink.port)))
    try:
        with fleet:
            for _ in range(n):
                fleet["shore"].submit("ops@shore.example.mil",
                                      ["a@ship1.example.mil"], TEXT)
            sink.wait(n, 60)
    finally:
        sink.stop()
    return sink


def test_no_more_connections_than_configured():
    sink = deliver("retry_first: 1s\nhop_connections: 2", 40)
    assert sink.count() == 40
    assert sink.most <= 2


def test_no_message_earlier_than_configured():
    sink = deliver("retry_first: 1s\nhop_interval: 300ms", 8)
    gaps = [b - a for a, b in zip(sink.times, sink.times[1:])]
    # Neighbours may be late, one after the other; all together are not early.
    assert sink.times[-1] - sink.times[0] > 0.3 * 7 - 0.2, gaps
