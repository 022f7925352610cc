"""Kills the server at random instants while clients use it, starts it again, and asks whether what it
promised still holds.

A promise is an object that lives through all kills:

    class Documents(Promise):
        clients = 3
        def work(self, session): ...    # one step of a client, called again and again until the server dies
        def check(self, server): ...    # after each start: raises Failure where a promise is broken

    sys.exit(Harness("crash.documents", [Documents()]).run(kills=40))

What a reply acknowledged is written down by `work` after session.request has returned; what was asked
for and never answered may have happened or not, but not by half. A kill counts as having met a request
when a client had begun one before it and never got the reply; a run where under half did proves little,
and fails.
"""

import http.client
import random
import threading
import time

from checks import Count, Failure, expect
from server import Server

SETTLE_TIMEOUT = 60
LONGEST_DRIVE = 0.4     # seconds between the first request and the kill
STARTS_CUT_EVERY = 4    # one in so many starts is itself killed


class Died(Exception):
    """The server has gone; the client's work ends."""


class Session:
    """One client: a connection that is kept, and what it waits for."""

    def __init__(self, harness, index):
        self.harness, self.index = harness, index
        self.random = random.Random(harness.random.random())
        self.connection = None
        self.began = None       # when the request that was not answered was begun
        self.failure = None

    def request(self, method, path, body=None, headers=None):
        """A reply, whole. Raises Died where none came because the server was killed."""
        server = self.harness.server
        self.connection = self.connection or server.connection(SETTLE_TIMEOUT)
        self.began = time.monotonic()
        try:
            reply = server.request(method, path, body, {**self.harness.headers, **(headers or {})},
                                   connection=self.connection)
        except (OSError, http.client.HTTPException) as error:
            if not self.harness.dying.wait(5):
                raise Failure("%s %s: %r, and nobody had killed it" % (method, path, error)) from None
            raise Died() from None
        self.began = None
        return reply

    def run(self, promise):
        try:
            while not self.harness.dying.is_set():
                promise.work(self)
        except Died:
            pass
        except Exception as failure:                                # pylint: disable=broad-except
            self.failure = failure
        finally:
            if self.connection:
                self.connection.close()


class Promise:
    clients = 1

    def begin(self, server):
        """Once, before the first kill."""

    def work(self, session):
        raise NotImplementedError

    def check(self, server):
        raise NotImplementedError

    def finish(self, server):
        """Once, after the last kill, while the server still runs."""

    def summary(self):
        """What it has seen, for the last line of a run."""
        return ""


class Harness:
    def __init__(self, stage, promises, options=(), env=None, headers=None, seed=None):
        self.stage, self.promises, self.options = stage, promises, options
        self.env, self.headers = env or {}, headers or {}
        self.seed = random.randrange(1 << 32) if seed is None else seed
        self.random = random.Random(self.seed)
        self.server, self.dying = None, threading.Event()
        self.kills = self.met = self.cut_starts = 0
        self.met_requests = 0

    def start(self):
        """Now and then a start is cut off too: what it repairs, it must be able to repair again."""
        if self.kills and self.random.randrange(STARTS_CUT_EVERY) == 0:
            self.server.spawn("--log-level", "error", *self.options)
            time.sleep(self.random.uniform(0, 0.05))
            self.server.kill()
            self.cut_starts += 1
        self.server.start("--log-level", "error", *self.options)

    def drive(self):
        """Clients, until a random instant; then the kill. Counts what it met."""
        self.dying.clear()
        pairs = [(Session(self, index), promise) for promise in self.promises for index in range(promise.clients)]
        threads = [threading.Thread(target=session.run, args=(promise,)) for session, promise in pairs]
        for thread in threads:
            thread.start()
        time.sleep(self.random.uniform(0.01, LONGEST_DRIVE))
        killed = time.monotonic()
        self.server.kill(before_wait=self.dying.set)
        for thread in threads:
            thread.join(SETTLE_TIMEOUT)
            expect(not thread.is_alive(), "a client still waits %d s after the kill", SETTLE_TIMEOUT)
        for session, _ in pairs:
            if session.failure:
                raise session.failure
        met = sum(1 for session, _ in pairs if session.began is not None and session.began < killed)
        self.kills += 1
        self.met += met > 0
        self.met_requests += met

    def check(self):
        for promise in self.promises:
            promise.check(self.server)

    def one_kill(self):
        self.drive()
        self.start()
        self.check()

    def all_kills(self, kills):
        self.start()
        for promise in self.promises:
            promise.begin(self.server)
        for _ in range(kills):
            self.one_kill()
        for promise in self.promises:
            promise.finish(self.server)
        expect(self.server.stop() == 0, "it does not stop well after all that: %s", self.server.log())

    def enough_met(self):
        expect(self.met * 2 >= self.kills, "only %d of %d kills met a request in flight", self.met, self.kills)

    def run(self, kills):
        count = Count(self.stage)
        with Server(env=self.env) as self.server:
            try:
                count.run("promises_hold", self.all_kills, kills)
            finally:
                print("%s: seed %d, %d kills, %d met a request in flight (%d requests), %d starts cut off; %s"
                      % (self.stage, self.seed, self.kills, self.met, self.met_requests, self.cut_starts,
                         "; ".join(filter(None, (promise.summary() for promise in self.promises)))), flush=True)
        count.run("kills_met_requests", self.enough_met)
        return count.finish()
