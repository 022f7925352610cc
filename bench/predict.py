#!/usr/bin/env python3
"""Predictions over HTTP: against the server's own smallest reply, and against FastAPI with the same pickle.

    bench/predict.py [--rounds 5] [--seconds 1] [--json]

A linear model and a random forest of 100 trees, of 20 numbers, trained here. Each request is one row of JSON
that is validated; ours keeps it in the durable history before it replies. wrk asks all of them in turns;
what is compared is the CPU time that the kernel has given to the server's threads, by request, and how many
requests a second come back. Latencies are of 64 connections, with the history on, off and synced to the
disk. Loading is that of the forest with its trees copied until the file has 100 MB. FastAPI runs under uvicorn with a worker a processor. Needs wrk and PyPI (build/benchvenv-predict).
"""

import sys

sys.path[0] = sys.path[0].removesuffix("bench") + "tests/lib"  # not this folder: its http is not Python's

import argparse  # noqa: E402
import copy  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import pickle  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import urllib.request  # noqa: E402

import environment  # noqa: E402
from server import Server, binary  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS, CONNECTIONS = 20, 64
START_TIMEOUT = 60
ROW = {"x%d" % i: round(i / 7 - 1, 3) for i in range(COLUMNS)}


def of_bench(name):
    """A neighbour, whose name hides one of Python's own modules."""
    spec = importlib.util.spec_from_file_location("bench_" + name, ROOT / "bench" / (name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


http = of_bench("http")


def train(folder):
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LinearRegression
    source = np.random.default_rng(1)
    x = source.normal(size=(4000, COLUMNS))
    y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + x[:, 3] + source.normal(size=4000) * .3
    for name, model in (("linear", LinearRegression()), ("forest", RandomForestRegressor(100, random_state=1))):
        (folder / (name + ".pkl")).write_bytes(pickle.dumps(model.fit(x, y)))


class FastAPI:
    def __init__(self, model):
        self.port = http.free_port()
        # One thread in each worker's arrays: more would only get into each other's way.
        self.process = subprocess.Popen(
            [sys.prefix + "/bin/uvicorn", "--app-dir", str(ROOT / "bench" / "predict"), "app:app", "--port",
             str(self.port), "--workers", str(len(os.sched_getaffinity(0))), "--no-access-log", "--log-level", "error"],
            env={**os.environ, "BENCH_MODEL": str(model), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
        self.wait()

    def wait(self):
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.1)
        self.stop()
        raise SystemExit("bench/predict: uvicorn does not start")

    def pids(self):
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            waiting += http.children(pid)
        return found

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Asked:
    """wrk on one path, with a body or without."""

    def __init__(self, folder, name, port, pids, path, body=None):
        self.url, self.pids, self.script = "http://127.0.0.1:%d%s" % (port, path), pids, None
        if body is not None:
            self.script = folder / (name + ".lua")
            self.script.write_text('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                                   "wrk.body = [[%s]]\n" % json.dumps(body))

    def turn(self, seconds, connections=CONNECTIONS):
        """(microseconds of CPU a request, requests a second, the 99th percentile of latencies in ms)"""
        before = http.cpu_ns(self.pids())
        done = subprocess.run(["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", "--timeout", "20s",
                               *(["-s", str(self.script)] if self.script else []), self.url],
                              capture_output=True, text=True, check=True).stdout
        if "Socket errors" in done or "Non-2xx" in done:
            raise SystemExit("bench/predict: " + done)
        took = http.cpu_ns(self.pids()) - before
        count = int(re.search(r"(\d+) requests in", done).group(1))
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1))
        last, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done).groups()
        return took / count / 1e3, rate, float(last) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def load(server, folder, name):
    place = pathlib.Path(server.data) / "models"
    place.mkdir(exist_ok=True)
    shutil.copy(folder / (name + ".pkl"), place)
    ask = urllib.request.Request("http://127.0.0.1:%d/model/load" % server.port, method="POST",
                                 data=json.dumps({"path": name + ".pkl"}).encode(),
                                 headers={"Content-Type": "application/json"})
    urllib.request.urlopen(ask, timeout=60).read()


def turns(args, *sides):
    """The medians of each side's figures, asked in turns."""
    took = [[side.turn(args.seconds) for side in sides] for _ in range(args.rounds)]
    return [[statistics.median(row[i][j] for row in took) for j in range(3)] for i in range(len(sides))]


def against_smallest(lines, args, folder, server, name, goal):
    predict = Asked(folder, name, server.port, lambda: [server.process.pid], "/model/predict?model=" + name, ROW)
    least = Asked(folder, "livez", server.port, lambda: [server.process.pid], "/livez")
    ours, smallest = turns(args, predict, least)
    ratio = ours[0] / smallest[0]
    lines.put("predict.%s-cpu" % name, "ours=%.2fus  peer=%.2fus(its smallest reply)  ratio=%.2f" %
              (ours[0], smallest[0], ratio), "<=%g" % goal, ratio <= goal, ours_us=ours[0], peer_us=smallest[0], ratio=ratio)


def against_fastapi(lines, args, folder, server, name, goal):
    peer = FastAPI(folder / (name + ".pkl"))
    try:
        predict = Asked(folder, name, server.port, lambda: [server.process.pid], "/model/predict?model=" + name, ROW)
        ours, theirs = turns(args, predict, Asked(folder, name, peer.port, peer.pids, "/predict", ROW))
    finally:
        peer.stop()
    for what, a, b, ratio, unit in (("fastapi-cpu", ours[0], theirs[0], theirs[0] / ours[0], "us"),
                                    ("fastapi-rate", ours[1], theirs[1], ours[1] / theirs[1], "/s")):
        lines.put("predict.%s-%s" % (name, what), "ours=%.2f%s  peer=%.2f%s(FastAPI, uvicorn)  ratio=%.1f" %
                  (a, unit, b, unit, ratio), ">=%d" % goal, ratio >= goal, ours=a, peer=b, ratio=ratio)


def latencies(lines, args, folder):
    for history in ("on", "off", "sync"):
        with Server() as server:
            server.start("--keys", "off", "--access-log", "off", "--history", history)
            load(server, folder, "forest")
            ask = Asked(folder, "forest", server.port, lambda: [server.process.pid], "/model/predict", ROW)
            (_, rate, last), = turns(args, ask)
        lines.put("predict.forest-c64-history-%s" % history, "ours=%.0f/s  p99=%.2fms" % (rate, last), " none", True,
                  rate=rate, p99_ms=last)


def grow(folder, megabytes):
    """The forest with its trees copied until the file is that large; returns its size."""
    model = pickle.loads((folder / "forest.pkl").read_bytes())
    trees, size = list(model.estimators_), (folder / "forest.pkl").stat().st_size
    while size * len(model.estimators_) < megabytes * 1e6 * len(trees):
        model.estimators_.append(copy.deepcopy(trees[len(model.estimators_) % len(trees)]))
    (folder / "large.pkl").write_bytes(pickle.dumps(model))
    return (folder / "large.pkl").stat().st_size


def loading(lines, args, folder):
    size, took = grow(folder, 100), []
    for _ in range(args.rounds):
        with Server() as server:
            server.start("--keys", "off", "--access-log", "off")
            load(server, folder, "linear")
            memory, cpu, began = server.status_kib("VmHWM"), server.cpu_seconds(), time.monotonic()
            load(server, folder, "large")
            took.append((time.monotonic() - began, server.cpu_seconds() - cpu,
                         (server.status_kib("VmHWM") - memory) * 1024 / size))
    wall, cpu, most = (statistics.median(side) for side in zip(*took))
    lines.put("predict.load-100MB-seconds", "ours=%.2fs (%.2fs of CPU, %.0f MB)" % (wall, cpu, size / 1e6), "<=2",
              wall <= 2, wall_s=wall, cpu_s=cpu, bytes=size)
    lines.put("predict.load-100MB-memory", "ours=%.2f of the file" % most, "<=2.5", most <= 2.5, ratio=most)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=1)
    p.add_argument("--json", action="store_true")
    args = p.parse_args()
    environment.enter("predict")
    lines = http.Lines(args.json)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-predict-"))
    try:
        train(folder)
        if not args.json:
            print("# %s; loops and workers: one a processor (%d); commit %s" %
                  (http.processor(), len(os.sched_getaffinity(0)), http.commit()))
        with Server() as server:
            server.start("--keys", "off", "--access-log", "off")
            # Of the forest's time most is its hundred deep trees', which no reply is compared with.
            for name, least, goal in (("linear", 1.5, 40), ("forest", 3, 100)):
                load(server, folder, name)
                against_smallest(lines, args, folder, server, name, least)
                against_fastapi(lines, args, folder, server, name, goal)
        latencies(lines, args, folder)
        loading(lines, args, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if lines.short else 0


if __name__ == "__main__":
    if not os.access(binary(), os.X_OK):
        raise SystemExit("bench/predict: %s is not built" % binary())
    sys.exit(main())
