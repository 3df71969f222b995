"""How many messages a second a mail server accepts onto the disk: muled beside
Postfix, OpenSMTPD and Exim, all on one file system, each with the sync that it
comes with, delivery deferred.  Servers take turns within a run, and a cell is
the median of its runs.  Needs root, for the namespaces of tests/lib/mta.py.

    queue.py [SERVER:KB:SESSIONS:KIND ...]     kind: kept, each; * is any
RUNS=3 how often, SECONDS=2 how long a measurement is to take, about.
"""
import fnmatch
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "lib"))
# pylint: disable=wrong-import-position
from mta import Exim, OpenSmtpd, Postfix  # noqa: E402
from muleteer import Gateway, free_port   # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
SECONDS = float(os.environ.get("SECONDS", "2"))
SIZES = (1, 10, 100)
SESSIONS = (1, 10, 50)
KINDS = ("kept", "each")


class QuietPostfix(Postfix):
    """Nothing is delivered before somebody asks for it.  What main.cf of the
    tests hastens is as Debian ships it again."""
    extra = ("defer_transports = smtp relay\n"
             "minimal_backoff_time = 300s\nqueue_run_delay = 300s\n"
             "smtpd_client_connection_count_limit = 0\n")


class QuietExim(Exim):
    CONFIG = Exim.CONFIG.replace(
        "never_users =\n",
        "never_users =\nqueue_only = true\nsmtp_accept_max = 200\n"
        "smtp_accept_reserve = 0\n").replace(
        "smtp_accept_max_per_connection = 1000",
        "smtp_accept_max_per_connection = 1000000")


class QuietOpenSmtpd(OpenSmtpd):
    def configure(self):
        super().configure()
        with open(self.path("etc/smtpd.conf"), encoding="ascii") as f:
            text = f.read()
        self.write("etc/smtpd.conf",
                   "smtp limit max-mails 1000000\n" + text, 0o600)

    def start(self):
        super().start()
        self.control("pause", "mta")
        return self


class Muled(Gateway):
    """As it comes; its next hop does not answer."""

    def __init__(self, directory):
        super().__init__(directory, "muled", "10.142.0.1",
                         {"ship": "10.142.0.2"}, free_port(),
                         ['domain: "*", via: smtp, host: "127.0.0.1:'
                          f'{free_port()}"'])


def start(kind, directory):
    if kind == "muled":
        return Muled(directory).start()
    server = {"postfix": QuietPostfix, "exim": QuietExim,
              "opensmtpd": QuietOpenSmtpd}[kind](
                  directory, "own.example", free_port())
    return server.start()


def push(port, kb, sessions, kind, n):
    """Messages a second."""
    args = ["smtp-source", "-s", str(sessions), "-m", str(n),
            "-l", str(kb * 1024), "-f", "a@away.example",
            "-t", "b@far.example"]
    args += ["-d"] if kind == "kept" else []
    begin = time.monotonic()
    subprocess.run(args + [f"127.0.0.1:{port}"], check=True, timeout=300,
                   stdout=subprocess.DEVNULL)
    return n / (time.monotonic() - begin)


def measure(server, kb, sessions, kind):
    """Long enough to mean something, found from a short trial.  Kept sessions
    get many messages each: some servers have a short backlog, and a session
    whose first SYN is dropped begins seconds late."""
    rate = push(server.port, kb, sessions, kind, max(50, 2 * sessions))
    least = 40 * sessions if kind == "kept" else 2 * sessions
    return push(server.port, kb, sessions, kind,
                max(100, least, int(rate * SECONDS)))


def wanted(patterns, *cell):
    name = ":".join(str(c) for c in cell)
    return not patterns or any(fnmatch.fnmatchcase(name, p) for p in patterns)


def main():
    patterns = sys.argv[1:]
    names = ("muled", "postfix", "opensmtpd", "exim")
    cells = [(kb, s, kind) for kb in SIZES for s in SESSIONS for kind in KINDS]
    cells = [c for c in cells
             if any(wanted(patterns, n, *c) for n in names)]
    names = [n for n in names if any(wanted(patterns, n, *c) for c in cells)]
    found = {}
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="queue-") as directory:
            servers = {}
            try:
                for name in names:
                    servers[name] = start(name, directory)
                for cell in cells:
                    for name in names:
                        if not wanted(patterns, name, *cell):
                            continue
                        rate = measure(servers[name], *cell)
                        found.setdefault((name, *cell), []).append(rate)
                        print(name, *cell, f"{rate:.0f}", file=sys.stderr,
                              flush=True)
            finally:
                for server in servers.values():
                    server.stop()
    show(names, cells, found)


def show(names, cells, found):
    mid = {k: statistics.median(v) for k, v in found.items()}
    print("| KB | sessions | connections | " + " | ".join(names)
          + " | muled / Postfix | muled / fastest other |")
    print("|" + "---|" * (len(names) + 5))
    for cell in cells:
        row = [mid.get((n, *cell)) for n in names]
        get = dict(zip(names, row))
        mule, postfix = get.get("muled"), get.get("postfix")
        others = [v for n, v in get.items() if n != "muled" and v]
        print("| " + " | ".join(
            [str(c) for c in cell]
            + [f"{v:.0f}" if v else "-" for v in row]
            + [f"{mule / postfix:.1f}" if mule and postfix else "-",
               f"{mule / max(others):.1f}" if mule and others else "-"])
            + " |", flush=True)


if __name__ == "__main__":
    main()
