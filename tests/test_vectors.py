"""The vectors of test-vectors/ that no unit test reads: reports by the strict
checker, dialogues with a gateway that runs, captures by mulecap and tshark."""
import glob
import hashlib
import json
import os
import re
import socket
import subprocess

import pytest

import dsn_check
import oracle
from muleteer import BUILD, TOP, Fleet, wait_for
from test_mulecap_oracle import agree

VECTORS = os.path.join(TOP, "test-vectors")


def names(kind, end):
    found = sorted(glob.glob(os.path.join(VECTORS, kind, "*" + end)))
    assert found
    return [os.path.basename(f)[:-len(end)] for f in found]


def text_of(kind, name):
    with open(os.path.join(VECTORS, kind, name + ".txt"),
              encoding="utf-8") as f:
        return f.read()


def test_every_vector_says_what_it_is():
    for kind in os.listdir(VECTORS):
        directory = os.path.join(VECTORS, kind)
        if not os.path.isdir(directory):
            continue
        for name in os.listdir(directory):
            stem = os.path.splitext(name)[0].removesuffix("-internet")
            if name.endswith(".yaml"):
                stem = re.sub(r"-(shore|ship\d)$", "", stem)
            text = text_of(kind, stem)
            assert "Origin: " in text, (kind, name)


@pytest.mark.parametrize("name", names("dsn", ".eml"))
def test_reports_are_what_they_say(name):
    with open(os.path.join(VECTORS, "dsn", name + ".eml"), "rb") as f:
        content = f.read()
    (want,) = [line[10:] for line in text_of("dsn", name).splitlines()
               if line.startswith("Expected: ")]
    assert name.startswith("bad-") == (want != "accepted")
    try:
        dsn_check.check(content)
        got = "accepted"
    except dsn_check.Bad as e:
        got = str(e)
    assert got == want


class Session:
    """One dialogue, line by line."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.data = b""

    def reply(self):
        """The first line of the next reply, its others read and dropped."""
        first = None
        while True:
            while b"\r\n" not in self.data:
                more = self.socket.recv(65536)
                assert more, f"closed after {first}"
                self.data += more
            line, self.data = self.data.split(b"\r\n", 1)
            first = first or line.decode()
            if line[3:4] != b"-":
                return first

    def say(self, text, end=b"\r\n"):
        self.socket.sendall(
            text.replace("\\r", "\r").replace("\\n", "\n").encode() + end)


@pytest.fixture(name="fleet", scope="module")
def one_gateway():
    with Fleet(0, smtp="retry_first: 1s") as fleet:
        yield fleet


def talk(port, script):
    """The messages it ought to leave."""
    session, accepted, content = Session(port), 0, False
    for line in script.splitlines():
        if line.startswith("C: "):
            session.say(line[3:])
        elif line.startswith("C+ "):
            session.say(line[3:], b"")
        elif line.startswith("S: "):
            got = session.reply()
            assert got.startswith(line[3:]), (line, got)
            accepted += got.startswith("250 2.0.0 Queued")
        else:
            assert line.startswith("#") and not content, line
    session.socket.settimeout(10)
    return session, accepted


@pytest.mark.parametrize("name", names("smtp", ".txt"))
def test_dialogues_go_as_written(name, fleet):
    before = fleet.sinks["shore"].count()
    session, accepted = talk(fleet["shore"].port, text_of("smtp", name))
    with session.socket as s:
        # Every dialogue ends with the session.
        assert session.data == b"" and s.recv(1) == b""
    wait_for(lambda: fleet.sinks["shore"].count() >= before + accepted, 10,
             "what was accepted")
    assert fleet.sinks["shore"].count() == before + accepted


# --- captures -----------------------------------------------------------------------

MULECAP = os.path.join(BUILD, "mulecap")
CAPTURES = names("capture", ".pcap")


def pcap_of(name):
    return os.path.join(VECTORS, "capture", name + ".pcap")


def said(name, what):
    """The lines of the .txt that begin with this."""
    return [line[len(what) + 2:] for line in
            text_of("capture", name).splitlines()
            if line.startswith(what + ": ")]


def mulecap(*args):
    r = subprocess.run([MULECAP, *args], capture_output=True, text=True,
                       timeout=60, check=False)
    assert r.returncode in (0, 1), r.stderr
    return r.returncode, r.stdout


def test_every_kind_of_capture_is_there():
    assert set(CAPTURES) == {"clean", "lossy", "emcon", "split-lists",
                             "dynamic-group", "ntnu-like", "hostile"}


@pytest.mark.parametrize("name", CAPTURES)
def test_check_finds_what_is_said_and_nothing_else(name):
    rc, out = mulecap("check", pcap_of(name))
    found = re.findall(r"(?m)^frame (\d+) (?!note )([a-z-]+):", out)
    assert sorted(f"frame {n} {kind}" for n, kind in found) == sorted(
        said(name, "Finding"))
    assert [str(rc)] == said(name, "Check")


@pytest.mark.parametrize("name", CAPTURES)
def test_show_agrees_with_tshark_in_every_field(name):
    shown = mulecap("show", "--json", pcap_of(name))[1].splitlines()
    good = [s for s in shown if "error" not in json.loads(s)]
    assert len(good) == agree(pcap_of(name))
    (frames,) = said(name, "PDUs")
    assert len(oracle.fields(pcap_of(name), "frame.number")) == int(frames)
    bad = {f.split()[1] for f in said(name, "Finding")
           if f.split()[2] in ("malformed", "checksum", "type")}
    assert {str(json.loads(s)["frame"]) for s in shown} - {
        str(json.loads(s)["frame"]) for s in good} == bad


@pytest.mark.parametrize("name", CAPTURES)
def test_messages_are_extracted_whole(name, tmp_path):
    mulecap("extract", "-o", str(tmp_path), pcap_of(name))
    found = set()
    for path in tmp_path.glob("*.payload"):
        source, msid = path.stem.rsplit("-", 1)
        size = path.with_suffix(".cdt").stat().st_size
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.add(f"{source} {msid} {size} {digest}")
        assert path.with_suffix(".eml").stat().st_size > 0
    assert found == set(said(name, "Message")) and found
    listed = [json.loads(line) for line in
              mulecap("list", "--json", pcap_of(name))[1].splitlines()]
    whole = {f"{m['source']} {m['id']}" for m in listed
             if all(d["outcome"] == "acked" for d in m["destinations"])}
    assert whole == {" ".join(f.split()[:2]) for f in found}


def replays():
    return [(n, how) for n in CAPTURES for how in said(n, "Replay")]


@pytest.mark.parametrize("name,how", replays())
def test_our_engine_does_what_our_node_did(name, how):
    node, *options = how.split()
    config = os.path.join(VECTORS, "capture", f"{name}-{node}.yaml")
    runs = {mulecap("replay", "--engine", "--config", config, *options,
                    pcap_of(name)) for _ in range(2)}
    ((rc, out),) = runs
    assert rc == 0, out
    same, lost, others = re.search(
        r"(\d+) PDUs the same, 0 differences; (\d+) of (\d+) PDUs", out).groups()
    assert int(same) > 0
    assert "not compared" not in out
    if name in ("clean", "dynamic-group"):
        assert int(lost) == 0, others


def test_an_engine_with_other_parameters_does_not(tmp_path):
    config = os.path.join(VECTORS, "capture", "clean-shore.yaml")
    with open(config, encoding="utf-8") as f:
        text = f.read()
    assert "pdu_max: 400" in text
    other = tmp_path / "other.yaml"
    other.write_text(text.replace("pdu_max: 400", "pdu_max: 380"))
    rc, out = mulecap("replay", "--engine", "--config", str(other),
                      pcap_of("clean"))
    assert rc == 1 and "only our engine" in out
