#!/usr/bin/env python3
"""Tests the runner of HTTP cases against a stand-in: what is right passes, and every check can fail."""

import pathlib
import socket
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]
import run                                                                  # noqa: E402
from checks import Count, Failure, expect                                   # noqa: E402

JSON = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s'
BODY = b'{"a":{"b":[1,"x"]},"n":3,"t":true}'

# What the stand-in answers to a path.
ANSWERS = {
    b"/json": JSON % (len(BODY), BODY),
    b"/livez": JSON % (2, b"{}"),
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    b"/short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    b"/bye": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"/none": b"HTTP/1.1 204 No Content\r\n\r\n",
}


class StandIn:
    """As much of a Server as the runner uses."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.counted = 0
        self.costs = 5          # allocations a request
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(sock,), daemon=True).start()

    def answer(self, sock):
        pending = b""
        while data := sock.recv(65536):
            pending += data
            while b"\r\n\r\n" in pending:
                head, pending = pending.split(b"\r\n\r\n", 1)
                path = head.split(b" ")[1]
                self.counted += self.costs
                sock.sendall(ANSWERS[path])
                if path in (b"/bye", b"/short"):
                    sock.close()
                    return

    def socket(self):
        return socket.create_connection(self.listener.getsockname(), 5)

    def metric(self, _, **how):
        return self.counted

    def alive(self):
        return True

    def log(self):
        return ""


PASS = """
> GET /json
< 200
< Content-Type: application/json
< Content-Type ~ json$
< !Server
? a.b[0] == 1
? a.b[-1] == "x"
? a.b has "x"
? n <= 3
? n >= 3
? n is integer
? t == true
? a.b is list
? gone absent
? a exists
? body ~ ^\\{.*\\}$
keep x = a.b[1]
< open

> GET /chunked
< 2xx
? body ~ ^abcde$

raw: GET /none HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /json HTTP/1.1\\r\\n\\r\\n
< 204
< 200
? n != 4

> GET /json
< 200
? a.b[1] == "{{x}}"
? allocations <= 5
? ms <= 1000

raw: GET /bye HTTP/1.1
wait: 0.01
raw: \\r\\nX: {{a*20}}\\r\\n\\r\\n
< 400
< closed
"""

FAIL = """
> GET /json
< 404

> GET /json
< 200
< Content-Type: text/html

> GET /json
< 200
< X-None: a

> GET /json
< 200
< !Content-Type

> GET /json
< 200
? n == 4

> GET /json
< 200
? t == 1

> GET /json
< 200
? t is number

> GET /json
< 200
? a.b[2] == 1

> GET /json
< 200
? a absent

> GET /json
< 200
? n <= 2

> GET /json
< 200
? body ~ nothing

> GET /chunked
< 200
? n == 3

> GET /short
< 200

> GET /json
< 200
< closed

> GET /bye
< 400
< open

> GET /json
< 200
? allocations <= 4

> GET /json
< 200
< 200

> GET /json
< 200
? n about 3

> GET /{{unknown}}
< 200
"""


def cases_of(text):
    with tempfile.NamedTemporaryFile("w", suffix=".http", encoding="utf-8") as file:
        for i, part in enumerate(text.strip().split("\n\n")):
            file.write("=== %d\n%s\n" % (i, part))
        file.flush()
        return run.Script(pathlib.Path(file.name)).cases


def fails(case, server):
    try:
        run.run_case(case, server, {})
    except Failure:
        return
    raise Failure("a case that must fail has passed")


def passes(case, server, names):
    run.run_case(case, server, names)


def main():
    count, server, names = Count("http-selftest"), StandIn(), {}
    # Nobody waits long here for what does not come.
    run.CLOSE_TIMEOUT = 1
    real = server.socket

    def impatient():
        sock = real()
        sock.settimeout(1)
        return sock
    server.socket = impatient
    for case in cases_of(PASS):
        count.run("passes_%s" % case.name, passes, case, server, names)
    for case in cases_of(FAIL):
        count.run("fails_%s_line_%d" % (case.name, case.line), fails, case, server)
    count.run("counts", lambda: expect(len(cases_of(FAIL)) == 19, "%d cases", len(cases_of(FAIL))))
    return count.finish()


if __name__ == "__main__":
    sys.exit(main())
