"""The test's side of tests/faults/fault.c, and what must hold after a fault."""
import mmap
import os
import shutil
import sqlite3
import struct

from muleteer import BUILD

KILL, FAIL, TEAR = 1, 2, 3
LAYOUT = struct.Struct("=QQQiiQ")  # struct control


class Fault:
    """Puts itself under a gateway: its next start has the library loaded."""

    def __init__(self, gateway, journal=None):
        self.path = os.path.join(gateway.directory, "fault")
        with open(self.path, "wb") as f:
            f.write(bytes(LAYOUT.size))
        with open(self.path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), LAYOUT.size)
        env = [f"LD_PRELOAD={os.path.join(BUILD, 'fault.so')}",
               f"FAULT_CONTROL={self.path}",
               f"FAULT_DIR={os.path.realpath(gateway.state)}",
               # A sanitizer wants to be the first library otherwise.
               "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"]
        if journal:
            env.append(f"FAULT_JOURNAL={journal}")
        self.plain = list(gateway.args)
        self.loaded = ["env"] + env + self.plain
        self.gateway = gateway
        gateway.args = self.loaded

    def arm(self, action, first, last=None, error=0):
        """For the calls first..last from now on, counted from 1."""
        LAYOUT.pack_into(self.memory, 0, 0, first, last or first, action,
                         error, 0)

    def disarm(self):
        self.arm(0, 0)

    @property
    def count(self):
        return LAYOUT.unpack_from(self.memory)[0]

    @property
    def hits(self):
        return LAYOUT.unpack_from(self.memory)[5]


def copy_state(state, to):
    shutil.copytree(state, to, ignore=shutil.ignore_patterns("*.sock"))
    return to


def database_is_sound(state, scratch):
    """Of a copy: looking must not change what the next start finds."""
    copy = copy_state(state, scratch)
    try:
        path = os.path.join(copy, "queue.db")
        if not os.path.exists(path):
            return
        db = sqlite3.connect(path)
        try:
            (answer,) = db.execute("PRAGMA integrity_check").fetchone()
            assert answer == "ok", answer
            assert not db.execute("PRAGMA foreign_key_check").fetchall()
        finally:
            db.close()
    finally:
        shutil.rmtree(copy)


def files_left(state):
    """What lies in spool/ and tmp/."""
    return sorted(os.path.join(d, n) for d in ("spool", "tmp")
                  for n in os.listdir(os.path.join(state, d)))
