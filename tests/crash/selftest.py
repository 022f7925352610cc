#!/usr/bin/env python3
"""The crash harness itself: it must notice a broken promise, an error that no kill explains, and kills
that met nothing."""

import contextlib
import io
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from checks import expect, main                                              # noqa: E402
from crash import Harness, Promise                                           # noqa: E402


class Asks(Promise):
    clients = 24        # so many that some request is always in flight, also on a machine that is busy

    def work(self, session):
        session.request("GET", "/health")

    def check(self, server):
        pass


class Loses(Asks):
    def check(self, server):
        expect(False, "a thing was acknowledged and is lost")


class Sleeps(Asks):
    def work(self, session):
        time.sleep(0.01)


class Stumbles(Asks):
    def work(self, session):
        session.request("GET", "/health")
        expect(session.request("GET", "/none").status == 200, "the path is there")


def outcome(promise, kills=4):
    """Its exit status and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = Harness("inner", [promise], seed=1).run(kills)
    return status, printed.getvalue()


def a_promise_that_holds_passes():
    status, printed = outcome(Asks())
    expect(status == 0 and "4 kills, " in printed, "%s", printed)


def a_broken_promise_fails():
    status, printed = outcome(Loses())
    expect(status == 1 and "acknowledged and is lost" in printed, "%s", printed)


def kills_that_meet_nothing_fail():
    status, printed = outcome(Sleeps())
    expect(status == 1 and "only 0 of 4 kills met a request" in printed, "%s", printed)


def a_failure_of_a_client_fails():
    status, printed = outcome(Stumbles())
    expect(status == 1 and "the path is there" in printed, "%s", printed)


if __name__ == "__main__":
    sys.exit(main("crash.self", [a_promise_that_holds_passes, a_broken_promise_fails, kills_that_meet_nothing_fail,
                                 a_failure_of_a_client_fails]))
