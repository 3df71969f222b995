"""mulecap report: one page, well-formed, that shows what the capture holds."""
import os
import re
import stat
import subprocess
import xml.etree.ElementTree as ET

import pytest

from test_mulecap import (A, B, C, GOOD, HEAD, MULECAP, ack, address, capture,
                          data, discard, packet, record, run)

SVG = "{http://www.w3.org/2000/svg}"
HTML = "{http://www.w3.org/1999/xhtml}"
__all__ = ["capture"]


def report(path, out, *args):
    run("report", "-o", str(out), *args, path)
    text = out.read_text(encoding="utf-8")
    return text, ET.fromstring(text)


def section(page, name):
    (s,) = page.findall(f".//{HTML}section[@id='{name}']")
    return s


def marks(page, kind, where="timeline", tag=None):
    """The elements of that colour, but the legend's."""
    return [e for e in section(page, where).iter()
            if e.tag.startswith(SVG) and e.get("class") == kind
            and (tag is None or e.tag == SVG + tag)]


@pytest.fixture
def good(capture, tmp_path):
    return report(capture(GOOD), tmp_path / "out.html", "--rate", "9600")


def test_every_pdu_is_on_the_time_line(good):
    _, page = good
    assert len(marks(page, "address")) == 2
    assert len(marks(page, "data")) == 3
    assert len(marks(page, "again")) == 1
    assert len(marks(page, "ack")) == 2
    assert len(marks(page, "nack")) == 1
    assert marks(page, "extra") == []
    lanes = [e.text for e in section(page, "timeline").iter(SVG + "text")
             if e.get("text-anchor") == "end"]
    assert lanes[-3:] == ["10.142.0.1", "10.142.0.2", "10.142.0.3"] or {
        "10.142.0.1", "10.142.0.2", "10.142.0.3"} <= set(lanes)


def test_each_mark_says_what_it_is(good):
    _, page = good
    (nack,) = marks(page, "nack")
    assert nack.find(SVG + "title").text == \
        "Ack, something missing, frame 6, at 50 ms"
    for e in page.iter():
        if e.tag in (SVG + "rect", SVG + "circle"):
            assert e.find(SVG + "title").text


def test_the_air_has_all_octets(good):
    _, page = good
    octets = sum(int(re.search(r": (\d+) octets", t.text).group(1))
                 for t in section(page, "air").iter(SVG + "title")
                 if "octets" in t.text)
    assert octets == sum(28 + len(p) for p in GOOD)
    assert len(marks(page, "limit", "air")) == 1


def test_progress_and_loss(good):
    _, page = good
    dots = [t.text for t in section(page, "progress").iter(SVG + "title")]
    assert [d.rsplit(" at ", 1)[0] for d in dots] == [
        "10.142.0.2: 100.0 %", "10.142.0.3: 66.7 %", "10.142.0.3: 100.0 %"]
    lost = [t.text for t in section(page, "loss").iter(SVG + "title")]
    assert any("10.142.0.3" in t and "1 of 3 missing" in t for t in lost)
    assert any("10.142.0.2" in t and "0 of 3 missing" in t for t in lost)


def test_the_table_says_how_it_ended(good):
    _, page = good
    (row,) = section(page, "messages").findall(f".//{HTML}tbody/{HTML}tr")
    cells = ["".join(c.itertext()).strip() for c in row]
    assert cells[:6] == ["01020304", "10.142.0.1", "4", "17", "3 of 3", "2"]
    assert cells[-1].count("acknowledged") == 2


def test_how_others_ended(capture, tmp_path):
    _, page = report(capture([address([B, C], 2), data(1, b"x"),
                              ack(B, missing=[2]), discard()]),
                     tmp_path / "o.html")
    text = "".join(section(page, "messages").itertext())
    assert text.count("discarded") == 2
    _, page = report(capture([address([B, C], 2), data(1, b"x"),
                              ack(B, missing=[2])]), tmp_path / "o.html")
    text = "".join(section(page, "messages").itertext())
    assert "incomplete, 1 missing" in text and "silent" in text


def test_the_page_needs_nothing_else(good):
    text, page = good
    assert not [e for e in page.iter()
                if e.tag.split("}")[1] in ("script", "link", "img", "iframe",
                                           "object", "image", "use")]
    assert "url(" not in text and "@import" not in text
    urls = set(re.findall(r"https?://[^\"' ]+", text))
    assert urls == {"http://www.w3.org/1999/xhtml",
                    "http://www.w3.org/2000/svg"}
    assert not [a for e in page.iter() for a in e.attrib
                if a in ("href", "src") or a.startswith("on")]
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("name", [
    "<script>alert(1)</script>", "\"'&amp;]]>-->", "a\x01\x1b[31m\n",
    "\udcff\udcfe", "ü£"])
def test_a_hostile_name_is_only_text(tmp_path, name):
    d = tmp_path / "d"
    d.mkdir()
    path = str(d) + "/" + name.replace("/", "_") + ".pcap"
    with open(path, "wb") as f:
        f.write(HEAD + b"".join(record(packet(p), i)
                                for i, p in enumerate(GOOD)))
    text, page = report(path, tmp_path / "o.html")
    assert not list(page.iter(HTML + "script"))
    assert all(c == "\n" or 32 <= ord(c) < 127 or c in "×µ" for c in text)
    (h1,) = page.iter(HTML + "h1")
    assert len(list(h1)) == 0


def test_many_messages_make_no_bigger_page(tmp_path):
    def make(n):
        path = tmp_path / f"{n}.pcap"
        out, t = [HEAD], 0
        for k in range(n):
            pdus = [address([B, C], 20, msid=k)]
            pdus += [data(s, b"x", msid=k) for s in range(1, 21)]
            pdus += [ack(B, msid=k), ack(C, msid=k, missing=[3, 4])]
            for p in pdus:
                out.append(record(packet(p), t))
                t += 1
        path.write_bytes(b"".join(out))
        return report(str(path), tmp_path / f"{n}.html")

    few, _ = make(24)
    assert "more messages" not in few
    many, page = make(2000)
    assert len(many) < 3 << 20
    assert "the first 24 are drawn one by one, 1976 others together" in many
    assert "1976 more messages are not listed" in many
    total = 0
    for t in section(page, "timeline").iter(SVG + "title"):
        n = re.search(r" × (\d+)", t.text)
        total += int(n.group(1)) if n else 1
    assert total == 2000 * 23
    octets = sum(int(re.search(r": (\d+) octets", t.text).group(1))
                 for t in section(page, "air").iter(SVG + "title"))
    assert octets == 2000 * sum(28 + len(p) for p in (
        [address([B, C], 20)] + [data(s, b"x") for s in range(1, 21)]
        + [ack(B), ack(C, missing=[3, 4])]))


def test_many_nodes_are_added_up(capture, tmp_path):
    nodes = [B + i for i in range(200)]
    text, page = report(capture(
        [address(nodes, 1), data(1, b"x")]
        + [ack(n, missing=[1] if n % 2 else []) for n in nodes]),
        tmp_path / "o.html")
    assert "other nodes" in text and "and 136 more" in text
    assert "8 of 200 destinations are drawn" in text
    lost = [re.search(r"(\d+) of (\d+) missing", t.text)
            for t in section(page, "loss").iter(SVG + "title")]
    assert sum(int(m.group(1)) for m in lost) == 100
    assert sum(int(m.group(2)) for m in lost) == 200


def test_filters_choose_what_is_drawn(capture, tmp_path):
    other = [address([B], 1, source=C, msid=9), data(1, b"x", source=C, msid=9)]
    path = capture(GOOD + other)
    text, page = report(path, tmp_path / "o.html", "--id", "9")
    assert len(marks(page, "data")) == 1
    assert "01020304" not in text


def test_odd_captures(capture, tmp_path):
    # Nothing to draw: as for every other command, no use.
    run("report", "-o", str(tmp_path / "o.html"), capture([]), rc=2)
    text, _ = report(capture([b"junk"]), tmp_path / "o.html")
    assert "1 datagrams are no PDUs" in text
    report(capture([GOOD[0]]), tmp_path / "o.html")
    # Four years between two frames; time that goes backwards.
    report(capture([GOOD[0], 126e6, GOOD[1]]), tmp_path / "o.html")
    report(capture([5.0, GOOD[0], -4.0, GOOD[1]]), tmp_path / "o.html")


def test_a_page_that_cannot_be_written_is_said(capture, tmp_path):
    path = capture(GOOD)
    run("report", path, rc=2)
    run("report", "-o", str(tmp_path / "no" / "o.html"), path, rc=2)
    # A device is nobody's half a page.  One of our own: the machine's would be
    # gone if this failed.
    full = tmp_path / "full"
    try:
        os.mknod(full, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    except PermissionError:
        pytest.skip("only root makes devices")
    try:
        full.open("wb").close()
    except PermissionError:
        pytest.skip("no devices in this file system")
    r = subprocess.run([MULECAP, "report", "-o", str(full), path],
                       capture_output=True)
    assert r.returncode == 2 and b"No space" in r.stderr
    assert stat.S_ISCHR(os.stat(full).st_mode)
