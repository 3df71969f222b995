"""Mail through two gateways: smtp-source -> muled A -> P_MUL by multicast on
loopback, 100 Mbit/s, preset `lan` -> muled B -> smtp-sink.  Every message has
a recipient of its own, so that the sink tells which came, and how often.

    through.py
TIME=60 seconds of mail, RATE=1000 messages a second that are offered (0: as
many as are accepted), SESSIONS=20 kept connections, KB=5 of text in each,
WINDOW=1000 transmissions at a time.  PERF=1 and STRACE=1 watch both gateways
in the middle (STRACE slows them down).  KEEP=1 keeps the directory.

Runs in a network namespace of its own: as root, or where `unshare -Urn` may.
The figures need two cores for themselves: the load is printed.
"""
import collections
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "lib"))
# pylint: disable=wrong-import-position
from muleteer import BUILD, Gateway, Process, free_port, wait_for  # noqa: E402

TIME = float(os.environ.get("TIME", "60"))
RATE = int(os.environ.get("RATE", "1000"))
SESSIONS = int(os.environ.get("SESSIONS", "20"))
KB = int(os.environ.get("KB", "5"))
WINDOW = int(os.environ.get("WINDOW", "1000"))
PDUS = ("pdus_out", "data_out", "data_again", "acks_out", "polls", "duplicates")
# Nothing arrives for so long: the rest is lost.
PATIENCE = 60
NODES = {"a": "10.142.0.1", "b": "10.142.0.2"}
LINK = (f"preset: lan\nbit_rate: 100000000\nmax_in_flight: {WINDOW}\n"
        + os.environ.get("LINK", ""))


def enter_namespace():
    """Both gateways are on loopback, each with an address of its own."""
    if os.environ.get("THROUGH_INSIDE") != "1":
        os.environ["THROUGH_INSIDE"] = "1"
        flags = "-n" if os.geteuid() == 0 else "-Urn"
        os.execvp("unshare", ["unshare", flags, sys.executable, *sys.argv])
    for command in ["ip link set lo up multicast on"] + [
            f"ip address add {a}/24 dev lo" for a in NODES.values()]:
        subprocess.run(command.split(), check=True)


def text():
    """A message that compresses as mail does: words of a small language."""
    rng = random.Random(1)
    letters = "etaoinshrdlu"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9)))
             for _ in range(400)]
    lines, size = ["Subject: bench", "From: <s@away.example>", ""], 0
    while size < KB * 1024:
        lines.append(" ".join(rng.choices(words, k=10)))
        size += len(lines[-1]) + 2
    return "\n".join(lines) + "\n"


class Sink(Process):
    """smtp-sink; it writes all it gets into one file, in memory."""

    def __init__(self, directory, kept):
        self.port = free_port()
        self.kept = os.path.join(kept, "kept")
        super().__init__("sink", directory, [
            "smtp-sink", "-u", "root", "-m", "1000", "-D", self.kept,
            f"127.0.0.1:{self.port}", "1000"])

    def recipients(self):
        """How often each recipient's message came."""
        found = collections.Counter()
        if os.path.exists(self.kept):
            with open(self.kept, encoding="latin-1") as f:
                for line in f:
                    if line.startswith("X-Rcpt-Args:"):
                        found[re.search("<(.*)@", line).group(1)] += 1
        return found


class Watch:
    """CPU time and what the kernel counts, of one gateway."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.pid = gateway.process.pid
        self.begin = self.cpu()

    def cpu(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return [int(fields[i]) / os.sysconf("SC_CLK_TCK") for i in (11, 12)]

    def resident(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return [s.split()[1] for s in f if s.startswith("VmHWM")][0]

    def show(self, n):
        user, system = (b - a for a, b in zip(self.begin, self.cpu()))
        print(f"{self.gateway.name}: peak resident {self.resident()} KiB, CPU "
              f"a message {user / n * 1e6:.0f} us user, "
              f"{system / n * 1e6:.0f} us system; "
              + ", ".join(f"{k} {v / n:.2f}" for k, v in self.counts()))

    def counts(self):
        """Since the start: there was nothing before."""
        status = self.gateway.status()
        queue, link = status["queue"], status["links"][0]["counters"]
        return [(k, queue[k]) for k in ("commits", "transactions")] + [
            (k, v) for k, v in link.items() if v and k in PDUS]


def watchers(directory, gateways):
    """perf and strace, for some seconds in the middle."""
    if TIME < 8:
        return []
    seconds, found = str(int(min(8, TIME / 2))), []
    for g in gateways:
        name = os.path.join(directory, g.name)
        pid = str(g.process.pid)
        if os.environ.get("PERF"):
            found.append(["perf", "record", "-q", "-g", "-F", "499", "-p",
                          pid, "-o", name + ".perf", "sleep", seconds])
        if os.environ.get("STRACE"):
            found.append(["timeout", "-s", "INT", seconds, "strace", "-f",
                          "-c", "-p", pid, "-o", name + ".strace"])
    return [subprocess.Popen(["sh", "-c", 'sleep 2; exec "$@"', "sh", *c],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL) for c in found]


def offer(port, body, batch, n):
    subprocess.run(
        ["smtp-source", "-d", "-N", "-s", str(min(SESSIONS, n)), "-m", str(n),
         "-F", body, "-f", "s@away.example", "-t", f"r{batch}@ship.example",
         f"127.0.0.1:{port}"], check=True)


def send(port, body):
    """Messages sent, and the time it took."""
    begin, sent, batch = time.monotonic(), 0, 0
    while time.monotonic() - begin < TIME:
        n = RATE or 2000
        offer(port, body, batch, n)
        sent += n
        batch += 1
        if RATE:
            time.sleep(max(0, begin + sent / RATE - time.monotonic()))
    return sent, time.monotonic() - begin


def arrived(b):
    return b.status()["smtp"]["delivered"]


def wait_all(b, sent):
    """Until all have arrived, or nothing moves any more."""
    last, moved = -1, time.monotonic()
    while True:
        n, now = arrived(b), time.monotonic()
        if n != last:
            last, moved = n, now
        if n >= sent or now - moved > PATIENCE:
            return moved
        time.sleep(0.05)


def measure(a, b, sink, directory):
    body = os.path.join(directory, "body")
    with open(body, "w", encoding="ascii") as f:
        f.write(text())
    watches = [Watch(a), Watch(b)]
    watch_sink = Watch(sink)
    others = watchers(directory, (a, b))
    begin = time.monotonic()
    sent, took = send(a.port, body)
    during = arrived(b)
    last = wait_all(b, sent) - begin
    for p in others:
        p.wait()
    print(f"accepted {sent}: {sent / took:.0f} a second in {took:.1f} s")
    print(f"delivered in that time {during}: {during / took:.0f} a second")
    print(f"the last arrived {last - took:.1f} s later; through "
          f"{sent / last:.0f} a second")
    for w in watches:
        w.show(sent)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"smtp-source and smtp-sink: CPU a message "
          f"{(used.ru_utime + used.ru_stime) / sent * 1e6:.0f} + "
          f"{sum(watch_sink.cpu()) / sent * 1e6:.0f} us")
    got = sink.recipients()
    twice = sum(n - 1 for n in got.values())
    print(f"sent {sent}, arrived {len(got)}, lost {sent - len(got)}, "
          f"duplicates {twice}; load {os.getloadavg()[0]:.1f}", flush=True)
    return 0 if len(got) == sent else 1


def run(directory, kept):
    sink = Sink(directory, kept)
    a = Gateway(directory, "a", NODES["a"], NODES, 0,
                ['domain: "*", via: mule, node: b'], LINK,
                bearer=f"bearer: udp, interface: {NODES['a']}")
    b = Gateway(directory, "b", NODES["b"], NODES, 0,
                ['domain: "*", via: smtp, host: "127.0.0.1:'
                 f'{sink.port}"'], LINK,
                bearer=f"bearer: udp, interface: {NODES['b']}")
    try:
        for p in (sink, b, a):
            p.start()
        wait_for(sink.running, 5, "smtp-sink")
        return measure(a, b, sink, directory)
    finally:
        for p in (a, b, sink):
            p.stop()


def main():
    enter_namespace()
    print(f"muled: {BUILD}; {TIME:.0f} s, {RATE or 'unlimited'} a second, "
          f"{KB} KB, {SESSIONS} sessions, window {WINDOW}; load before "
          f"{os.getloadavg()[0]:.1f}", flush=True)
    directory = tempfile.mkdtemp(prefix="through-")
    memory = tempfile.mkdtemp(prefix="through-", dir="/dev/shm")
    try:
        return run(directory, memory)
    finally:
        shutil.rmtree(memory)
        if os.environ.get("KEEP"):
            print(directory)
        else:
            shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
