"""Other people's mail programs on either side."""
import os
import pwd
import subprocess

from muleteer import Fleet, free_port, wait_for


def run(*args):
    return subprocess.run(args, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=True,
                          timeout=120).stdout


def test_swaks_submits():
    with Fleet(1) as fleet:
        out = run("swaks", "--server", f"127.0.0.1:{fleet['shore'].port}",
                  "--ehlo", "swaks.example", "--from",
                  "ops@shore.example.mil", "--to", "a@ship1.example.mil",
                  "--h-Subject", "swaks", "--body", "hello\n.\nthere")
        assert "250 2.0.0 Queued" in out
        (_, _, content, _), = fleet.sinks["ship1"].wait(1, 30)
        assert b"hello\r\n.\r\nthere" in content


def test_smtp_source_submits_by_many_sessions_and_by_few():
    with Fleet(1) as fleet:
        for kept, sessions in (([], "10"), (["-d"], "5")):
            run("smtp-source", "-c", "-m", "100", "-s", sessions, "-l",
                "2000", "-f", "ops@shore.example.mil", "-t",
                "a@ship1.example.mil", *kept,
                f"127.0.0.1:{fleet['shore'].port}")
        fleet.sinks["ship1"].wait(200, 60)
        wait_for(lambda: fleet["ship1"].status()["queue"]["messages"] == 0,
                 30, "nothing left")
        assert fleet.sinks["ship1"].count() == 200
        assert fleet["shore"].status()["smtp"]["accepted"] == 200


class PostfixSink:
    """Postfix's smtp-sink behind ship1 of a fleet."""

    def __init__(self, fleet, directory, *options):
        user = pwd.getpwuid(os.getuid()).pw_name
        port = free_port()
        os.chmod(directory, 0o777)
        self.process = subprocess.Popen(
            ["smtp-sink", "-c", "-u", "nobody" if user == "root" else user,
             *options, f"127.0.0.1:{port}", "100"], cwd=directory,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ship = fleet["ship1"].config
        with open(ship, encoding="utf-8") as f:
            text = f.read()
        with open(ship, "w", encoding="utf-8") as f:
            f.write(text.replace(str(fleet.sinks["ship1"].port), str(port)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def delivered(fleet, n):
    wait_for(lambda: fleet["ship1"].status()["smtp"]["delivered"] == n, 60,
             f"{n} delivered to smtp-sink")


def test_smtp_sink_takes_delivery(tmp_path):
    fleet = Fleet(1)
    with PostfixSink(fleet, tmp_path, "-d", "%M."), fleet:
        for i in range(20):
            fleet["shore"].submit(
                "ops@shore.example.mil", ["a@ship1.example.mil"],
                b"Subject: %d\r\n\r\n.dot\r\n" % i)
        delivered(fleet, 20)
        assert not fleet["ship1"].events("smtp.deferred")
    files = [f for f in os.listdir(tmp_path) if "." in f]
    assert len(files) == 20
    for name in files:
        with open(tmp_path / name, "rb") as f:
            assert b"\n.dot\n" in f.read()


def test_a_server_without_8bitmime_gets_what_is_only_labelled_so(tmp_path):
    fleet = Fleet(1)
    with PostfixSink(fleet, tmp_path, "-8"), fleet:
        fleet["shore"].submit(
            "ops@shore.example.mil", ["a@ship1.example.mil"],
            b"Subject: plain\r\n\r\nASCII\r\n", ["BODY=8BITMIME"])
        delivered(fleet, 1)
        fleet["shore"].submit(
            "ops@shore.example.mil", ["a@ship1.example.mil"],
            b"Subject: not plain\r\n\r\n\xc3\x84\r\n", ["BODY=8BITMIME"])
        (_, rcpts, report, _), = fleet.sinks["shore"].wait(1, 30)
        assert rcpts == ["ops@shore.example.mil"]
        assert b"Status: 5.6.3" in report
