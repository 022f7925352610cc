#!/usr/bin/env python3
"""Answers over HTTP: by extraction, alone and by 16 clients at a time; what is added to a model server's first
token; what a stream that is held open takes.

    bench/ask.py [--passages N] [--streams N] [--keep FOLDER]      10000 and 500

Passages are made: 8 sentences of 12 words in Zipf's proportions, with a vector of the whole and one of each
sentence, written to the store as ingestion would. Questions are a question word and four words, no two alike.
The model server is a stand-in on this machine: it says a first word at once, and then keeps the stream open.
The limits are the goals of the project's issue 6.
"""

import sys

sys.path[0] = sys.path[0].removesuffix("bench") + "tests/lib"

import argparse  # noqa: E402
import array  # noqa: E402
import bisect  # noqa: E402
import contextlib  # noqa: E402
import http.client  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import random  # noqa: E402
import re  # noqa: E402
import selectors  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
import sqlite3  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

from server import Server  # noqa: E402

DIMS, CENTRES, WORDS, SENTENCES, EACH = 384, 2000, 60000, 8, 12
CLIENTS, SECONDS, ALONE, FIRST_TOKENS, WARM, GRAPH_FROM = 16, 10, 200, 100, 1500, 50000
LIMITS = {"alone-p50": 8, "c16-p50": 35, "c16-p99": 80, "first-token-p50": 5, "stream-memory": 64, "gone": 100}


# ---- What is asked about ------------------------------------------------------------------------------------

class Made:
    """Texts, questions and vectors of one seed."""

    def __init__(self, seed):
        letters = random.Random(3)
        self.words = ["".join(letters.choice("aeiou" if i % 2 else "bcdlmnprst") for i in range(4 + letters.randrange(7)))
                      for _ in range(WORDS)]
        self.sums = list(itertools.accumulate(1 / (i + 1) for i in range(WORDS)))
        self.random = random.Random(seed)

    def word(self, rarer_than=0):
        low = self.sums[rarer_than - 1] if rarer_than else 0
        return self.words[bisect.bisect(self.sums, self.random.uniform(low, self.sums[-1] * .999999))]

    def passage(self):
        """Its sentences."""
        return [" ".join(self.word() for _ in range(EACH)).capitalize() + "." for _ in range(SENTENCES)]

    def question(self):
        asks = self.random.choice(["Qual é o", "Quando foi", "Quem fez", "Onde fica", "Quantos são", "Como se faz", "O que é"])
        return "%s %s?" % (asks, " ".join(self.word(40) for _ in range(4)))

    def vectors(self, count):
        pool = [array.array("f", (self.random.uniform(-1, 1) for _ in range(DIMS))) for _ in range(CENTRES)]
        for _ in range(count):
            v = pool[self.random.randrange(CENTRES)]
            turn = self.random.randrange(DIMS)
            v = v[turn:] + v[:turn]
            length = sum(x * x for x in v) ** .5
            yield array.array("f", (x / length for x in v)).tobytes()


def fill(data, count):
    made = Made(count)
    vectors = made.vectors(count * (1 + SENTENCES))
    db = sqlite3.connect(os.path.join(data, "engenho.db"))
    db.execute("PRAGMA synchronous = OFF")
    collection, generation, cutting = db.execute(
        "SELECT c.id, g.id, g.cutting FROM collection c JOIN generation g ON g.id = c.active").fetchone()
    size = 0
    for i in range(1, count + 1):
        sentences = made.passage()
        text = " ".join(sentences)
        size += len(text)
        db.execute("INSERT INTO document (id, collection, name, version, hash, bytes, tokens, created_ms, updated_ms) "
                   "VALUES (?, ?, ?, 1, ?, ?, 200, 0, 0)", (i, collection, "d%d" % i, b"%032d" % i, len(text)))
        db.execute("INSERT INTO document_text (document, text) VALUES (?, ?)", (i, text))
        db.execute("INSERT INTO passage (id, cutting, document, kind, start, end, tokens) VALUES (?, ?, ?, 0, 0, ?, 200)",
                   (i, cutting, i, len(text)))
        at = 0
        for kind, (start, end) in enumerate([(0, len(text))] + [(m.start(), m.end()) for m in re.finditer(r"[^.]+\.", text)]):
            at = start + (text[start] == " ")
            db.execute("INSERT INTO vector (generation, passage, kind, start, end, data) VALUES (?, ?, ?, ?, ?, ?)",
                       (generation, i, kind > 0, at, end, next(vectors)))
    db.execute("UPDATE collection SET documents = ?, passages = ?, bytes = ?", (count, count, size))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.rmtree(os.path.join(data, "index"), ignore_errors=True)


# ---- The stand-in ---------------------------------------------------------------------------------------------

class Model(threading.Thread):
    """Speaks OpenAI's chat completions: a first word, then silence with the stream open."""
    HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    PIECE = b'data: {"model":"stand-in","choices":[{"index":0,"delta":{"content":"Sim."}}]}\n\n'

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.open = 0

    def run(self):
        chosen = selectors.DefaultSelector()
        chosen.register(self.listener, selectors.EVENT_READ)
        got = {}
        while True:
            for key, _ in chosen.select():
                if key.fileobj is self.listener:
                    peer, _ = self.listener.accept()
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    chosen.register(peer, selectors.EVENT_READ)
                    got[peer] = b""
                    continue
                peer = key.fileobj
                try:
                    data = peer.recv(1 << 16)
                except OSError:
                    data = b""
                if not data:
                    chosen.unregister(peer)
                    self.open -= got.pop(peer) is None
                    peer.close()
                elif got[peer] is not None:
                    got[peer] += data
                    head, _, body = got[peer].partition(b"\r\n\r\n")
                    length = re.search(rb"(?i)content-length: *(\d+)", head)
                    if length and len(body) >= int(length[1]):
                        peer.sendall(self.HEAD + self.PIECE)
                        got[peer] = None
                        self.open += 1


def direct(port, body):
    """Milliseconds to the model server's own first word."""
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        seen = b""
        while b"Sim." not in seen:
            seen += s.recv(65536)
        return (time.perf_counter() - begun) * 1e3


# ---- Asking ---------------------------------------------------------------------------------------------------

def ask(connection, question, **more):
    connection.request("POST", "/v1/collections/c/ask", json.dumps({"question": question, **more}), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != 200:
        raise SystemExit("bench/ask: %d %s" % (reply.status, text[:300]))
    return json.loads(text)


def alone(port, made):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    times, stages = [], {}
    for _ in range(ALONE):
        question = made.question()
        begun = time.perf_counter()
        timings = ask(connection, question)["ledger"]["timings"]
        times.append((time.perf_counter() - begun) * 1e3)
        for stage, ms in timings.items():
            stages.setdefault(stage, []).append(ms)
    return times, {stage: statistics.median(ms) for stage, ms in stages.items()}


def together(port, seconds=SECONDS):
    """By a process that asks with CLIENTS connections in turns: one thread, so that what is measured is not Python's."""
    made, times, stop = Made(11), [], time.monotonic() + seconds
    questions = (b"POST /v1/collections/c/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(b), b)
                 for b in (json.dumps({"question": made.question()}).encode() for _ in itertools.count()))
    chosen = selectors.DefaultSelector()
    begun, seen = {}, {}

    def send(peer):
        seen[peer] = b""
        request = next(questions)
        begun[peer] = time.perf_counter()
        peer.sendall(request)
    for _ in range(CLIENTS):
        peer = socket.create_connection(("127.0.0.1", port))
        chosen.register(peer, selectors.EVENT_READ)
        send(peer)
    while time.monotonic() < stop:
        for key, _ in chosen.select():
            peer = key.fileobj
            seen[peer] += peer.recv(1 << 18)
            head, found, body = seen[peer].partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if found and b" 200 " not in head[:20]:
                raise SystemExit("bench/ask: %s" % seen[peer][:400])
            if found and length and len(body) >= int(length[1]):
                times.append((time.perf_counter() - begun[peer]) * 1e3)
                send(peer)
    return times


class Stream:
    """A streamed answer, read as far as its first word."""

    def __init__(self, port, question):
        body = json.dumps({"question": question, "stream": True}).encode()
        self.begun = time.perf_counter()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"POST /v1/collections/c/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                            % (len(body), body))
        self.seen = b""

    def first(self):
        while b"event: delta" not in self.seen:
            data = self.socket.recv(65536)
            if not data:
                raise SystemExit("bench/ask: a stream ended: %s" % self.seen[-300:])
            self.seen += data
        return (time.perf_counter() - self.begun) * 1e3


def resident(pid):
    """KiB of memory that is the process's own."""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])


def cpu_ms(pid):
    """That the process has taken so far."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")


def first_tokens(port, model, made):
    """Milliseconds to the first word that are ours: through the server, less the search, less the model server's own."""
    ours = []
    for _ in range(FIRST_TOKENS):
        stream = Stream(port, made.question())
        ms = stream.first()
        stream.socket.close()
        ours.append(ms - direct(model.port, b"{}"))
    return ours


def hold(s, model, made, count):
    """KiB a held stream takes; milliseconds until the model server is let go when all clients go."""
    before = resident(s.process.pid)
    streams = [Stream(s.port, made.question()) for _ in range(count)]
    for stream in streams:
        stream.first()
    time.sleep(1)
    each = (resident(s.process.pid) - before) / count
    for stream in streams:
        stream.socket.close()
    begun = time.perf_counter()
    while model.open > 0 and time.perf_counter() - begun < 10:
        time.sleep(.001)
    return each, (time.perf_counter() - begun) * 1e3


def wait_until_grown(data, vectors):
    """Until a graph is written, where there is one: searches then take what they take."""
    end = time.monotonic() + 600
    while vectors >= GRAPH_FROM and time.monotonic() < end and not list(pathlib.Path(data, "index").glob("*/graph-*")):
        time.sleep(.5)


# ---- The whole --------------------------------------------------------------------------------------------------

def line(case, ours, unit="ms"):
    limit = LIMITS.get(case)
    print("ask.%s  ours=%.2f%s%s" % (case, ours, unit, "" if limit is None else "  goal<=%g%s  %s" % (
        limit, unit, "ok" if ours <= limit else "short")), flush=True)


@contextlib.contextmanager
def served(data, llm):
    with Server(data, {"ENGENHO_LLM": llm}) as s:
        s.start("--keys", "off")
        yield s


def prepare(data, count):
    with served(data, "extract") as s:
        connection = http.client.HTTPConnection("127.0.0.1", s.port)
        connection.request("POST", "/v1/collections", '{"name":"c"}', {"Content-Type": "application/json"})
        if connection.getresponse().status != 201:
            raise SystemExit("bench/ask: no collection")
        s.stop()
    fill(data, count)


def measure(data, count, streams):
    made = Made(7)
    if not os.path.exists(os.path.join(data, "engenho.db")):
        prepare(data, count)
    with served(data, "extract") as s:
        ask(http.client.HTTPConnection("127.0.0.1", s.port, timeout=900), made.question())
        wait_until_grown(data, count * (1 + SENTENCES))
        times, stages = alone(s.port, made)
        print("# stages, median ms: %s" % "  ".join("%s %.2f" % x for x in stages.items()))
        line("alone-p50", statistics.median(times))
        line("alone-p99", statistics.quantiles(times, n=100)[98])
        before = cpu_ms(s.process.pid)
        times = together(s.port)
        line("c16-cpu", (cpu_ms(s.process.pid) - before) / len(times))
        line("c16-p50", statistics.median(times))
        line("c16-p99", statistics.quantiles(times, n=100)[98])
        line("c16", len(times) / SECONDS, "/s")
        s.stop()
    model = Model()
    model.start()
    with served(data, "openai:http://127.0.0.1:%d/v1#stand-in" % model.port) as s:
        Stream(s.port, made.question()).first()
        time.sleep(.2)
        line("first-token-whole-p50", statistics.median(first_tokens(s.port, model, made)))
        connection = http.client.HTTPConnection("127.0.0.1", s.port)
        if streams:
            for _ in range(WARM):       # the store's pages, and what each thread keeps
                stream = Stream(s.port, made.question())
                stream.first()
                stream.socket.close()
            hold(s, model, made, 20)
            each, gone = hold(s, model, made, streams)
            line("stream-memory", each, "KiB")
            line("gone", gone)
        connection.close()
        s.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=10000)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--keep")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engenho-bench-", dir="build") as folder:
        data = pathlib.Path(options.keep or folder, str(options.passages)).absolute()
        data.mkdir(parents=True, exist_ok=True)
        measure(str(data), options.passages, options.streams)


if __name__ == "__main__":
    main()
