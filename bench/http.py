#!/usr/bin/env python3
"""HTTP: CPU time of a small JSON reply, against nginx that returns the same bytes; idle connections.

    bench/http.py [--json] [--rounds N] [--quick]

Both servers run with an event loop a processor and a listening socket a loop; wrk asks them in turns
(A B A B), and what is counted is the CPU time that the kernel has given to the server's threads.
Goals: docs of the project's issue 3. `make bench-http` builds and runs it.
"""

import sys

sys.path[0] = sys.path[0].removesuffix("bench") + "tests/lib"  # not this folder: its http is not Python's

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import re  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

from server import Server, binary  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent

PATH = "/livez"
IDLE = 10000
# What a server writes anew for each reply, or for its framing alone.
OWN = {"date", "content-length", "connection", "x-request-id", "content-type", "server"}

CONF = """
daemon off;
worker_processes %(workers)d;
worker_rlimit_nofile 16384;
error_log stderr crit;
pid %(dir)s/pid;
events { worker_connections 12000; }
http {
    access_log %(log)s;
    keepalive_requests 1000000000;
    server_tokens off;
    server {
        listen 127.0.0.1:%(port)d reuseport;
        location = %(path)s {
            default_type application/json;
            %(headers)s
            return 200 '%(body)s';
        }
    }
}
"""


def cpu_ns(pids):
    """CPU time of all threads of these processes, in nanoseconds."""
    total = 0
    for pid in pids:
        for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def children(pid):
    return [int(p) for p in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    def __init__(self, reply, log=False):
        self.dir = tempfile.mkdtemp(prefix="bench-nginx-")
        self.port = free_port()
        headers = "\n".join("add_header %s '%s';" % (name, value) for name, value in reply.headers.items()
                            if name not in OWN)
        (pathlib.Path(self.dir) / "nginx.conf").write_text(CONF % {
            "workers": len(os.sched_getaffinity(0)), "dir": self.dir, "port": self.port, "path": PATH,
            "log": self.dir + "/access.log" if log else "off", "body": reply.body.decode(),
            "headers": headers + "\nadd_header X-Request-Id $request_id;"})
        self.process = subprocess.Popen(["nginx", "-p", self.dir, "-c", self.dir + "/nginx.conf"],
                                        stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self):
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise SystemExit("bench/http: nginx does not start")

    def pids(self):
        return [self.process.pid] + children(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)


def wrk(port, connections, seconds):
    done = subprocess.run(["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds,
                           "http://127.0.0.1:%d%s" % (port, PATH)], capture_output=True, text=True, check=True)
    if "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise SystemExit("bench/http: " + done.stdout)
    return int(re.search(r"(\d+) requests in", done.stdout).group(1))


def us_a_request(port, pids, connections, seconds):
    before = cpu_ns(pids)
    count = wrk(port, connections, seconds)
    return (cpu_ns(pids) - before) / count / 1e3


class Lines:
    def __init__(self, as_json):
        self.as_json, self.short = as_json, False

    def put(self, name, text, goal, ok, **values):
        self.short |= not ok
        if self.as_json:
            print(json.dumps({"name": name, "goal": goal, "ok": ok, **values}))
        else:
            print("%s  %s  goal%s  %s" % (name, text, goal, "ok" if ok else "short"), flush=True)


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    return re.search(r"^model name\s*: (.*)$", text, re.M).group(1)


def loopback_ceiling():
    """Microseconds of one byte there and back between two processes: what the kernel takes of all."""
    a, b = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        a.close()
        while b.recv(1):
            b.send(b"x")
        os._exit(0)
    b.close()
    began, count = time.perf_counter(), 20000
    for _ in range(count):
        a.send(b"x")
        a.recv(1)
    took = time.perf_counter() - began
    a.close()
    os.waitpid(pid, 0)
    return took / count * 1e6


def measure_requests(lines, name, ours, peer, connections, rounds, seconds):
    pairs = []
    for _ in range(rounds):
        pairs.append((us_a_request(ours.port, [ours.process.pid], connections, seconds),
                      us_a_request(peer.port, peer.pids(), connections, seconds)))
    a, b = (statistics.median(side) for side in zip(*pairs))
    ratio = statistics.median(x / y for x, y in pairs)
    lines.put("http." + name, "ours=%.2fus  peer=%.2fus(nginx)  ratio=%.2f" % (a, b, ratio), "<=1.1",
              ratio <= 1.1, ours_us=a, peer_us=b, ratio=ratio)


def measure_idle(lines, server, count):
    """Each connection has had a reply, and then rests. What the kernel keeps for it is not counted."""
    def resting():
        return server.status_kib("RssAnon") * 1024
    server.get(PATH)
    before, held = resting(), []
    ask = ("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % PATH).encode()
    for i in range(count):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(ask)
        held.append(s)
        if len(held) % 100 == 0:
            for s in held[-100:]:
                s.recv(4096)
    each = (resting() - before) / count
    for s in held:
        s.close()
    lines.put("http.idle-%d" % count, "ours=%dB/connection" % each, "<=2048", each <= 2048, ours_bytes=each)


def measure_memory(lines, server, requests):
    wrk(server.port, 32, 1)
    before = server.status_kib("RssAnon")
    while requests > 0:
        requests -= wrk(server.port, 32, 1)
    after = server.status_kib("RssAnon")
    lines.put("http.memory-after-100k", "ours=%dKiB  before=%dKiB  ratio=%.3f" % (after, before, after / before),
              "<=1.05", after <= before * 1.05, ours_kib=after, before_kib=before)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--quick", action="store_true", help="fewer rounds, without the logs")
    args = options.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rounds, seconds = (3 if args.quick else args.rounds), 1
    lines = Lines(args.json)
    if not args.json:
        print("# %s; loops: one a processor (%d); a byte there and back between two processes: %.1fus; "
              "commit %s" % (processor(), len(os.sched_getaffinity(0)), loopback_ceiling(), commit()))
    for log in (False,) if args.quick else (False, True):
        with Server() as ours:
            ours.start("--keys", "off", "--access-log", "on" if log else "off")
            peer = Nginx(ours.get(PATH), log)
            for connections in (32, 256):
                name = "livez-c%d%s" % (connections, "-logged" if log else "")
                measure_requests(lines, name, ours, peer, connections, rounds, seconds)
            peer.stop()
            if not log:
                measure_memory(lines, ours, 100000)
                measure_idle(lines, ours, min(IDLE, hard - 300))
    return 1 if lines.short else 0


if __name__ == "__main__":
    if not os.access(binary(), os.X_OK):
        raise SystemExit("bench/http: %s is not built" % binary())
    sys.exit(main())
