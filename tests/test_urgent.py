"""What is urgent does not wait for what is not."""
import base64
import os
import subprocess
import tempfile

import pytest

from muleteer import Gateway, wait_for
from urgent import FLASH, ROUTINE, Silence, overtaken, submit

SLOTS = 4


def fill(port, n, size):
    """Messages that do not compress to nothing."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"Subject: routine\n\n"
                   + base64.encodebytes(os.urandom(size)))
        body.flush()
        subprocess.run(["smtp-source", "-d", "-s", "10", "-m", str(n), "-F",
                        body.name, "-f", "a@away.example", "-t",
                        "b@ship.example", f"127.0.0.1:{port}"], check=True)


def gateway(directory, silence, link):
    return Gateway(directory, "shore", "10.142.0.1", {"ship": "10.142.0.2"},
                   silence.port, ['domain: "*", via: mule, node: ship'],
                   f"max_in_flight: {SLOTS}\n" + link).start()


@pytest.mark.parametrize("link", [
    # The first Routine messages are on their way out, 3 s for a PDU.
    "preset: hf-2400\nhalf_duplex: false\nbit_rate: 4000\n",
    # All slots are full of Routine messages that wait for Acks.
    "preset: lan\nack_retransmission_time: 1h\npolls: 0\n",
])
def test_flash_message_overtakes_all_routine_messages(link):
    with tempfile.TemporaryDirectory() as directory:
        silence = Silence()
        shore = gateway(directory, silence, link)
        try:
            fill(shore.port, 1000, 5000)
            wait_for(lambda: silence.count(ROUTINE) > 1, 20, "Routine PDUs")
            routine, _ = overtaken(silence, shore.port, "b@ship.example")
            assert routine <= 1
        finally:
            shore.stop()


def test_many_flash_messages_are_sent_slots_at_a_time():
    with tempfile.TemporaryDirectory() as directory:
        silence = Silence()
        link = "preset: lan\nack_retransmission_time: 1h\npolls: 0\n"
        shore = gateway(directory, silence, link)
        try:
            fill(shore.port, 20, 500)
            wait_for(lambda: len(shore.events("mule.sending")) == SLOTS, 20,
                     "the slots of Routine messages")
            # As little more urgent as can be.
            submit(shore.port, "b@ship.example", "more", 500, 1)
            wait_for(lambda: len(shore.events("mule.sending")) == SLOTS + 1,
                     20, "the slot of one more urgent message")
            for _ in range(SLOTS + 3):
                submit(shore.port, "b@ship.example", "flash", 500, 6)
            wait_for(lambda: len(shore.events("mule.sending"))
                     == 2 * SLOTS + 1, 20, "the slots of Flash messages")
            # One that is between the two has none: they count all above.
            submit(shore.port, "b@ship.example", "immediate", 500, 4)
            submit(shore.port, "b@ship.example", "routine", 500, 0)
            wait_for(lambda: shore.status()["queue"]["pending"] == 0, 20,
                     "the queue at rest")
            sent = [line.rsplit("=", 1)[1]
                    for line in shore.events("mule.sending")]
            assert sent == ([str(ROUTINE)] * SLOTS + [str(ROUTINE - 1)]
                            + [str(FLASH)] * SLOTS)
        finally:
            shore.stop()
