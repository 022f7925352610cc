#!/usr/bin/env python3
"""The runner of command-line cases, itself: cases that must pass and cases that must fail, for sh alone."""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE)]
from checks import Count, Failure, equal, expect                            # noqa: E402
import run                                                                  # noqa: E402

PASS = r"""
=== output, error and exit code
$ echo a; echo b >&2; exit 3
> a
! b
exit 3

=== several commands share a folder
$ echo kept >file
$ cat file
> kept

=== input
$ cat
< one
<
< two
> one
>
> two

=== a regular expression within a line
$ echo "took 17 ms (fast)"
> took {{\d+}} ms (fast)

=== any lines
$ printf 'a\nb\nc\nd\n'
> a
> ...
> d

=== no lines at all are any lines
$ echo a
> ...
> a
> ...

=== a file and an environment
env: GREETING=good day
file: names
| Ana
|
| Zé
$ echo "$GREETING"; cat names
> good day
> Ana
>
> Zé

=== a line that does not end
$ printf a
> a
> \ no line end

=== control characters and bytes that are no text
$ printf 'a\tb\033[1mc\377\n'
> a^Ib^[[1mc\xff

=== the folder has one name
$ pwd; echo "$HOME"
> HERE
> HERE

=== a terminal
tty $ test -t 0 && test -t 1 && test -t 2 && stty size; echo err >&2
> 24 80
> err

=== no terminal
$ test -t 1 || test -t 2
exit 1
"""

FAIL = r"""
=== an exit code
$ exit 1

=== an exit code that was expected
$ true
exit 1

=== output that is not expected
$ echo a

=== an error that is not expected
$ echo a >&2

=== another output
$ echo a
> b

=== less output
$ echo a
> a
> b

=== more output
$ printf 'a\nb\n'
> a

=== a dot is a dot
$ echo axb
> a.b

=== an expression that does not hold
$ echo took x ms
> took {{\d+}} ms

=== an expression holds for the whole line
$ echo took 17 ms, more
> took {{\d+}} ms

=== the second of two commands
$ true
$ false
"""


def cases_of(text):
    with tempfile.NamedTemporaryFile("w", suffix=".cli", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return run.Script(pathlib.Path(file.name)).cases


def fails(case):
    try:
        run.run_case(case, pathlib.Path("/nonexistent"))
    except Failure:
        return
    raise Failure("a case that must fail has passed")


def passes(case):
    run.run_case(case, pathlib.Path("/nonexistent"))


def accepts():
    """--accept writes what came, and what was right stays as it was written."""
    text = "=== a\n$ echo a; exit 2\n! wrong\n\n=== b\n$ cat\n< in\n> out\n$ echo 5\n> {{\\d}}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "x.cli"
        path.write_text(text, encoding="utf-8")
        script, accepted = run.Script(path), {}
        for case in script.cases:
            run.run_case(case, pathlib.Path("/nonexistent"), accepted)
        run.accept(path, accepted)
        equal(path.read_text(encoding="utf-8"),
              "=== a\n$ echo a; exit 2\n> a\nexit 2\n\n=== b\n$ cat\n< in\n> in\n$ echo 5\n> {{\\d}}\n", "the file")
        for case in run.Script(path).cases:
            passes(case)


def refuses(text):
    try:
        cases_of(text)
    except SystemExit:
        return
    raise Failure("%r was read" % text)


def main():
    count = Count("golden-selftest")
    for case in cases_of(PASS):
        count.run("passes_" + case.name.replace(" ", "_"), passes, case)
    for case in cases_of(FAIL):
        count.run("fails_" + case.name.replace(" ", "_"), fails, case)
    for text in ("=== a\nwhat is this\n", "$ a command before any case\n", "=== a\n> output before a command\n",
                 "=== a\n$ x\nexit soon\n", "=== a\n| a line of no file\n"):
        count.run("refuses_" + text.split("\n")[-2].replace(" ", "_"), refuses, text)
    count.run("accepts", accepts)
    count.run("counts", lambda: expect((len(cases_of(PASS)), len(cases_of(FAIL))) == (12, 11), "cases were lost"))
    return count.finish()


if __name__ == "__main__":
    sys.exit(main())
