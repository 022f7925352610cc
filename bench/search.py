#!/usr/bin/env python3
"""Searching over HTTP as a user does: a hybrid search with the question embedded, alone and by 32 clients
at a time; putting one document among many and removing it, until a search shows it; starting.

    bench/search.py [--sentences N] [--keep FOLDER] [COUNT...]     1000 10000 100000

Passages are made: 100 words of pt_qa in Zipf's proportions, a vector of the whole around one of 2,000
centres, and --sentences (2) more around it. They are written to the store as ingestion would, because
embedding 100,000 of them takes an hour; the server makes its indexes of them itself, and nothing is measured
before they are whole. Questions are four words, no two alike. The limits are the goals of the project's
issue 5. With --keep the made collections stay for the next run.
"""

import sys

sys.path[0] = sys.path[0].removesuffix("bench") + "tests/lib"

import argparse  # noqa: E402
import array  # noqa: E402
import bisect  # noqa: E402
import collections  # noqa: E402
import contextlib  # noqa: E402
import csv  # noqa: E402
import http.client  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import random  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import sqlite3  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

from server import Server  # noqa: E402

DIMS, CENTRES, EACH = 384, 2000, 100
CLIENTS, SECONDS, ALONE, ROUNDS, GRAPH_FROM, GRAPH_SECONDS = 32, 10, 200, 31, 50000, 3600
PT_QA = pathlib.Path("../shared/data/pt_qa")
LIMIT_MS = {"alone": 5, "remove": 5, "ready": 100, "answered": 100}


# ---- What is searched -----------------------------------------------------------------------------------

def vocabulary():
    """The words of pt_qa's texts, the most frequent first."""
    texts = set()
    for name in ("squad_pt_dev_a.json", "faquad_train.json"):
        with open(PT_QA / name) as f:
            texts |= {p["context"] for article in json.load(f)["data"] for p in article["paragraphs"]}
    with open(PT_QA / "pira_validation.csv", newline="") as f:
        texts |= {row[column] for row in csv.DictReader(f) for column in ("abstract", "abstract_translated_pt")}
    count = collections.Counter(word for text in sorted(texts) for word in re.findall(r"\w+", text.lower()))
    return [word for word, _ in count.most_common()]


class Made:
    """Texts and vectors of one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.words = vocabulary()
        self.sums = list(itertools.accumulate(1 / (i + 1) for i in range(len(self.words))))
        self.pool = [self.direction() for _ in range(CENTRES)]

    def direction(self):
        return array.array("f", (self.random.uniform(-1, 1) for _ in range(DIMS)))

    def word(self, rarer_than=0):
        low = self.sums[rarer_than - 1] if rarer_than else 0
        return self.words[bisect.bisect(self.sums, self.random.uniform(low, self.sums[-1] * .999999))]

    def text(self):
        return " ".join(self.word() for _ in range(EACH))

    def question(self):
        return " ".join(self.word(40) for _ in range(4))

    def vector(self, centre):
        noise = self.pool[self.random.randrange(CENTRES)]
        turn = self.random.randrange(DIMS)
        v = [c + .8 * n for c, n in zip(centre, noise[turn:] + noise[:turn])]
        length = math.sqrt(sum(x * x for x in v))
        return array.array("f", (x / length for x in v))


def fill(data, count, sentences):
    """The collection's documents, each of one passage with its vectors."""
    made = Made(count)
    db = sqlite3.connect(os.path.join(data, "engenho.db"))
    db.execute("PRAGMA synchronous = OFF")
    collection, generation, cutting = db.execute(
        "SELECT c.id, g.id, g.cutting FROM collection c JOIN generation g ON g.id = c.active").fetchone()
    size = 0
    for i in range(1, count + 1):
        text, centre = made.text(), made.pool[made.random.randrange(CENTRES)]
        end = len(text)
        size += end
        db.execute("INSERT INTO document (id, collection, name, version, hash, bytes, tokens, created_ms, updated_ms) "
                   "VALUES (?, ?, ?, 1, ?, ?, 200, 0, 0)", (i, collection, "d%d" % i, b"%032d" % i, end))
        db.execute("INSERT INTO document_text (document, text) VALUES (?, ?)", (i, text))
        db.execute("INSERT INTO passage (id, cutting, document, kind, start, end, tokens) VALUES (?, ?, ?, 0, 0, ?, 200)",
                   (i, cutting, i, end))
        for kind in range(1 + sentences):
            db.execute("INSERT INTO vector (generation, passage, kind, start, end, data) VALUES (?, ?, ?, 0, ?, ?)",
                       (generation, i, kind > 0, end, made.vector(centre).tobytes()))
    db.execute("UPDATE collection SET documents = ?, passages = ?, bytes = ?", (count, count, size))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.rmtree(os.path.join(data, "index"), ignore_errors=True)


# ---- Asking ---------------------------------------------------------------------------------------------

class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def call(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise SystemExit("bench/search: %s %s: %d %s" % (method, path, reply.status, text[:300]))
        return json.loads(text) if text else None

    def search(self, question, **more):
        return self.call("POST", "/v1/collections/c/search", {"query": question, "top_k": 10, **more})


def hurry(pid):
    """What the server does with low priority is all that is waited for (where the system lets us)."""
    for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, int(task.name), 0)


def wait_until_grown(data, pid, vectors):
    """Until the graph is whole, which is when it is written: searches then take what they take."""
    end = time.monotonic() + GRAPH_SECONDS
    while vectors >= GRAPH_FROM and not list(pathlib.Path(data, "index").glob("*/graph-*")):
        if time.monotonic() > end:
            raise SystemExit("bench/search: no graph after %d s: what is left to scan would be measured" % GRAPH_SECONDS)
        hurry(pid)
        time.sleep(.5)


def wait_until_read(data, pid):
    """Until the graph that was kept is in memory: a start does not wait for it."""
    size = sum(f.stat().st_size for f in pathlib.Path(data, "index").glob("*/graph-*"))
    end = time.monotonic() + 60
    while int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path("/proc/%d/status" % pid).read_text())[1]) * 1024 < size:
        if time.monotonic() > end:
            raise SystemExit("bench/search: the graph is not read")
        hurry(pid)
        time.sleep(.1)


def ask_alone(client, made):
    times, stages = [], {}
    for _ in range(ALONE):
        question = made.question()
        begun = time.perf_counter()
        timings = client.search(question)["timings"]
        times.append((time.perf_counter() - begun) * 1e3)
        for stage, ms in timings.items():
            stages.setdefault(stage, []).append(ms)
    return times, {stage: statistics.median(ms) for stage, ms in stages.items()}


def ask_together(port, seed):
    """Milliseconds of each search by CLIENTS at a time, and how many a second."""
    times, stop = [], time.monotonic() + SECONDS

    def work(n):
        client, made = Client(port), random.Random(n)
        while time.monotonic() < stop:
            begun = time.perf_counter()
            client.search(questions[made.randrange(len(questions))] + " " + str(made.randrange(10 ** 6)))
            times.append((time.perf_counter() - begun) * 1e3)
    made = Made(seed)
    questions = [made.question() for _ in range(20000)]
    threads = [threading.Thread(target=work, args=(n,)) for n in range(CLIENTS)]
    begun = time.monotonic()
    [t.start() for t in threads]
    [t.join() for t in threads]
    return times, len(times) / (time.monotonic() - begun)


def put_and_remove(client):
    """Milliseconds of removing one; it is found before, and not found after."""
    times = []
    for i in range(ROUNDS):
        word = "xyz%s" % "".join("abcdefghij"[int(d)] for d in str(i))
        client.call("POST", "/v1/collections/c/documents", {"documents": [{"id": "one", "text": "Uma linha com %s." % word}]})
        if [r["document"] for r in client.search(word, mode="bm25")["results"]] != ["one"]:
            raise SystemExit("bench/search: what was put is not found")
        begun = time.perf_counter()
        client.call("DELETE", "/v1/collections/c/documents/one")
        times.append((time.perf_counter() - begun) * 1e3)
        if client.search(word, mode="bm25")["results"]:
            raise SystemExit("bench/search: what was removed is found")
    return times


# ---- The whole ------------------------------------------------------------------------------------------

def line(case, ours, limit=None):
    if limit is None:
        return "search.%s  ours=%.2fms" % (case, ours)
    return "search.%s  ours=%.2fms  goal<=%gms  %s" % (case, ours, limit, "ok" if ours <= limit else "short")


@contextlib.contextmanager
def served(data):
    """A server, and how long it took until it listened and until it had answered a search."""
    with Server(data) as s:
        begun = time.perf_counter()
        s.start("--keys", "off")
        ready = (time.perf_counter() - begun) * 1e3
        client = Client(s.port)
        yield s, client, begun, ready


def prepare(data, count, sentences):
    with served(data) as (s, client, _, _):
        client.call("POST", "/v1/collections", {"name": "c"})
        s.stop()
    fill(data, count, sentences)


def measure(data, count, sentences):
    """What it takes alone: {case: ms}."""
    made = Made(7)
    if not os.path.exists(os.path.join(data, "engenho.db")):
        prepare(data, count, sentences)
    with served(data) as (s, client, _, _):
        begun = time.monotonic()
        client.search(made.question())
        print("# %d passages: indexes are made in %.1f s" % (count, time.monotonic() - begun), flush=True)
        wait_until_grown(data, s.process.pid, count * (1 + sentences))
        print("# graph and merging: %.1f s" % (time.monotonic() - begun), flush=True)
        s.stop()
    with served(data) as (s, client, begun, ready):
        client.search(made.question(), mode="bm25")
        answered = (time.perf_counter() - begun) * 1e3
        wait_until_read(data, s.process.pid)
        client.search(made.question())
        alone, stages = ask_alone(client, made)
        print("# stages, median ms: %s" % "  ".join("%s %.2f" % x for x in stages.items()))
        out = {"alone": statistics.median(alone)}
        print(line("hybrid-%d-alone-p50" % count, out["alone"], LIMIT_MS["alone"]))
        print(line("hybrid-%d-alone-p99" % count, statistics.quantiles(alone, n=100)[98]))
        times, rate = ask_together(s.port, count + 1)
        print(line("hybrid-%d-c%d-p50" % (count, CLIENTS), statistics.median(times)))
        print(line("hybrid-%d-c%d-p99" % (count, CLIENTS), statistics.quantiles(times, n=100)[98]))
        print("search.hybrid-%d-c%d  ours=%.0f/s" % (count, CLIENTS, rate))
        out["remove"] = statistics.median(put_and_remove(client))
        print(line("remove-one-of-%d" % count, out["remove"], LIMIT_MS["remove"]))
        out["ready"], out["answered"] = ready, answered
        print(line("start-%d-ready" % count, ready, LIMIT_MS["ready"]))
        print(line("start-%d-answered" % count, answered, LIMIT_MS["answered"]), flush=True)
        s.stop()
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=2)
    parser.add_argument("--keep")
    parser.add_argument("counts", type=int, nargs="*", default=[1000, 10000, 100000])
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="engenho-bench-", dir="build") as folder:
        for count in options.counts:
            data = pathlib.Path(options.keep or folder, str(count)).absolute()
            data.mkdir(parents=True, exist_ok=True)
            found[count] = measure(str(data), count, options.sentences)
    first, last = min(found), max(found)
    for case in found[first] if last > first else ():
        power = math.log(found[last][case] / found[first][case]) / math.log(last / first)
        print("search.%s  grows=n^%.2f" % (case, power))


if __name__ == "__main__":
    main()
