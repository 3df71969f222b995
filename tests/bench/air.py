"""make bench-air: what a message costs on the air, beside UFTP and NORM.

    make bench-air                      all cells, about 20 minutes
    make bench-air CELLS='muleteer:10:3:* uftp:10:3:0'
    make bench-air CELLS='*:*:3:*' RUNS=1 JOBS=4

A cell is PROTOCOL:KILOBYTES:RECEIVERS:LOSS, and a pattern may stand for several.
RUNS is how often a cell with loss is measured (the median counts), JOBS how
many run at once.  KEEP=1 keeps captures and logs of all runs.  Needs root, for
network namespaces.  A kilobyte is 1024 octets.
"""
import concurrent.futures
import fnmatch
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

from airnet import Air, Stopped, stop  # noqa: E402
from muleteer import BUILD  # noqa: E402
from protocols import PROTOCOLS, FastMuleteer  # noqa: E402

KILOBYTES = (2, 10, 50)
RECEIVERS = (1, 3, 10)
LOSSES = (0, 10, 20)
RUNS = int(os.environ.get("RUNS", "5"))
JOBS = int(os.environ.get("JOBS", "14"))
RAW = os.path.join(BUILD, "air.json")
# Starting the programs of a cell takes the processor; let it pass before the
# next begins.
starting = threading.Lock()


def cells(patterns):
    names = [f"{p}:{k}:{r}:{loss}" for k in reversed(KILOBYTES)
             for r in reversed(RECEIVERS) for loss in reversed(LOSSES)
             for p in PROTOCOLS]
    return [n for n in names
            if any(fnmatch.fnmatch(n, p) for p in patterns or ["*"])]


def split(cell):
    name, *numbers = cell.split(":")
    return name, *(int(n) for n in numbers)


def measure(cell, body):
    """One run of a cell in namespaces of its own."""
    name, kilobytes, receivers, loss = split(cell)
    directory = tempfile.mkdtemp(prefix="air-")
    try:
        air = Air(directory, receivers, loss)
        with starting:
            air.__enter__()
        try:
            p = PROTOCOLS[name](air, body or kilobytes * 1024,
                                120 + 30 * kilobytes)
            p.run()
            return figures(cell, p)
        finally:
            air.__exit__(None, None, None)
    finally:
        if os.environ.get("KEEP"):
            print(f"{cell}: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)


def figures(cell, p):
    sent = [f for f in p.air.frames() if f.sent]
    there = [f.size for f in sent if f.station == 0]
    back = [f.size for f in sent if f.station != 0]
    ethernet = 14 * len(sent)
    return {"cell": cell, "payload": p.payload, "bytes_there": sum(there),
            "bytes_back": sum(back), "frames_there": len(there),
            "frames_back": len(back),
            "ratio": (sum(there) + sum(back)) / p.payload,
            "ratio_ethernet": (sum(there) + sum(back) + ethernet) / p.payload,
            "seconds": p.last_arrival() - sent[0].time}


def added(receivers):
    """Octets that Muleteer's payload has beyond the noise of a message."""
    directory = tempfile.mkdtemp(prefix="air-")
    size = 1000
    try:
        with Air(directory, receivers, 0, slow=False) as air:
            p = FastMuleteer(air, size, 60)
            p.run()
            return p.payload - size
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def bodies(todo):
    """How much noise makes a payload of the nominal size, by receivers."""
    counts = {split(c)[2] for c in todo if c.startswith("muleteer:")}
    return {r: added(r) for r in sorted(counts)}


def attempt(cell, extra):
    name, kilobytes, receivers, _ = split(cell)
    body = kilobytes * 1024 - extra[receivers] if name == "muleteer" else 0
    result = measure(cell, body)
    nominal = kilobytes * 1024
    if abs(result["payload"] - nominal) > nominal / 100:
        raise RuntimeError(f"the payload was {result['payload']}")
    return result


def run_all(todo, extra):
    """All runs of all cells; those that failed are reported and left out."""
    runs = [c for c in todo for _ in range(RUNS if split(c)[3] else 1)]
    results = []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        waiting = {pool.submit(attempt, c, extra): c for c in runs}
        try:
            for n, f in enumerate(concurrent.futures.as_completed(waiting)):
                tell(n + 1, len(runs), waiting[f], f, results)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return results


def tell(n, total, cell, future, results):
    try:
        r = future.result()
        results.append(r)
        text = (f"{r['ratio']:.2f} ({r['seconds']:.1f} s) there "
                f"{r['bytes_there']} back {r['bytes_back']}")
        with open(RAW, "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1)
    except Exception as e:  # pylint: disable=broad-except
        # Another run may do better; the table tells how many did.
        text = f"FAILED: {type(e).__name__}: {e}"
    print(f"{n}/{total} {cell}: {text}", file=sys.stderr, flush=True)


def cell_text(results, cell):
    of = [r for r in results if r["cell"] == cell]
    if not of:
        return "-"
    ratio = statistics.median(r["ratio"] for r in of)
    seconds = statistics.median(r["seconds"] for r in of)
    want = RUNS if split(cell)[3] else 1
    short = f" [{len(of)} of {want}]" if len(of) < want else ""
    return f"{ratio:.2f} ({seconds:.1f}){short}"


def output(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


def versions():
    packages = ["uftp", "libnorm-dev"]
    found = [p + " " + output("dpkg-query", "-W", "-f", "${Version}", p)
             for p in packages]
    return ", ".join([output(os.path.join(BUILD, "muled"), "-V")] + found)


def table(todo, results):
    keys = {tuple(split(c)[1:]) for c in todo}
    print(f"{os.cpu_count()} cores, Linux "
          f"{platform.release().split('-')[0]}; {versions()}; median of "
          f"{RUNS} runs where there is loss, {JOBS} runs at once.\n\nOctets "
          "on the air per octet of payload (seconds until the last receiver "
          "has it)\n")
    print("| KB | receivers | loss | 1/(1-loss) | "
          + " | ".join(p.NAME for p in PROTOCOLS.values()) + " |")
    print("|---|---|---|---|" + "---|" * len(PROTOCOLS))
    for k, r, loss in sorted(keys):
        row = [str(k), str(r), f"{loss} %", f"{1 / (1 - loss / 100):.2f}"]
        row += [cell_text(results, f"{p}:{k}:{r}:{loss}") for p in PROTOCOLS]
        print("| " + " | ".join(row) + " |")


def interrupt(*_):
    """Once: what follows is cleaning up, and is short."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    if os.geteuid() != 0:
        print("make bench-air needs root: it makes network namespaces",
              file=sys.stderr)
        return 2
    todo = cells(sys.argv[1:])
    if not todo:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        results = run_all(todo, bodies(todo))
    except (KeyboardInterrupt, Stopped):
        print("stopped; the runs so far are in " + RAW, file=sys.stderr)
        return 130
    finally:
        Air.sweep()
    table(todo, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
