"""Counting, as every stage does it: FAIL and SKIP lines, and a last line with the sums."""

import sys
import threading
import time
import traceback


class Failure(Exception):
    """What was expected, and what came."""


class Skip(Exception):
    """Why it cannot run here; tests/expected-skips has to know it."""


def expect(truth, message, *values):
    if not truth:
        raise Failure(message % values if values else message)


def equal(got, wanted, what):
    if got != wanted:
        raise Failure("%s: expected %r, got %r" % (what, wanted, got))


def say(line):
    """One write, so that lines of several threads do not run together."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Count:
    """Checks may run in several threads at once."""

    def __init__(self, stage):
        self.stage, self.passed, self.failed, self.skipped = stage, 0, 0, 0
        self.lock = threading.Lock()

    def run(self, name, function, *arguments):
        """One check; True if it passed."""
        began = time.monotonic()
        try:
            said = function(*arguments)
        except Skip as why:
            with self.lock:
                self.skipped += 1
            say("SKIP %s.%s  %s" % (self.stage, name, why))
            return False
        except Failure as failure:
            return self.fail(name, str(failure))
        except Exception:                                       # pylint: disable=broad-except
            return self.fail(name, traceback.format_exc())
        with self.lock:
            self.passed += 1
        if said or "-v" in sys.argv:
            say("PASS %s.%s  %s (%.1f s)" % (self.stage, name, said or "", time.monotonic() - began))
        return True

    def fail(self, name, message):
        with self.lock:
            self.failed += 1
        say("FAIL %s.%s  %s" % (self.stage, name, message))
        return False

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def finish(self):
        """Prints the last line; the exit status."""
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed or not self.passed else 0


def main(stage, checks, words=None):
    """Runs the functions whose name holds one of the words of the command line."""
    words = [w for w in (sys.argv[1:] if words is None else words) if not w.startswith("-")]
    count = Count(stage)
    for check in checks:
        if not words or any(word in check.__name__ for word in words):
            count.run(check.__name__, check)
    return count.finish()
