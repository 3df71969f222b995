"""What the demo and the whole-program tests share: running gateways and a
radio channel, talking to them, and comparing what comes out with what went in.
"""
import json
import os
import random
import shutil
import signal
import smtplib
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("MULETEER_BUILD", "build"))


# Of a capture without frames.
PCAP_HEAD = 24


# Ports of this process; an abstract name says so to others until it ends.
_ports = []


def free_port(kind=socket.SOCK_STREAM):
    """One that nobody listens on, that the kernel gives to no connection, and
    that no other process that asks here gets."""
    while True:
        port = random.randrange(10000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0muleteer-test-port-{port}")
            with socket.socket(socket.AF_INET, kind) as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _ports.append(claim)
        return port


def wait_for(condition, seconds, what):
    """The first true value of condition(), or an error after so long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Process:
    """A program of ours with its output in files."""

    def __init__(self, name, directory, args, prefix=()):
        self.name = name
        self.args = list(prefix) + args
        self.log = os.path.join(directory, name + ".log")
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.args, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True)
        return self

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=20):
        """End it; the exit status."""
        if self.process is None:
            return 0
        if self.running():
            self.process.send_signal(sig)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def kill(self):
        return self.stop(signal.SIGKILL)


def findings(pcap, *options):
    """What mulecap finds wrong with a capture, a line each; no notes."""
    r = subprocess.run([os.path.join(BUILD, "mulecap"), "check", *options,
                        pcap], capture_output=True, text=True, timeout=120)
    lines = [s for s in r.stdout.splitlines() if " note " not in s]
    assert r.returncode == (1 if lines else 0), r.stderr
    return lines


class Channel(Process):
    """mulelink."""

    def __init__(self, directory, bit_rate=0, loss=0.0, delay_ms=0,
                 turnaround_ms=0, half_duplex=False, seed=1, pcap=None,
                 more="", args=()):
        self.port = free_port(socket.SOCK_DGRAM)
        self.stats_file = os.path.join(directory, "channel.json")
        config = os.path.join(directory, "channel.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f'listen: "127.0.0.1:{self.port}"\n'
                    f"bit_rate: {bit_rate}\nloss: {loss}\n"
                    f"delay_ms: {delay_ms}\nturnaround_ms: {turnaround_ms}\n"
                    f"half_duplex: {str(half_duplex).lower()}\n"
                    f"seed: {seed}\n{more}")
        self.control = os.path.join(directory, "channel.sock")
        args = [os.path.join(BUILD, "mulelink"), "-c", config,
                "-s", self.stats_file, "-u", self.control, *args]
        if pcap:
            args += ["-p", pcap]
        super().__init__("channel", directory, args)

    def start(self):
        before = self.read_log().count("listening") \
            if os.path.exists(self.log) else 0
        super().start()
        wait_for(lambda: self.read_log().count("listening") > before, 10,
                 "mulelink")
        return self

    def stats(self):
        with open(self.stats_file, encoding="utf-8") as f:
            return json.load(f)

    def ctl(self, *command):
        """What a running mulelink answers; its exit status is in "exit"."""
        run = subprocess.run(
            [os.path.join(BUILD, "mulelink"), "ctl", self.control, *command],
            stdout=subprocess.PIPE, check=False, timeout=10)
        return dict(json.loads(run.stdout), exit=run.returncode)


class Gateway(Process):
    """muled.  routes is a list of YAML flow mappings without braces."""

    def __init__(self, directory, name, node, nodes, hub, routes, link="",
                 smtp="", prefix=(), bearer=None):
        self.directory = os.path.join(directory, name)
        os.makedirs(self.directory, exist_ok=True)
        self.port = free_port()
        self.config = os.path.join(self.directory, "muled.yaml")
        self.state = os.path.join(self.directory, "state")
        bearer = bearer or f'bearer: emulated, hub: "127.0.0.1:{hub}"'
        members = ", ".join(nodes)
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"node:\n  hostname: {name}.example.mil\n  id: {node}\n"
                    f"  state_dir: {self.state}\n")
            f.write(f'smtp:\n  listen:\n    - {{address: "127.0.0.1:'
                    f'{self.port}"}}\n')
            f.write("".join(f"  {s}\n" for s in smtp.splitlines()))
            f.write("nodes:\n" + "".join(
                f"  - {{name: {n}, id: {i}}}\n" for n, i in nodes.items()))
            f.write(f"links:\n  - name: hf1\n    "
                    + bearer.replace(", ", "\n    ") + "\n")
            f.write("".join(f"    {s}\n" for s in link.splitlines()))
            f.write(f"    groups:\n      - {{name: fleet, address: "
                    f"239.142.0.1, members: [{members}]}}\n")
            f.write("routes:\n" + "".join(f"  - {{{r}}}\n" for r in routes))
        super().__init__(name, directory,
                         [os.path.join(BUILD, "muled"), "-c", self.config],
                         prefix)

    def start(self):
        before = self.read_log().count("muled.ready ") \
            if os.path.exists(self.log) else 0
        super().start()

        def ready():
            if not self.running():
                raise RuntimeError(f"{self.name} ended:\n{self.read_log()}")
            return self.read_log().count("muled.ready ") > before
        wait_for(ready, 20, f"{self.name} ready")
        return self

    def ask(self, **request):
        """The result of one request on the control socket."""
        with socket.socket(socket.AF_UNIX) as s:
            # Blocking, as mulectl: with a time-out a full backlog is EAGAIN.
            s.connect(os.path.join(self.state, "control.sock"))
            s.settimeout(20)
            s.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    raise ConnectionError("control socket closed")
                data += more
        answer = json.loads(data)
        if not answer["ok"]:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def status(self):
        return self.ask(cmd="status")

    def events(self, name):
        """The log lines of one event."""
        return [line for line in self.read_log().splitlines()
                if f"{name} " in line]

    def hold_commits(self):
        """Let every commit wait from now on, for seconds at most, as for a
        slow disk; until the function that is returned is called."""
        db = sqlite3.connect(os.path.join(self.state, "queue.db"),
                             isolation_level=None, check_same_thread=False)
        db.execute("BEGIN IMMEDIATE")
        return db.close

    def submit(self, sender, recipients, content, options=(), rcpt=()):
        """Submit by SMTP as it is; the reply to the message."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as s:
            s.ehlo("client.example")
            s.sendmail(sender, recipients, content, list(options),
                       list(rcpt))


class ExactSMTP(SMTP):
    """aiosmtpd, which decides little about what it takes."""
    line_length_limit = 100000
    command_size_limit = 8192


class Sink:
    """An SMTP server that keeps what it is given, byte for byte."""

    def __init__(self, size=64 * 1024 * 1024, port=None):
        self.messages = []
        self.lock = threading.Lock()
        sink = self

        class Handler:
            async def handle_DATA(self, _server, _session, envelope):
                with sink.lock:
                    sink.messages.append(
                        (envelope.mail_from, list(envelope.rcpt_tos),
                         envelope.original_content or b"",
                         list(envelope.mail_options)))
                return "250 2.0.0 kept"

        class Server(Controller):
            def factory(self):
                return ExactSMTP(self.handler, data_size_limit=size,
                                 enable_SMTPUTF8=False)

        self.port = port or free_port()
        self.server = Server(Handler(), hostname="127.0.0.1", port=self.port)

    def start(self):
        self.server.start()
        return self

    def stop(self):
        self.server.stop()

    def count(self):
        with self.lock:
            return len(self.messages)

    def wait(self, n, seconds):
        wait_for(lambda: self.count() >= n, seconds,
                 f"{n} messages in the sink")
        return self.messages


def crlf(content):
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def strip_trace(content):
    """The message without the trace fields that gateways put on top."""
    while content.lower().startswith((b"received:", b"return-path:")):
        end = content.index(b"\r\n") + 2
        while content[end:end + 1] in (b" ", b"\t"):
            end = content.index(b"\r\n", end) + 2
        content = content[end:]
    return content


class Fleet:
    """shore and some ships on one channel, with a sink behind each."""

    FAST = ("ack_delay_upper_bound: 20ms\nack_retransmission_time: 150ms\n"
            "ack_pdu_time: 400ms\nbit_rate: 100000000\n")

    def __init__(self, ships=2, link=None, smtp="retry_first: 1s",
                 directory=None, **channel):
        self.own = directory is None
        # Kinds of findings that a test is about; any other is an error.
        self.provoked = set()
        self.directory = directory or tempfile.mkdtemp(prefix="muleteer-")
        self.pcap = channel.setdefault(
            "pcap", os.path.join(self.directory, "air.pcap"))
        self.channel = Channel(self.directory, **channel)
        names = ["shore"] + [f"ship{i + 1}" for i in range(ships)]
        self.nodes = {n: f"10.142.0.{i + 1}" for i, n in enumerate(names)}
        self.sinks = {n: Sink() for n in names}
        self.gateways = {}
        for n in names:
            routes = [f'domain: {n}.example.mil, via: smtp, host: '
                      f'"127.0.0.1:{self.sinks[n].port}"']
            routes += [f"domain: {m}.example.mil, via: mule, node: {m}"
                       for m in names if m != n]
            self.gateways[n] = Gateway(
                self.directory, n, self.nodes[n], self.nodes,
                self.channel.port, routes, link or self.FAST, smtp)

    def __getitem__(self, name):
        return self.gateways[name]

    def __enter__(self):
        try:
            self.channel.start()
            for s in self.sinks.values():
                s.start()
            for g in self.gateways.values():
                g.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        codes = {n: g.stop() for n, g in self.gateways.items()}
        self.channel.stop()
        for s in self.sinks.values():
            try:
                s.stop()
            except AssertionError:
                pass  # never started
        return codes

    def __exit__(self, kind, value, trace):
        codes = self.stop()
        if kind is None and os.path.getsize(self.pcap) > PCAP_HEAD:
            found = [f for f in findings(self.pcap)
                     if f.split()[2].rstrip(":") not in self.provoked]
            assert found == [], found
        if kind is None and self.own:
            shutil.rmtree(self.directory, ignore_errors=True)
        elif self.own:
            print(f"logs: {self.directory}")
        if kind is None:
            assert all(c == 0 for c in codes.values()), codes
            for g in self.gateways.values():
                log = g.read_log() if os.path.exists(g.log) else ""
                assert "muled.leak" not in log
