"""The server under test, as a process: for the HTTP cases, the faults, the crashes and the benches.

    with Server() as s:
        s.start("--keys", "off")
        s.get("/health")
"""

import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
START_TIMEOUT = 60      # a sanitizer, a loaded machine


class ServerError(Exception):
    pass


def binary():
    return os.environ.get("ENGENHO", str(ROOT / "build" / "engenho"))


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Server:
    """A server with a data directory of its own, on a free loopback port."""

    def __init__(self, data=None, env=None):
        self.own_data = data is None
        self.data = data or tempfile.mkdtemp(prefix="engenho-test-")
        self.env = env or {}
        self.process = None
        self.port = None
        self.log_path = tempfile.NamedTemporaryFile(prefix="engenho-log-", delete=False).name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.kill()
        os.unlink(self.log_path)
        if self.own_data:
            shutil.rmtree(self.data, ignore_errors=True)

    def command(self, *options):
        return [binary(), "serve", "--data", self.data, "--listen", "127.0.0.1:0", *options]

    def environment(self):
        # What is set where the tests run must not decide what they say.
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("ENGENHO", "PORT", "ML_API_PORT"))}
        return {**kept, "ENGENHO_MODELS": str(ROOT / "build" / "models"), **self.env}

    def spawn(self, *options, wrap=(), **how):
        """Starts it and does not wait. `wrap` stands before the command."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*wrap, *self.command(*options)], env=self.environment(),
                                            stdout=subprocess.PIPE, stderr=log, **how)

    def start(self, *options, **how):
        """Starts it and waits for the line with its address."""
        self.spawn(*options, **how)
        line = self.first_line()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            status = self.process.wait(10) if not line else None
            raise ServerError("did not start (status %s): %s%s" % (status, line, self.log()))
        self.port = int(found.group(1))
        return self

    def first_line(self):
        end, line = time.monotonic() + START_TIMEOUT, b""
        fd = self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
                raise ServerError("did not say where it listens within %d s: %s" % (START_TIMEOUT, self.log()))
            byte = os.read(fd, 1)
            if not byte:
                break
            line += byte
        return line.decode(errors="replace")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self, before_wait=lambda: None):
        """As a crash: nothing is told to it."""
        self.process.send_signal(signal.SIGKILL)
        before_wait()
        status = self.process.wait(30)
        self.process.stdout.close()
        self.process = None
        return status

    def stop(self, timeout=60):
        """As systemd does it; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ServerError("did not stop within %d s of SIGTERM: %s" % (timeout, self.log())) from None
        self.process.stdout.close()
        self.process = None
        return status

    # ---- Requests -----------------------------------------------------------------------------------

    def socket(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def connection(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, connection=None, timeout=20):
        c = connection or self.connection(timeout)
        head = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            head.setdefault("Content-Type", "application/json")
        c.request(method, path, body, head)
        r = c.getresponse()
        reply = Reply(r.status, {name.lower(): value for name, value in r.getheaders()}, r.read())
        if not connection:
            c.close()
        return reply

    def get(self, path, **how):
        return self.request("GET", path, **how)

    def post(self, path, body, **how):
        return self.request("POST", path, body, **how)

    def delete(self, path, **how):
        return self.request("DELETE", path, **how)

    def metric(self, name, **how):
        """The sum of a metric's samples over their labels."""
        values = re.findall(r"^%s(?:\{[^}]*\})? ([-+.\deE]+)$" % re.escape(name),
                            self.get("/metrics", **how).body.decode(), re.M)
        if not values:
            raise ServerError("there is no metric '%s'" % name)
        return sum(float(value) for value in values)

    # ---- What the kernel says of it ---------------------------------------------------------------------

    def status_kib(self, field):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as status:
            return int(re.search(r"^%s:\s+(\d+) kB" % field, status.read(), re.M).group(1))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
