#!/usr/bin/env python3
"""tests/run itself: what it counts, what it refuses to leave out, what it makes of a stage that breaks."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))
from checks import Failure, equal, expect, main                             # noqa: E402

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("tests_run", str(HERE / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("tests_run", loader))
loader.exec_module(run)


def result_of(*scripts, allowed=(), limit=60):
    """Runs a stage of shell commands."""
    with tempfile.TemporaryDirectory() as folder:
        run.LOGS = pathlib.Path(folder)
        runner = run.Runner(pathlib.Path(folder), list(allowed))
        return runner.run(run.Stage("x", *[["sh", "-c", script] for script in scripts], limit=limit))


def counts(result):
    return result.passed, result.failed, result.skipped


def a_counting_command_is_counted():
    equal(counts(result_of("echo '1 passed, 0 failed, 0 skipped'; echo; echo '3 passed, 0 failed, 0 skipped'")), (3, 0, 0),
          "the last line counts")
    equal(counts(result_of("echo '3 passed, 0 failed, 0 skipped'", "echo '4 passed, 0 failed, 0 skipped'")), (7, 0, 0),
          "commands add up")


def another_command_is_one_check():
    equal(counts(result_of("true", "true")), (2, 0, 0), "those that end with 0")
    equal(counts(result_of("true", "false")), (1, 1, 0), "one that does not")


def an_exit_status_without_a_failure_is_one():
    result = result_of("echo '3 passed, 0 failed, 0 skipped'; exit 2")
    equal(counts(result), (3, 1, 0), "counts")
    expect("exit status 2" in result.log, "the log does not say so: %s", result.log)


def failures_are_not_counted_twice():
    equal(counts(result_of("echo '3 passed, 2 failed, 0 skipped'; exit 1")), (3, 2, 0), "counts")


def a_command_that_is_killed_fails():
    equal(counts(result_of("kill -SEGV $$")), (0, 1, 0), "counts")


def a_command_that_is_not_there_fails():
    with tempfile.TemporaryDirectory() as folder:
        run.LOGS = pathlib.Path(folder)
        result = run.Runner(pathlib.Path(folder), []).run(run.Stage("x", ["tests/no/such/run"]))
    equal(counts(result), (0, 1, 0), "counts")


def a_command_that_takes_too_long_fails_with_its_children():
    began = time.monotonic()
    result = result_of("sleep 300 & sleep 300", limit=1)
    expect(time.monotonic() - began < 20, "it was waited for")
    equal(counts(result), (0, 1, 0), "counts")
    expect("took longer" in result.log, "the log does not say so: %s", result.log)


SKIPPING = "echo 'SKIP fault.disk  no root'; echo '1 passed, 0 failed, 1 skipped'"


def a_skip_that_is_not_listed_fails():
    result = result_of(SKIPPING)
    equal(counts(result), (1, 1, 1), "counts")
    expect("expected-skips" in result.log, "the log does not say so: %s", result.log)


def a_skip_that_is_listed_does_not():
    equal(counts(result_of(SKIPPING, allowed=["fault.disk"])), (1, 0, 1), "by name")
    equal(counts(result_of(SKIPPING, allowed=["fault.*"])), (1, 0, 1), "by pattern")
    equal(counts(result_of(SKIPPING, allowed=["fault"])), (1, 1, 1), "not by half a name")


def a_skip_that_is_only_counted_fails():
    equal(counts(result_of("echo '1 passed, 0 failed, 1 skipped'", allowed=["*"])), (1, 1, 1), "counts")


def the_list_of_skips_has_reasons():
    equal(run.read_allowed("# about\n\na.b  why\nc.*  why not\n"), ["a.b", "c.*"], "patterns")
    try:
        run.read_allowed("a.b\n")
    except SystemExit:
        return
    raise Failure("a line without a reason was read")


def the_list_of_skips_can_be_read():
    run.read_allowed(run.ALLOWED.read_text(encoding="utf-8"))


def what_is_set_outside_does_not_reach_a_stage():
    done = subprocess.run([sys.executable, "-c", "import runpy, sys; sys.path.insert(0, 'tests'); import selftest;"
                           "print(selftest.result_of('env').log)"], cwd=HERE.parent, capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "ENGENHO_RATE": "1", "PORT": "2", "MAKEFLAGS": "-j9"}, check=True)
    for name in ("ENGENHO_RATE", "PORT=", "MAKEFLAGS"):
        expect(name not in done.stdout, "%s is set: %s", name, done.stdout)


def a_name_chooses_a_stage_and_what_it_needs():
    equal([stage.name for stage in run.choose(["unit"])], ["build", "unit"], "stages")
    equal([stage.name for stage in run.choose(["self"])], ["self"], "stages")


def a_name_that_is_none_is_refused():
    for words in (["unti"], ["unit", "--fast"]):
        try:
            run.choose(words)
        except SystemExit as refused:
            expect("there are: build" in str(refused), "it says %s", refused)
            continue
        raise Failure("%r was accepted" % words)


def every_stage_is_described():
    text = (HERE.parent / "docs" / "testing.md").read_text(encoding="utf-8")
    for stage in run.the_stages(True, False):
        expect("| %s |" % stage.name in text, "docs/testing.md does not say what %s does", stage.name)


if __name__ == "__main__":
    sys.exit(main("self", [check for name, check in list(globals().items())
                           if callable(check) and getattr(check, "__module__", "") == "__main__"
                           and name not in ("result_of", "counts")]))
