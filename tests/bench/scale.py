"""What a long queue costs: N=100000 messages of 5 KB for one link whose node
does not answer.  Prints memory, start-up, the first page of the list, the rate
at which the first and the last tenth was accepted, and how many PDUs of these
messages leave between the acceptance of a Flash message and its first PDU.
"""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "lib"))
# pylint: disable=wrong-import-position
from muleteer import BUILD, Gateway, wait_for  # noqa: E402
from urgent import ROUTINE, Silence, overtaken  # noqa: E402

N = int(os.environ.get("N", "100000"))
# A radio that can be heard at once, and its Routine messages never end.
LINK = "preset: hf-9600\nhalf_duplex: false\n"


def push(port, n):
    begin = time.monotonic()
    subprocess.run(["smtp-source", "-d", "-s", "50", "-m", str(n), "-l",
                    "5120", "-f", "a@away.example", "-t", "b@ship.example",
                    f"127.0.0.1:{port}"], check=True)
    return n / (time.monotonic() - begin)


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return [line.split()[1] for line in f if line.startswith("VmRSS")][0]


def main():
    with tempfile.TemporaryDirectory(prefix="scale-") as directory:
        silence = Silence()
        gw = Gateway(directory, "long", "10.142.0.1", {"ship": "10.142.0.2"},
                     silence.port, ['domain: "*", via: mule, node: ship'], LINK
                     ).start()
        try:
            for i in range(10):
                print(f"tenth {i + 1}: {push(gw.port, N // 10):.0f} a second,"
                      f" resident {resident(gw.process.pid)} KiB", flush=True)
            print(gw.status()["queue"])
            gw.stop()
            begin = time.monotonic()
            gw.start()
            print(f"start-up {time.monotonic() - begin:.2f} s")
            begin = time.monotonic()
            subprocess.run(
                [os.path.join(BUILD, "mulectl"), "-s",
                 os.path.join(gw.state, "control.sock"), "queue", "list"],
                check=True, stdout=subprocess.DEVNULL)
            print(f"first page of the list "
                  f"{time.monotonic() - begin:.2f} s")
            time.sleep(3)
            print(f"resident after the start {resident(gw.process.pid)} KiB")
            wait_for(lambda: silence.count(ROUTINE), 60, "a Routine PDU")
            pdus, seconds = overtaken(silence, gw.port, "b@ship.example", 60)
            print(f"Flash: {pdus} PDUs of Routine messages before its first, "
                  f"{seconds:.2f} s from its SMTP session on")
        finally:
            gw.stop()


if __name__ == "__main__":
    main()
