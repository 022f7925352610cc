#!/usr/bin/env python3
"""Text encoders: ours against ONNX Runtime and OpenVINO, on all-MiniLM-L6-v2, the same ids and threads.

    bench/encoder.py [--model FOLDER] [--threads 1,2] [--shapes 1x16,...] [--rounds 5] [--json] [--cpu]

Everything takes turns in one run; each figure is the median of its turns, which are at least 50 ms long.
The mix is texts of 5 to 250 tokens as they come, 32 at a time: the peers pad them, ours does not.
With --cpu: on a machine that is busy otherwise, processor time in place of seconds, the least of all
turns, and one thread only.
Needs the model's folder (ENGENHO_BENCH_MODEL, or --model) and, for the peers, PyPI (build/benchvenv-encoder).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "lib"))
import environment  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ROOT / "build" / "bench" / "encoder" / "ours"
INT8, F32 = ("ort-int8", "ov-int8"), ("ort-f32", "ov-f32")
TURN = 0.05


class Ours:
    def __init__(self, model, cpu):
        self.child = subprocess.Popen([str(OURS), model] + ["--cpu"] * cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, question):
        self.child.stdin.write(question + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def seconds(self, precision, threads, batches):
        """Of all batches, one after the other."""
        return sum(float(self.ask("time %s %d %g %s" % (precision, threads, TURN / len(batches),
                                                        ",".join(map(str, lengths))))) for lengths in batches)


def draw(lengths):
    """The ids that bench/encoder/ours.c draws, padded to the longest."""
    import numpy as np
    seed, width = 12345, max(lengths)
    ids = np.zeros((len(lengths), width), np.int64)
    mask = np.zeros((len(lengths), width), np.int64)
    for row, length in enumerate(lengths):
        for i in range(length):
            seed = (seed * 1664525 + 1013904223) & 0xffffffff
            ids[row, i] = 1000 + (seed >> 8) % 29000
        mask[row, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


def peer_seconds(run, feeds, cpu):
    total, clock = 0, time.process_time if cpu else time.perf_counter
    for feed in feeds:
        run(feed)
        took = []
        end = time.perf_counter() + TURN / len(feeds)
        while len(took) < 3 or time.perf_counter() < end:
            began = clock()
            run(feed)
            took.append(clock() - began)
        total += min(took) if cpu else statistics.median(took)
    return total


def mix():
    """Three batches of 32 texts: many short, few long."""
    import random
    source = random.Random(7)
    return [[min(250, int(5 * 50 ** source.random())) for _ in range(32)] for _ in range(3)]


def batches_of(shape):
    if shape == "mix":
        return mix()
    count, length = map(int, shape.split("x"))
    return [[length] * count]


def goal_of(precision, shape, peer):
    if precision == "f32":
        return 1.0
    if peer == "ort-int8":
        return 2.5 if shape == "mix" else 1.5 if shape in ("8x64", "32x128") else 1.25
    return 1.25


class Report:
    def __init__(self, as_json):
        self.as_json, self.short = as_json, 0

    def line(self, name, ours, other, who, ratio, goal):
        fine = ratio >= goal
        self.short += not fine
        if self.as_json:
            print(json.dumps({"name": "encoder." + name, "ours": ours, "peer": other, "who": who,
                              "ratio": round(ratio, 3), "goal": goal, "ok": fine}), flush=True)
        else:
            print("encoder.%s  ours=%s  peer=%s(%s)  ratio=%.2f  goal>=%g  %s" %
                  (name, ours, other, who, ratio, goal, "ok" if fine else "short"), flush=True)


def compare(ours, peers, report, args):
    for shape in args.shapes.split(","):
        batches = batches_of(shape)
        tokens = sum(map(sum, batches))
        feeds = [draw(lengths) for lengths in batches]
        one = {}
        for threads in args.threads:
            took = {}
            for _ in range(args.rounds):
                for precision in ("int8", "f32"):
                    took.setdefault(precision, []).append(ours.seconds(precision, threads, batches))
                for name in INT8 + F32:
                    took.setdefault(name, []).append(peer_seconds(peers[name, threads], feeds, args.cpu))
            middle = min if args.cpu else statistics.median
            rate = {name: tokens / middle(times) for name, times in took.items()}
            for precision, others in (("int8", INT8), ("f32", F32)):
                for other in others:
                    report.line("%s-%s-%d" % (precision, shape, threads), "%.0ftok/s" % rate[precision],
                                "%.0ftok/s" % rate[other], other, rate[precision] / rate[other],
                                goal_of(precision, shape, other))
            one.setdefault("int8", rate["int8"])
            if threads == 2:
                report.line("int8-%s-scaling" % shape, "%.0ftok/s" % rate["int8"], "%.0ftok/s" % one["int8"],
                            "one thread", rate["int8"] / one["int8"],
                            1.85 if shape in ("8x64", "32x128") else 1.5)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", default=os.environ.get("ENGENHO_BENCH_MODEL"))
    p.add_argument("--threads", default="1,2")
    p.add_argument("--shapes", default="1x16,1x64,1x256,8x64,32x128,mix")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", action="store_true")
    p.add_argument("--cpu", action="store_true")
    args = p.parse_args()
    if not args.model or not os.path.exists(os.path.join(args.model, "model.safetensors")):
        sys.exit("encoder: no model: --model FOLDER or ENGENHO_BENCH_MODEL, of all-MiniLM-L6-v2")
    environment.enter("encoder", "build/bench/encoder/ours")
    sys.path.insert(0, str(ROOT / "bench" / "encoder"))
    import peers as engines
    args.threads = [1] if args.cpu else [int(t) for t in args.threads.split(",")]
    work = ROOT / "build" / "bench" / "encoder" / "work"
    work.mkdir(parents=True, exist_ok=True)
    ours = Ours(args.model, args.cpu)
    int8, f32 = map(float, ours.ask("peak").split())
    report = Report(args.json)
    if not args.json:
        print("# kernel %s, peak of a core: int8 %.0f GOP/s, f32 %.0f GFLOP/s" % (ours.ask("kernel"), int8, f32))
    with open(os.path.join(args.model, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    per_token = 2 * c["num_hidden_layers"] * c["hidden_size"] * (4 * c["hidden_size"] + 2 * c["intermediate_size"])
    reached = statistics.median(per_token * 4096 / float(ours.ask("linear 0.3 4096")) * 1e-9 for _ in range(args.rounds))
    if int8:
        report.line("linear-32x128", "%.0fGOP/s" % reached, "%.0fGOP/s" % int8, "peak", reached / int8, 0.85)
    peers = {(name, t): engines.peer(name, args.model, str(work), t) for name in INT8 + F32 for t in args.threads}
    compare(ours, peers, report, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
