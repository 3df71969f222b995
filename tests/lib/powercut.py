"""What a disk may hold after a power failure, out of the journal of fault.c.

A disk keeps what was synced.  Of the rest it may keep nothing, everything, or
any part: of each write any sectors, of the changes to a directory those up to
some point.
"""
import os
import struct

SECTOR = 512


def read(path):
    """[(type, path, number, octets)]; a last record may be cut."""
    records = []
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        kind = chr(data[at])
        (n,) = struct.unpack_from("=I", data, at + 1)
        name = data[at + 5:at + 5 + n].decode()
        number, size = struct.unpack_from("=QI", data, at + 5 + n)
        start = at + 17 + n
        records.append((kind, name, number, data[start:start + size]))
        at = start + size
    return records


class File:
    def __init__(self):
        self.durable = bytearray()
        self.pending = []  # (offset, octets), or (length, None): truncated

    def sync(self):
        self.durable = self.content(lambda: True)
        self.pending = []

    def content(self, keep):
        """With those sectors of what is pending for which keep() is true."""
        data = bytearray(self.durable)
        for at, octets in self.pending:
            if octets is None:
                if keep():
                    del data[at:]
                    data.extend(bytes(at - len(data)))
                continue
            for i in range(0, len(octets), SECTOR):
                piece = octets[i:i + SECTOR]
                if not keep():
                    continue
                if len(data) < at + i:
                    data.extend(bytes(at + i - len(data)))
                data[at + i:at + i + len(piece)] = piece
        return data


class Disk:
    """Directories stay; nothing is in them at first."""

    def __init__(self):
        self.names = {}    # as the process sees them
        self.durable = {}  # as they are after a failure
        self.pending = []  # (directory, type, path, file or new path)

    def file(self, path):
        return self.names.setdefault(path, File())

    def apply(self, record):
        kind, path, number, octets = record
        if kind == "W":
            self.file(path).pending.append((number, octets))
        elif kind == "T":
            self.file(path).pending.append((number, None))
        elif kind == "S":
            self.sync(path)
        elif kind in "CUR":
            self.change(kind, path, octets.decode())

    def change(self, kind, path, new):
        if kind == "C":
            self.names[path] = File()
            self.pending.append((os.path.dirname(path), kind, path,
                                 self.names[path]))
        elif kind == "U":
            self.names.pop(path, None)
            self.pending.append((os.path.dirname(path), kind, path, None))
        else:
            file = self.names.pop(path)
            self.names[new] = file
            self.pending.append((os.path.dirname(new), kind, path,
                                 (new, file)))

    @staticmethod
    def settle(names, change):
        _, kind, path, what = change
        if kind == "C":
            names[path] = what
        elif kind == "U":
            names.pop(path, None)
        else:
            names.pop(path, None)
            names[what[0]] = what[1]

    def sync(self, path):
        if path in self.names:
            self.names[path].sync()
            return
        directory = "" if path == "." else path
        rest = []
        for change in self.pending:
            if change[0] == directory:
                self.settle(self.durable, change)
            else:
                rest.append(change)
        self.pending = rest

    def after_failure(self, state_dir, mode, rnd):
        """mode: drop, keep or scramble."""
        keep = {"drop": lambda: False, "keep": lambda: True,
                "scramble": lambda: rnd.random() < 0.5}[mode]
        names = dict(self.durable)
        kept = {"drop": 0, "keep": len(self.pending),
                "scramble": rnd.randint(0, len(self.pending))}[mode]
        for change in self.pending[:kept]:
            self.settle(names, change)
        for d in ("", "spool", "tmp"):
            os.makedirs(os.path.join(state_dir, d), mode=0o700, exist_ok=True)
        for path, file in names.items():
            with open(os.path.join(state_dir, path), "wb") as f:
                f.write(file.content(keep))
            os.chmod(os.path.join(state_dir, path), 0o600)
