"""Clients that are slow, rude or gone: the others notice nothing."""

import resource
import socket
import struct
import threading
import time

from help import QUIET, Server, add_key, equal, expect, key_names, serves, waits_until

SLOW = 500
SLOW_SECONDS = 12           # longer than a head may take
SLOWEST_MS = 2000           # for somebody else, on a machine that runs other tests too; held up, it is 20 s
NEVER_READ_KIB = 128 * 1024  # a reply of 1.4 MB for each of them, and what sanitizers add
DOCS = "/docs/swagger-ui-bundle.js"


def many_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def reset(sock):
    """Closes so that the other side gets an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Bystander(threading.Thread):
    """Asks all the time, and notes how long each answer took."""

    def __init__(self, server):
        super().__init__()
        self.server, self.over, self.times, self.failure = server, threading.Event(), [], None

    def run(self):
        try:
            connection = self.server.connection()
            while not self.over.is_set():
                began = time.monotonic()
                reply = self.server.get("/health", connection=connection)
                self.times.append((time.monotonic() - began) * 1000)
                equal(reply.status, 200, "GET /health")
                equal(add_key(self.server).status, 201, "POST /v1/keys")    # a connection of its own
                time.sleep(0.01)
            connection.close()
        except Exception as failure:                                # pylint: disable=broad-except
            self.failure = failure

    def judge(self):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure
        slowest = sorted(self.times)[-1 - len(self.times) // 100]
        expect(slowest < SLOWEST_MS, "others waited %.0f ms (99th of 100, of %d)", slowest, len(self.times))
        return "others waited %.1f ms at the most but for 1%% of %d" % (slowest, len(self.times))


def send_slowly(server, sockets):
    """A byte a second on each, of heads that never end and of bodies that do not end soon."""
    for i in range(SLOW):
        sock = server.socket()
        sock.sendall(b"GET /health HTTP/1.1\r\nX-Slow: " if i % 2 else
                     b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 1000\r\n\r\n")
        sockets.append(sock)
    end = time.monotonic() + SLOW_SECONDS
    while time.monotonic() < end:
        began = time.monotonic()
        for sock in sockets:
            try:
                sock.send(b"a")
            except OSError:
                pass
        time.sleep(max(0, began + 1 - time.monotonic()))


def five_hundred_clients_of_a_byte_a_second():
    many_descriptors()
    with Server() as server:
        server.start(*QUIET)
        before, sockets = server.status_kib("VmRSS"), []
        bystander = Bystander(server)
        bystander.start()
        send_slowly(server, sockets)
        grown = server.status_kib("VmRSS") - before
        said = bystander.judge()
        # Half of them sent a head for longer than a head may take, and were told so.
        for sock in sockets[1::2]:
            sock.settimeout(5)
            answer = sock.recv(4096)
            expect(not answer or answer.startswith(b"HTTP/1.1 408 "), "a head that never ended got %r", answer[:80])
        for sock in sockets:
            sock.close()
        expect(grown < SLOW * 48, "%d KiB for %d slow clients", grown, SLOW)
        serves(server)
        return "%s; %d KiB for %d slow ones" % (said, grown, SLOW)


def clients_that_never_read():
    """They ask and ask; what they do not read must not pile up, and at last they are cut off."""
    with Server() as server:
        server.start(*QUIET)
        before, clients = server.status_kib("VmRSS"), []
        bystander = Bystander(server)
        bystander.start()
        ask = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % DOCS.encode()
        for _ in range(20):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", server.port))
            sock.setblocking(False)
            clients.append(sock)
            try:
                for _ in range(100000):
                    sock.send(ask)
            except BlockingIOError:
                pass
        time.sleep(2)
        grown = server.status_kib("VmRSS") - before
        # Those of 30 s without a byte read; another request may have been on its way.
        waits_until(lambda: server.descriptors() < 60 and all(cut_off(sock) for sock in clients),
                    "the server cuts off who never reads", 45)
        said = bystander.judge()
        for sock in clients:
            sock.close()
        expect(grown < NEVER_READ_KIB, "%d KiB for 20 clients that do not read", grown)
        serves(server)
        return "%s; %d KiB for 20 that do not read" % (said, grown)


def cut_off(sock):
    """The server has closed its side: writing fails, without a byte being read."""
    try:
        sock.send(b" ")
        return False
    except BlockingIOError:
        return False
    except OSError:
        return True


BEGINNINGS = [
    b"", b"GE", b"GET /health HTTP/1.1\r\nHost: loc",
    b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\"",
    b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n20\r\n{\"name\":",
    # Past what is kept in memory: a file has been begun.
    b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 8000000\r\n\r\n" + b" " * 3000000,
    b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    b"Content-Length: 100\r\n\r\n",
    b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % DOCS.encode(),
]


def clients_that_close_in_the_middle():
    with Server() as server:
        server.start(*QUIET)
        serves(server)
        held, names = server.descriptors(), key_names(server)
        for _ in range(20):
            for beginning in BEGINNINGS:
                for end in (socket.socket.close, reset):
                    sock = server.socket()
                    sock.sendall(beginning)
                    end(sock)
        waits_until(lambda: server.descriptors() <= held + 2, "descriptors are given back")
        equal(key_names(server), names, "the keys, after requests that never were whole")
        serves(server)
        return "%d connections" % (40 * len(BEGINNINGS))


CHECKS = [clients_that_never_read, five_hundred_clients_of_a_byte_a_second, clients_that_close_in_the_middle]
