#!/usr/bin/env python3
"""docs/tables.md, run word by word: its Python in the oracles' environment, its commands against a server.

    tests/oracle/run tutorial.py [-v]

What a command prints stands below it: JSON has to have the same names and values (numbers to the digits that
the document shows; of ids and times only that they are there), other lines the same words and numbers.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from checks import Count, expect                                            # noqa: E402
from server import Server, binary                                           # noqa: E402

DOCUMENT = ROOT / "docs" / "tables.md"
ADDRESS = "127.0.0.1:8000"                                                  # in the document
ANYTHING = {"id", "time", "ms", "next", "predicted", "loaded_at"}


def blocks():
    """(kind, text, line) of each fenced block."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        yield found.group(1), found.group(2), text.count("\n", 0, found.start()) + 1


def same_number(got, wanted, shown):
    """Equal as far as the document shows digits."""
    digits = len(shown.partition(".")[2])
    return abs(got - wanted) <= 0.5000001 * 10.0 ** -digits


def same(got, wanted, where):
    if isinstance(wanted, dict):
        expect(isinstance(got, dict), "%s: no object, but %r", where, got)
        for name, value in wanted.items():
            expect(name in got, "%s lacks %s: %r", where, name, got)
            if name not in ANYTHING:
                same(got[name], value, where + "." + name)
    elif isinstance(wanted, list):
        expect(isinstance(got, list) and len(got) == len(wanted), "%s: %r, not %r", where, got, wanted)
        for i, (a, b) in enumerate(zip(got, wanted)):
            same(a, b, "%s[%d]" % (where, i))
    elif isinstance(wanted, float):
        expect(isinstance(got, (int, float)) and same_number(got, wanted, repr(wanted)), "%s: %r, not %r", where, got, wanted)
    else:
        expect(got == wanted, "%s: %r, not %r", where, got, wanted)


def same_lines(got, wanted, where):
    lines, expected = got.splitlines(), wanted.splitlines()
    expect(len(lines) == len(expected), "%s printed %r", where, got)
    for a, b in zip(lines, expected):
        if re.fullmatch(r"-?[\d.]+", b):
            expect(same_number(float(a), float(b), b), "%s: %s, not %s", where, a, b)
        else:
            expect(a == b, "%s: %r, not %r", where, a, b)


class Tutorial:
    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.env = dict(os.environ, PATH="%s:%s" % (pathlib.Path(binary()).resolve().parent, os.environ["PATH"]),
                        HOME=folder, ENGENHO_DATA=folder + "/data")

    def here(self, text):
        return text.replace(ADDRESS, "127.0.0.1:%d" % self.server.port) if self.server.port else text

    def run(self, command):
        ran = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=300, check=False)
        expect(ran.returncode == 0, "ended with %d: %s", ran.returncode, ran.stderr)
        return ran.stdout

    def python(self, text):
        self.run([sys.executable, "-c", self.here(text)])

    def console(self, text):
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, wanted = part.split("\n", 1)
            got = self.run(["sh", "-c", self.here(command)])
            if wanted.startswith('{"'):
                same(json.loads(got), json.loads(wanted), command)
            else:
                same_lines(got, wanted, command)

    def sh(self, text):
        expect(text.startswith("engenho serve "), "only the server is started so: %s", text)
        self.server.start()


def main():
    count = Count("tutorial")
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        tutorial = Tutorial(folder, server)
        for kind, text, line in blocks():
            if not count.run("line_%d" % line, getattr(tutorial, kind), text):
                break                               # what follows needs it
    return count.finish()


if __name__ == "__main__":
    sys.exit(main())
