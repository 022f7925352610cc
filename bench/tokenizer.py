#!/usr/bin/env python3
"""Tokenizers beside the `tokenizers` package, one thread each, in turns, by the processor's time.

    bench/tokenizer.py [--json] [--rounds N]

Both read the same files: MiniLM's, and one of XLM-R's kind whose vocabulary is trained here. What is
counted: tokens of the paragraphs and questions of pt_qa, one text a call (encode) and all at once without
offsets (encode_batch_fast; ours gives them anyway); a question of 29 tokens; opening the file (ours with
all that it takes to start a program; XLM-R's with 250,000 tokens); a megabyte.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
PROGRAM = ROOT / "build" / "oracle" / "tokenize"
QUESTION = "Qual foi o primeiro presidente eleito da Organização das Nações Unidas em 1945?"

if pathlib.Path(sys.prefix) != VENV:
    subprocess.run(["make", "-s", "--no-print-directory", "venv", "oracles"], cwd=ROOT, check=True)
    os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
    os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), *sys.argv])

sys.path.insert(0, str(ROOT / "tests" / "oracle"))

import tokenizer_files  # noqa: E402
import tokenizer_texts  # noqa: E402
from tokenizers import Tokenizer, __version__  # noqa: E402


class Ours:
    """The program, which encodes all lines once when it is told to."""

    def __init__(self, path, lines, folder, *options):
        self.lines = pathlib.Path(folder) / "lines.txt"
        self.lines.write_text("\n".join(lines))
        self.process = subprocess.Popen([str(PROGRAM), str(path), "time=%s" % self.lines, *(options or ["whole"])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self):
        """(tokens, seconds)"""
        self.process.stdin.write("x")
        self.process.stdin.flush()
        tokens, ns = map(int, self.process.stdout.readline().split())
        return tokens, ns / 1e9

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(run):
    start = time.process_time_ns()
    result = run()
    return result, (time.process_time_ns() - start) / 1e9


def spent():
    """The processor's time of all programs that were run to their end."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Bench:
    def __init__(self, rounds, as_json):
        self.rounds, self.as_json, self.short = rounds, as_json, 0

    def line(self, name, ours, peer, peer_name, goal, **more):
        ratio = peer / ours
        ok = ratio >= goal
        self.short += not ok
        if self.as_json:
            print(json.dumps({"name": name, "ours": ours, "peer": peer, "ratio": ratio, "goal": goal, "ok": ok, **more}))
            return
        extra = "".join("  %s=%s" % pair for pair in more.items())
        print("tokenizer.%s  ours=%s  peer=%s(%s)  ratio=%.1f  goal>=%g  %s%s" % (
            name, duration(ours), duration(peer), peer_name, ratio, goal, "ok" if ok else "short", extra), flush=True)

    def encoding(self, name, path, lines, folder):
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        ours, times = Ours(path, lines, folder), {"ours": [], "encode": [], "fast": []}
        ours.round()
        for _ in range(self.rounds):
            tokens, seconds = ours.round()
            times["ours"].append(seconds / tokens)
            counted, seconds = timed(lambda: sum(len(tokenizer.encode(line)) for line in lines))
            assert counted == tokens, "not the same number of tokens"
            times["encode"].append(seconds / tokens)
            times["fast"].append(timed(lambda: tokenizer.encode_batch_fast(lines))[1] / tokens)
        ours.close()
        mine, encode, fast = (statistics.median(times[key]) for key in ("ours", "encode", "fast"))
        rate = "%.1fM tokens/s" % (1e-6 / mine)
        self.line(name + "-encode", mine, encode, "tokenizers " + __version__, 3, rate=rate)
        self.line(name + "-batch", mine, fast, "encode_batch_fast", 3)
        return mine

    def question(self, name, path, folder):
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        ours, mine, theirs = Ours(path, [QUESTION] * 2000, folder), [], []
        for _ in range(self.rounds):
            mine.append(ours.round()[1] / 2000)
            theirs.append(timed(lambda: [tokenizer.encode(QUESTION) for _ in range(500)])[1] / 500)
        ours.close()
        self.line(name + "-question", statistics.median(mine), statistics.median(theirs), "encode", 3)

    def opening(self, name, path):
        mine, theirs = [], []
        for _ in range(max(3, self.rounds // 2)):
            before = spent()
            subprocess.run([str(PROGRAM), str(path)], stdin=subprocess.DEVNULL, check=True)
            mine.append(spent() - before)
            theirs.append(timed(lambda: Tokenizer.from_file(str(path)))[1])
        self.line(name + "-open", statistics.median(mine), statistics.median(theirs), "from_file", 1)

    def growth(self, name, path, text, folder):
        sizes, times = (1000, 10000, 100000, 1000000), []
        for size in sizes:
            ours = Ours(path, [text[:size]] * max(1, 100000 // size), folder)
            times.append(statistics.median(ours.round()[1] for _ in range(self.rounds)) / max(1, 100000 // size))
            ours.close()
        cut = Ours(path, [text[:1000000]], folder, "max=512")
        first = statistics.median(cut.round()[1] for _ in range(self.rounds))
        cut.close()
        exponent = math.log(times[-1] / times[0]) / math.log(sizes[-1] / sizes[0])
        print("tokenizer.%s-1MB  ours=%s  cut at 512 tokens=%s  grows=n^%.2f  goal<=1.2  %s" % (
            name, duration(times[-1]), duration(first), exponent, "ok" if exponent <= 1.2 else "short"), flush=True)


def grown(path, folder):
    """The same file with a vocabulary of XLM-R's size."""
    file = json.loads(path.read_text())
    vocabulary, dice = file["model"]["vocab"], random.Random(1)
    tokens = [token for token, _ in vocabulary]
    known = set(tokens)
    while len(vocabulary) < 250000:
        token = dice.choice(tokens) + dice.choice(tokens)
        if token not in known:
            known.add(token)
            vocabulary.append([token, -8 - 10 * dice.random()])
    path = pathlib.Path(folder) / "grown.json"
    path.write_text(json.dumps(file, ensure_ascii=False))
    return path


def duration(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return "%.2f%s" % (seconds / size, unit)
    return "%.1fns" % (seconds * 1e9)


def processor():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    words = parser.parse_args()
    bench = Bench(words.rounds, words.json)
    texts = tokenizer_texts.portuguese()
    lines = [text for text in texts if "\n" not in text][:1500]
    if not words.json:
        print("# %s, %s, tokenizers %s" % (processor(), subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip(), __version__))
    with tempfile.TemporaryDirectory() as folder:
        files = tokenizer_files.Files(folder)
        files.unigrams()
        for name in ("minilm", "xlmr"):
            path = files.all[name]
            bench.encoding(name, path, lines, folder)
            bench.question(name, path, folder)
            bench.opening(name, path if name == "minilm" else grown(path, folder))
            bench.growth(name, path, " ".join(" ".join(texts).split())[:1100000], folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
