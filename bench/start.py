#!/usr/bin/env python3
"""The time from starting `engenho serve` until it says that it is ready (sd_notify), and until it has
answered a first request: in an empty directory, with 10 MB, 100 MB and 1 GB of documents in it.

    bench/start.py [--json] [--rounds N]

All sizes in turns. Files are in the page cache: they have just been written. The limit is the goal of
the project's issue 3. `make bench-start` builds and runs it.
"""

import sys

sys.path[0] = sys.path[0].removesuffix("bench") + "tests/lib"

import argparse  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
import sqlite3  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

from server import Server  # noqa: E402

LIMIT_MS = 50
SIZES = {"empty": 0, "10MB": 10 << 20, "100MB": 100 << 20, "1GB": 1 << 30}
TEXT = 4000
DIMS = 384


class Started(Server):
    """One that tells when it is ready."""

    def __init__(self, data, folder):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = os.path.join(folder, "notify")
        self.notify.bind(address)
        self.notify.settimeout(60)
        super().__init__(data, {"NOTIFY_SOCKET": address})

    def wait_until_ready(self):
        while b"READY=1" not in self.notify.recv(4096):
            pass

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.notify.close()


def fill(data, size):
    """What the store holds after so many bytes of documents, with a vector for each passage."""
    db = sqlite3.connect(os.path.join(data, "engenho.db"))
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("INSERT INTO collection (id, name, title, state, version, documents, passages, bytes, "
               "forgotten, created_ms, updated_ms, settings) "
               "VALUES (1, 'bench', 'bench', 1, 1, 0, 0, 0, 0, 0, 0, '{}')")
    db.execute("INSERT INTO cutting VALUES (1, 1, 0, '{}')")
    db.execute("INSERT INTO generation VALUES (1, 1, 1, 1, 'm', ?, 1, 0, 0, 0, '{}')", (DIMS,))
    text = ("engenho " * (TEXT // 8))[:TEXT]
    vector = os.urandom(4 * DIMS)
    rows = size // (TEXT + 4 * DIMS + 200)
    for i in range(1, rows + 1):
        db.execute("INSERT INTO document (id, collection, name, version, hash, bytes, tokens, "
                   "created_ms, updated_ms, title) VALUES (?, 1, ?, 1, ?, ?, 900, 0, 0, 'title')",
                   (i, "document %d" % i, b"%032d" % i, TEXT))
        db.execute("INSERT INTO document_text (document, text) VALUES (?, ?)", (i, text))
        db.execute("INSERT INTO passage (id, cutting, document, kind, start, end, tokens) "
                   "VALUES (?, 1, ?, 1, 0, ?, 900)", (i, i, TEXT))
        db.execute("INSERT INTO vector (generation, passage, kind, start, end, data) "
                   "VALUES (1, ?, 1, 0, ?, ?)", (i, TEXT, vector))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def start_once(data, folder):
    """Milliseconds until it was ready, and until it had answered."""
    pathlib.Path(folder, "notify").unlink(missing_ok=True)
    with Started(data, folder) as s:
        begun = time.monotonic_ns()
        s.spawn()
        s.wait_until_ready()
        ready = time.monotonic_ns()
        s.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", s.first_line()).group(1))
        assert s.get("/readyz").status == 200
        answered = time.monotonic_ns()
        s.stop()
    return (ready - begun) / 1e6, (answered - begun) / 1e6


def line(case, ours, grows=""):
    ratio = ours / LIMIT_MS
    return ("start.%s  ours=%.2fms  peer=%dms(the limit)  ratio=%.3f%s  goal<=1  %s"
            % (case, ours, LIMIT_MS, ratio, grows, "ok" if ratio <= 1 else "short"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engenho-bench-", dir="build") as folder:
        folder = os.path.abspath(folder)
        data = {name: os.path.join(folder, name) for name in SIZES}
        for name, size in SIZES.items():
            if size:
                start_once(data[name], folder)
                fill(data[name], size)
        times = {name: [] for name in SIZES}
        for _ in range(options.rounds):
            for name in SIZES:
                if not SIZES[name]:
                    shutil.rmtree(data[name], ignore_errors=True)
                times[name].append(start_once(data[name], folder))
    ready = {name: statistics.median(t[0] for t in times[name]) for name in SIZES}
    answered = {name: statistics.median(t[1] for t in times[name]) for name in SIZES}
    if options.json:
        print(json.dumps({"start": {"ready_ms": ready, "answered_ms": answered, "limit_ms": LIMIT_MS}}))
        return
    exponent = math.log(ready["1GB"] / ready["10MB"]) / math.log(SIZES["1GB"] / SIZES["10MB"])
    for name in SIZES:
        grows = "  grows=n^%.2f" % exponent if name == "1GB" else ""
        print(line("ready-" + name, ready[name], grows))
        print(line("answered-" + name, answered[name]))


if __name__ == "__main__":
    main()
