"""What a server did not take is tried again when it is due, not when the
scheduler happens to look: retry_first is kept though it is short.
"""
import re

from muleteer import Fleet, Sink, wait_for

CONTENT = b"Subject: again\r\n\r\nText.\r\n"


class Moody(Sink):
    """A sink that refuses the first message for a while."""

    def __init__(self):
        super().__init__()
        self.refused = []
        keep = self.server.handler.handle_DATA

        async def handle(server, session, envelope):
            if not self.refused:
                self.refused.append(envelope)
                return "450 4.3.0 not now"
            return await keep(server, session, envelope)
        self.server.handler.handle_DATA = handle


def to_ship(fleet):
    fleet["shore"].submit("ops@shore.example.mil", ["a@ship1.example.mil"],
                          CONTENT)


def test_a_refused_message_is_tried_again_when_it_is_due():
    fleet = Fleet(1)
    sink = Moody()
    with open(fleet["ship1"].config, encoding="utf-8") as f:
        text = f.read().replace(f':{fleet.sinks["ship1"].port}"',
                                f':{sink.port}"')
    with open(fleet["ship1"].config, "w", encoding="utf-8") as f:
        f.write(text)
    fleet.sinks["ship1"] = sink
    with fleet:
        to_ship(fleet)
        sink.wait(1, 6)
        line, = fleet["ship1"].events("smtp.deferred")
        assert "attempts=1 " in line


def test_a_server_that_was_down_gets_its_mail_when_the_pause_is_over():
    with Fleet(1) as fleet:
        fleet.sinks["ship1"].stop()
        to_ship(fleet)
        line = wait_for(lambda: fleet["ship1"].events("smtp.unreachable"), 10,
                        "unreachable")[0]
        assert re.search(r"failures=1 retry_s=[12]$", line), line
        again = fleet.sinks["ship1"] = Sink(
            port=fleet.sinks["ship1"].port).start()
        again.wait(1, 6)
