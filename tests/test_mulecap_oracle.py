"""mulecap beside tshark: the same captures, every field, every message."""
import glob
import json
import os
import random
import struct
import subprocess
from datetime import datetime

import pytest

import oracle
from muleteer import BUILD, TOP, Fleet, crlf, strip_trace, wait_for

MULECAP = os.path.join(BUILD, "mulecap")
A4, G4 = 0x0A8E0001, 0xEF010101
V6 = bytes.fromhex("20010db8000000000000000000000001"
                   "ff020000000000000000000000000142")
T0 = 1700000000
TYPES = {0: "Data_PDU", 1: "Ack_PDU", 2: "Address_PDU",
         3: "Discard_Message_PDU", 4: "Announce_PDU", 5: "Request_PDU",
         6: "Reject_PDU", 7: "Release_PDU", 8: "FEC_Address_PDU",
         18: "Extra_Address_PDU", 24: "Extra_FEC_Address_PDU"}


# --- captures of every kind -------------------------------------------------

def udp(pdu):
    return struct.pack(">HHHH", 2754, 2753, 8 + len(pdu), 0) + pdu


def ip4(pdu, ident=1, cut=None):
    """The IPv4 packets of a datagram; cut: octets in each fragment."""
    whole, out = udp(pdu), []
    step = cut or len(whole)
    for at in range(0, len(whole), step):
        part = whole[at:at + step]
        more = 0x2000 if at + step < len(whole) else 0
        out.append(struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(part),
                               ident & 0xffff, more | at // 8, 64, 17, 0, A4,
                               G4) + part)
    return out


def ip6(pdu, ident=1, cut=None):
    whole, out = udp(pdu), []
    if cut is None:
        return [struct.pack(">IHBB", 6 << 28, len(whole), 17, 64) + V6 + whole]
    for at in range(0, len(whole), cut):
        part = whole[at:at + cut]
        head = struct.pack(">BBHI", 17, 0, at | (at + cut < len(whole)), ident)
        out.append(struct.pack(">IHBB", 6 << 28, 8 + len(part), 44, 64) + V6
                   + head + part)
    return out


def kind(packet):
    return b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"


MACS = bytes(range(12))
SLL = b"\0\0\0\1\0\6" + MACS[:6] + b"\0\0"
LINKS = {
    "ethernet": (1, lambda p: MACS + kind(p) + p),
    "ethernet, padded": (1, lambda p: (MACS + kind(p) + p).ljust(60, b"\0")),
    "vlan": (1, lambda p: MACS + b"\x81\0\0\7" + kind(p) + p),
    "two vlans": (1, lambda p: MACS + b"\x88\xa8\0\1\x81\0\0\2" + kind(p) + p),
    "raw": (101, lambda p: p),
    "sll": (113, lambda p: SLL + kind(p) + p),
    "sll2": (276, lambda p: kind(p) + b"\0\0\0\0\0\1\0\1\0\6" + MACS[:6]
             + b"\0\0" + p),
    "loopback": (0, lambda p: struct.pack(
        "<I", 2 if p[0] >> 4 == 4 else 24) + p),
    "openbsd": (108, lambda p: struct.pack(
        ">I", 2 if p[0] >> 4 == 4 else 24) + p),
}


def pcap(link, frames):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    return out + b"".join(
        struct.pack("<IIII", T0, 1000 * i, len(f), len(f)) + f
        for i, f in enumerate(frames))


def pcap_big_endian_ns(link, frames):
    out = struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link)
    return out + b"".join(
        struct.pack(">IIII", T0, 1000000 * i, len(f), len(f)) + f
        for i, f in enumerate(frames))


def pcapng(link, frames):
    out = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    out += struct.pack("<IIHHII", 1, 20, link, 0, 262144, 20)
    for i, f in enumerate(frames):
        pad = f + bytes(-len(f) % 4)
        us = T0 * 1000000 + 1000 * i
        size = 32 + len(pad)
        out += struct.pack("<IIIIIII", 6, size, 0, us >> 32, us & 0xffffffff,
                           len(f), len(f)) + pad + struct.pack("<I", size)
    return out


def vectors(good_only=False):
    for path in sorted(glob.glob(os.path.join(TOP, "test-vectors/pmul/*.bin"))):
        if good_only and "/bad-" in path:
            continue
        with open(path, "rb") as f:
            yield f.read()


# --- both sides in the same form ----------------------------------------------

def show(path):
    r = subprocess.run([MULECAP, "show", "--json", path], capture_output=True,
                       check=True, timeout=120)
    return [json.loads(line) for line in r.stdout.splitlines()]


def every(tree, name, out=None):
    """All values of a field, in order, however deep."""
    out = [] if out is None else out
    for key, value in tree:
        if key == name and not isinstance(value, list):
            out.append(value)
        if isinstance(value, list):
            every(value, name, out)
    return out


def theirs(path):
    """(frame, what tshark has dissected as P_MUL) in order."""
    text = oracle.tshark(path, "-Y", "p_mul", "-T", "json", "-J",
                         "p_mul frame udp")
    for packet in json.loads(text, object_pairs_hook=lambda pairs: pairs):
        layers = dict(dict(packet)["_source"])["layers"]
        layers = dict(layers)
        number = int(every(layers["frame"], "frame.number")[0])
        yield number, layers["p_mul"]


def numbers(tree, name):
    return [int(v, 0) for v in every(tree, name)]


def entry_of(tree):
    """An ACK_Info_Entry: what it misses as closed ranges."""
    missing = []
    for key, value in tree:
        if key == "p_mul.missing_seq_no":
            missing.append([int(value), int(value)])
        if key in ("p_mul.missing_seq_range_tree", "p_mul.missing_seq_range") \
                and isinstance(value, list):
            missing.append([numbers(value, "p_mul.missing_seq_range.from")[0],
                            numbers(value, "p_mul.missing_seq_range.to")[0]])
    return {"length": numbers(tree, "p_mul.ack_length")[0],
            "source": every(tree, "p_mul.source_id")[0],
            "id": "%08x" % numbers(tree, "p_mul.message_id")[0],
            "complete": not missing, "missing": missing}


def quad(number):
    return ".".join(str(b) for b in struct.pack(">I", number))


def utc(text):
    """tshark's "Nov 14, 2023 23:13:20.000000000 UTC"."""
    when = datetime.strptime(text.split(".")[0] + " +0000",
                             "%b %d, %Y %H:%M:%S %z")
    return int(when.timestamp())


def their_view(tree):
    """What `show` ought to say, from the fields of tshark."""
    def one(name):
        return numbers(tree, name)[0]
    code = one("p_mul.pdu_type_value")
    v = {"code": code, "type": TYPES[code], "length": one("p_mul.length"),
         "checksum": "%04x" % one("p_mul.checksum"),
         "priority": (numbers(tree, "p_mul.priority") or [0])[0]}
    if code == 1:
        v["source"] = every(tree, "p_mul.source_id_ack")[0]
        v["entries"] = [entry_of(value) for key, value in tree
                        if key == "p_mul.ack_info_entry"]
        assert len(v["entries"]) == one("p_mul.ack_count")
        if numbers(tree, "p_mul.timestamp"):
            v["timestamp"] = one("p_mul.timestamp")
        return v
    v["source"] = every(tree, "p_mul.source_id")[0]
    v["id"] = "%08x" % one("p_mul.message_id")
    if code == 0:
        v["sequence"] = one("p_mul.seq_no")
    if code in (5, 6, 7):
        v["group"] = quad(one("p_mul.mc_group"))
    if code in (2, 4, 8, 18, 24):
        # A set bit is "not the first", "not the last".
        v["first"] = not one("p_mul.first")
        v["last"] = not one("p_mul.last")
        v["expiry"] = utc(every(tree, "p_mul.expiry_time")[0])
        nodes = every(tree, "p_mul.dest_id")
        assert len(nodes) == one("p_mul.dest_count")
    if code == 4:
        v["group"] = quad(one("p_mul.ann_mc_group"))
        v["destinations"] = nodes
    if code in (2, 8, 18, 24):
        v["total"] = one("p_mul.no_pdus")
        v["reserved_length"] = one("p_mul.reserved_length")
        v["destinations"] = [
            {"node": n, "sequence": s} for n, s in
            zip(nodes, numbers(tree, "p_mul.msg_seq_no"))]
    if code in (8, 24):
        v["fec_id"] = one("p_mul.fec.id")
    return v


def agree(path):
    """Compare all; how many PDUs were."""
    ours = {s["frame"]: s for s in show(path)}
    n = 0
    for frame, tree in theirs(path):
        mine = ours.pop(frame)
        if "error" in mine:
            continue
        view = their_view(tree)
        assert {k: mine.get(k) for k in view} == view, frame
        # And nothing that tshark does not have.
        rest = set(mine) - set(view) - {
            "frame", "time_us", "from", "from_port", "to", "to_port", "map",
            "datagram", "algorithm", "octets", "fec_parameters"}
        assert not rest, (frame, rest)
        n += 1
    # tshark does not ask its dissector about a datagram of one octet.
    assert all("error" in s and s["datagram"] < 2 for s in ours.values())
    return n


# --- the tests ------------------------------------------------------------------

@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("version", [ip4, ip6])
def test_every_vector_on_every_link(link, version, tmp_path):
    dlt, wrap = LINKS[link]
    path = tmp_path / "v.pcap"
    path.write_bytes(pcap(dlt, [wrap(version(v)[0]) for v in vectors()]))
    assert agree(str(path)) == len(list(vectors(good_only=True)))


@pytest.mark.parametrize("make", [pcap, pcap_big_endian_ns, pcapng])
def test_every_file_format(make, tmp_path):
    path = tmp_path / "v"
    path.write_bytes(make(101, [ip4(v)[0] for v in vectors(good_only=True)]))
    assert agree(str(path)) == len(list(vectors(good_only=True)))
    assert [s["time_us"] - T0 * 1000000 for s in show(str(path))[:3]] == [
        0, 1000, 2000]


@pytest.mark.parametrize("order", ["in order", "backwards", "interleaved"])
@pytest.mark.parametrize("version", [ip4, ip6])
def test_fragments_of_ip(version, order, tmp_path):
    packets = [version(v, i + 1, cut=8) for i, v
               in enumerate(vectors(good_only=True))]
    if order == "backwards":
        packets = [p[::-1] for p in packets]
    frames = [f for p in packets for f in p]
    if order == "interleaved":
        random.Random(3).shuffle(frames)
    path = tmp_path / "v.pcap"
    path.write_bytes(pcap(101, frames))
    assert agree(str(path)) == len(packets)


def test_what_we_refuse_tshark_finds_fault_with(tmp_path):
    """Every bad vector: an error here, a complaint or no dissection there."""
    path = str(tmp_path / "v.pcap")
    frames = [ip4(v)[0] for v in vectors()]
    with open(path, "wb") as f:
        f.write(pcap(101, frames))
    refused = {s["frame"] for s in show(path) if "error" in s}
    blamed = {int(r[0]) for r in oracle.fields(
        path, "frame.number", filter=oracle.COMPLAINTS)}
    seen = {int(r[0]) for r in oracle.fields(path, "frame.number")}
    names = [os.path.basename(p) for p in sorted(
        glob.glob(os.path.join(TOP, "test-vectors/pmul/*.bin")))]
    assert refused == {i + 1 for i, n in enumerate(names)
                       if n.startswith("bad-")}
    # tshark does not mind: counts that lie inside the PDU, and empty data.
    lenient = {n for i, n in enumerate(names)
               if i + 1 in refused and i + 1 in seen - blamed}
    assert lenient <= {"bad-data-empty.bin", "bad-ack-no-entry.bin",
                       "bad-ack-entry-odd.bin", "bad-type-3f.bin",
                       "bad-type-9.bin"}, lenient


def extract(path, directory):
    directory.mkdir()
    subprocess.run([MULECAP, "extract", "-o", str(directory), path],
                   check=True, timeout=60)
    return {p.stem: p for p in directory.glob("*.cdt")}


@pytest.mark.parametrize("loss,ships", [(0, 1), (0, 3), (0.15, 2)])
def test_captures_of_real_gateways(loss, ships, tmp_path):
    """show, extract, check and list, on what muled has sent."""
    path = str(tmp_path / "air.pcap")
    mails = [crlf(b"Subject: %d\n\n" % i + os.urandom(700 * i).hex().encode()
                  .replace(b"00", b"\n") + b"\n") for i in range(1, 9)]
    with Fleet(ships, loss=loss, seed=5, pcap=path) as fleet:
        to = [f"a@ship{i + 1}.example.mil" for i in range(ships)]
        for m in mails:
            fleet["shore"].submit("ops@shore.example.mil", to, m)
        for i in range(ships):
            fleet.sinks[f"ship{i + 1}"].wait(len(mails), 60)
        wait_for(lambda: fleet["shore"].status()["queue"]["messages"] == 0,
                 60, "acknowledgements")
    assert agree(path) > 20
    found = extract(path, tmp_path / "out")
    assert len(found) == len(mails)
    payloads = sorted(p.with_suffix(".payload").read_bytes()
                      for p in found.values())
    assert payloads == sorted(set(oracle.payloads(path)))
    assert sorted(strip_trace(p.with_suffix(".eml").read_bytes())
                  for p in found.values()) == sorted(mails)
    sizes = {r[0] for r in oracle.fields(path, "p_mul.reassembled.length",
                                         filter="p_mul.reassembled.length")}
    assert sizes == {str(p.stat().st_size) for p in found.values()}
    r = subprocess.run([MULECAP, "check", path], capture_output=True,
                       text=True, timeout=60)
    assert r.returncode == 0, r.stdout
    listed = [json.loads(l) for l in subprocess.run(
        [MULECAP, "list", "--json", path], capture_output=True,
        check=True).stdout.splitlines()]
    assert {f"{m['source']}-{m['id']}" for m in listed} == set(found)
    assert all(d["outcome"] == "acked" for m in listed
               for d in m["destinations"])
