"""A queue that was damaged by hand: muled does not start, says what to do, and
mulectl queue salvage takes out what is readable."""
import json
import os
import random
import shutil
import sqlite3
import subprocess

import pytest

from muleteer import BUILD, Fleet, wait_for

MESSAGES = 60
LARGE = 5  # every so many is a file


def content(n):
    body = b"line %d of it\r\n" * (8000 if n % LARGE == 0 else 60)
    return b"Subject: number %d\r\n\r\n" % n + body.replace(
        b"%d", b"%d" % n)


@pytest.fixture(scope="module", name="state")
def fixture_state(tmp_path_factory):
    """The state directory of a gateway that has stopped with mail in it."""
    with Fleet(1) as fleet:
        ship = fleet["ship1"]
        fleet.sinks["ship1"].stop()
        for n in range(1, MESSAGES + 1):
            ship.submit("alice@shore.example.mil",
                        [f"bob{n}@ship1.example.mil"], content(n))
        wait_for(lambda: ship.events("smtp.unreachable"), 20, "an attempt")
        assert ship.stop() == 0
        copy = tmp_path_factory.mktemp("sound") / "state"
        shutil.copytree(ship.state, copy)
        shutil.copy(ship.config, copy.parent / "muled.yaml")
        return copy


@pytest.fixture(name="damaged")
def fixture_damaged(state, tmp_path):
    """A copy to be damaged; muled's configuration says that it is there."""
    copy = tmp_path / "state"
    shutil.copytree(state, copy)
    with open(state.parent / "muled.yaml", encoding="utf-8") as f:
        lines = [f"  state_dir: {copy}\n" if "state_dir:" in line else line
                 for line in f]
    with open(tmp_path / "muled.yaml", "w", encoding="utf-8") as f:
        f.writelines(lines)
    return copy


def refuses_to_start(damaged):
    before = (damaged / "queue.db").read_bytes()
    p = subprocess.run(
        [os.path.join(BUILD, "muled"), "-c",
         str(damaged.parent / "muled.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=20, check=False)
    assert p.returncode == 1, p.stdout
    assert "muled.start" in p.stdout and "queue.db" in p.stdout
    assert (damaged / "queue.db").read_bytes() == before
    return p.stdout


def salvage(damaged):
    """The exit status, what it said, and what it took out."""
    out = damaged.parent / "out"
    p = subprocess.run(
        [os.path.join(BUILD, "mulectl"), "queue", "salvage", str(damaged),
         str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=60, check=False)
    found = {}
    for name in os.listdir(out):
        number, ext = name.split(".")
        entry = found.setdefault(int(number), {})
        if ext == "json":
            entry.update(json.loads((out / name).read_text()))
        else:
            assert ext == "eml"
            entry["content"] = (out / name).read_bytes()
    return p.returncode, p.stdout, found


def whole(found):
    """The messages that came out with all that they had."""
    return [n for n, m in found.items()
            if m.get("rcpts") == [f"<bob{n}@ship1.example.mil>"]
            and m.get("from", "").startswith("<alice@shore.example.mil>")
            and m.get("content", b"").endswith(content(n))]


def test_salvage_of_a_sound_queue_has_all_of_it(damaged):
    before = sorted(os.listdir(damaged))
    code, text, found = salvage(damaged)
    assert code == 0, text
    assert sorted(whole(found)) == list(range(1, MESSAGES + 1))
    assert sorted(os.listdir(damaged)) == before
    # A directory that is there already is not written into.
    p = subprocess.run(
        [os.path.join(BUILD, "mulectl"), "queue", "salvage", str(damaged),
         str(damaged.parent / "out")], capture_output=True, check=False)
    assert p.returncode == 2


@pytest.mark.parametrize("seed", range(8))
def test_flipped_pages_are_refused_and_the_rest_is_taken_out(damaged, seed):
    rng = random.Random(seed)
    data = bytearray((damaged / "queue.db").read_bytes())
    # The head of a b-tree page, where a flipped bit is damage to all of it.
    pages = [p for p in range(2, len(data) // 4096)
             if data[p * 4096] in (2, 5, 10, 13)]
    page = rng.choice(pages)
    for i in range(8):
        data[page * 4096 + i] ^= 1 << rng.randrange(8)
    (damaged / "queue.db").write_bytes(data)
    assert "mulectl queue salvage" in refuses_to_start(damaged)
    code, text, found = salvage(damaged)
    assert code in (0, 1), text
    # At the worst it was the root of a table; files are there all the same.
    files = [n for n, m in found.items()
             if m.get("content", b"").endswith(content(n))]
    assert len(files) >= MESSAGES // LARGE, text


def test_truncated_database_is_refused_and_the_rest_is_taken_out(damaged):
    pages = (damaged / "queue.db").stat().st_size // 4096
    os.truncate(damaged / "queue.db", pages * 3 // 4 * 4096)
    assert "mulectl queue salvage" in refuses_to_start(damaged)
    code, text, found = salvage(damaged)
    assert code == 1
    # Messages of which some have lost their content, all of it or none.
    assert len(found) == MESSAGES
    assert 10 < len(whole(found)) < MESSAGES, text
    assert all(m["content"].endswith(content(n))
               for n, m in found.items() if "content" in m)


def test_one_lost_body_page_costs_one_message(damaged):
    db = sqlite3.connect(damaged / "queue.db")
    (page,) = db.execute("SELECT pageno FROM dbstat WHERE name = 'body' "
                         "AND pagetype = 'leaf' LIMIT 1").fetchone() \
        if has_dbstat(db) else (None,)
    db.close()
    if page is None:
        pytest.skip("no dbstat")
    data = bytearray((damaged / "queue.db").read_bytes())
    data[(page - 1) * 4096:page * 4096] = bytes(4096)
    (damaged / "queue.db").write_bytes(data)
    refuses_to_start(damaged)
    code, text, found = salvage(damaged)
    assert code == 1 and "its content is lost" in text
    assert len(whole(found)) >= MESSAGES - 5


def has_dbstat(db):
    try:
        db.execute("SELECT 1 FROM dbstat LIMIT 1")
    except sqlite3.OperationalError:
        return False
    return True


@pytest.mark.parametrize("what", ["text", "zeros", "another program"])
def test_foreign_file_is_refused_and_the_spool_is_taken_out(damaged, what):
    path = damaged / "queue.db"
    if what == "text":
        path.write_bytes(b"To whom it may concern\n" * 1000)
    elif what == "zeros":
        path.write_bytes(bytes(65536))
    else:
        path.unlink()
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE contacts (name TEXT)")
        db.commit()
        db.close()
    refuses_to_start(damaged)
    code, _, found = salvage(damaged)
    assert code == 1
    assert sorted(found) == list(range(LARGE, MESSAGES + 1, LARGE))
