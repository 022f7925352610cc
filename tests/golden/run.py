#!/usr/bin/env python3
"""Runs command-line cases, which are data, against the real program.

    tests/golden/run.py [-v] [--accept] [FILE.cli...]     all of tests/golden without a name

Each case has a folder of its own, which is its HOME; docs/testing.md describes the format:

    === a wrong option is named            a case
    env: NO_COLOR=1                        its environment; before the first case: that of the file
    file: settings.env                     a file, of the lines that follow
    | ENGENHO_RATE=5
    serve: --keys off                      a server holds the data meanwhile
    $ engenho key list --jsn               a command, for sh
    < text                                 lines of its standard input
    > text                                 lines of its standard output, exactly these
    ! text                                 lines of its standard error, exactly these
    exit 64                                its exit code, where it is not 0
    tty $ engenho key list                 a command on a terminal: all it writes is `>`

In an expected line {{...}} is a regular expression; a line that is ... alone stands for any lines.
Control characters are written as cat -v does, the case's folder as HERE. --accept writes what came into
the files in place of what was expected.
"""

import concurrent.futures
import contextlib
import difflib
import fcntl
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from subprocess import PIPE

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
from checks import Count, Failure                                          # noqa: E402
from server import Server, binary                                           # noqa: E402
import made                                                                 # noqa: E402

TIMEOUT = 120       # a sanitizer, a loaded machine
WINDOW = (24, 80)   # of the terminal: rows, columns


# ---- Reading the files ---------------------------------------------------------------------------------

class Command:
    def __init__(self, text, terminal, line):
        self.text, self.terminal, self.line = text, terminal, line
        self.input, self.output, self.error, self.exit = [], [], [], 0
        self.last = line        # the last line that belongs to it

    def take(self, mark, rest, line):
        {"<": self.input, ">": self.output, "!": self.error}[mark].append(rest)
        self.last = line


class Case:
    def __init__(self, name, line, env):
        self.name, self.line, self.env = name, line, dict(env)
        self.files, self.serve, self.commands = {}, None, []


class Script:
    def __init__(self, path):
        self.path, self.env, self.cases, self.file = path, {}, [], None
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                self.take(line, number)
            except (ValueError, IndexError, AttributeError) as wrong:
                raise SystemExit("%s:%d: %s: %s" % (path, number, line, wrong)) from None

    def take(self, line, number):
        word, _, rest = line.partition(" ")
        if not line.strip() or line.startswith("# "):
            return
        if word == "===":
            self.cases.append(Case(rest, number, self.env))
        elif word == "env:":
            name, _, value = rest.partition("=")
            (self.cases[-1].env if self.cases else self.env)[name] = value
        elif word == "file:":
            self.file = self.cases[-1].files.setdefault(rest, [])
        elif word == "|":
            self.file.append(rest)
        elif word == "serve:":
            self.cases[-1].serve = rest.split()
        elif word == "$" or line.startswith("tty $ "):
            self.cases[-1].commands.append(Command(line.partition("$ ")[2], word == "tty", number))
        elif word == "exit":
            self.cases[-1].commands[-1].exit = int(rest)
            self.cases[-1].commands[-1].last = number
        elif word in ("<", ">", "!"):
            self.cases[-1].commands[-1].take(word, rest, number)
        else:
            raise ValueError("expected ===, env:, file:, |, serve:, $, tty $, <, >, ! or exit")


# ---- Running a command ---------------------------------------------------------------------------------

class Got:
    def __init__(self, output, error, status):
        self.output, self.error, self.exit = output, error, status


def shown(data, folder):
    """As lines of a case have it."""
    text = data.decode("utf-8", "backslashreplace").replace(str(folder), "HERE")
    text = re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", lambda found: "^" + chr(ord(found.group()) ^ 0x40), text)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        lines.append("\\ no line end")
    return lines


def read_terminal(master):
    data = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:     # the other end has closed
            part = b""
        if not part:
            return data.replace(b"\r\n", b"\n")
        data += part


@contextlib.contextmanager
def group(command, folder, env, **streams):
    """The command's process, with all that it starts: none of it outlives the case or its time."""
    process = subprocess.Popen(["sh", "-c", command.text], cwd=folder, env=env, start_new_session=True, **streams)
    late = []
    timer = threading.Timer(TIMEOUT, lambda: (late.append(True), end(process)))
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        end(process)
        if late:
            raise Failure("line %d: took longer than %d s" % (command.line, TIMEOUT))


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def on_terminal(command, folder, env):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *WINDOW, 0, 0))
    with group(command, folder, env, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        output = read_terminal(master)
        os.close(master)
        return Got(shown(output, folder), [], process.wait(TIMEOUT))


def run_command(command, folder, env):
    if command.terminal:
        return on_terminal(command, folder, env)
    given = "".join(line + "\n" for line in command.input).encode()
    with group(command, folder, env, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        output, error = process.communicate(given)
        return Got(shown(output, folder), shown(error, folder), process.returncode)


# ---- Comparing -----------------------------------------------------------------------------------------

def pattern_of(lines):
    """One regular expression for all of them."""
    pattern = ""
    for line in lines:
        if line == "...":
            pattern += r"(?:.*\n)*?"
            continue
        for i, part in enumerate(re.split(r"\{\{(.*?)\}\}", line)):
            pattern += "(?:%s)" % part if i % 2 else re.escape(part)
        pattern += r"\n"
    return pattern


def matches(wanted, got):
    return re.fullmatch(pattern_of(wanted), "".join(line + "\n" for line in got)) is not None


def difference(what, wanted, got):
    return "\n".join(difflib.unified_diff(wanted, got, "expected " + what, "got", lineterm="", n=2))


def compare(command, got):
    """What differs, as text; empty where nothing does."""
    said = []
    if got.exit != command.exit:
        said.append("exit code: expected %d, got %d" % (command.exit, got.exit))
    for what, wanted, came in (("standard output", command.output, got.output),
                               ("standard error", command.error, got.error)):
        if not matches(wanted, came):
            said.append(difference(what, wanted, came))
    return "\n".join(said)


# ---- Cases ---------------------------------------------------------------------------------------------

def environment(case, folder, programs):
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "ASAN_OPTIONS", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(folder), "ENGENHO_MODELS": str(HERE.parent.parent / "build" / "models"),
            "LANG": "C.UTF-8", "TERM": "xterm", "TZ": "UTC",
            "PATH": "%s:%s:/usr/local/bin:/usr/bin:/bin" % (programs, HERE / "bin"), **case.env}


def run_in(case, folder, programs, accepted):
    env = environment(case, folder, programs)
    for name, lines in case.files.items():
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    wrong = []
    for command in case.commands:
        got = run_command(command, folder, env)
        said = compare(command, got)
        if said and accepted is not None:
            accepted[command.line] = (command, got)
        elif said:
            wrong.append("line %d: %s\n%s" % (command.line, command.text, said))
    if wrong:
        raise Failure("\n".join(wrong))


def run_case(case, programs, accepted=None):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="g-"))
    try:
        if case.serve is None:
            run_in(case, folder, programs, accepted)
            return
        data = folder / ".local" / "share" / "engenho"
        data.parent.mkdir(parents=True)
        data.mkdir(mode=0o700)
        with Server(str(data), case.env) as server:
            server.start("--log-level", "error", *case.serve)
            run_in(case, folder, programs, accepted)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def expectation(got):
    marked = [("> ", line) for line in got.output] + [("! ", line) for line in got.error]
    return [mark + line if line else mark[0] for mark, line in marked] + (["exit %d" % got.exit] if got.exit else [])


def accept(path, accepted):
    """Replaces what was expected of these commands, from the last one up so that line numbers hold."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for line in sorted(accepted, reverse=True):
        command, got = accepted[line]
        lines[line:command.last] = ["< " + text for text in command.input] + expectation(got)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_script(script, programs, accepting):
    count, accepted = Count("golden." + script.path.stem), {} if accepting else None
    jobs = int(os.environ.get("JOBS") or os.cpu_count() or 1)
    with concurrent.futures.ThreadPoolExecutor(max(2, jobs)) as pool:
        list(pool.map(lambda case: count.run(case.name.replace(" ", "_"), run_case, case, programs, accepted),
                      script.cases))
    if accepted:
        accept(script.path, accepted)
        print("golden: %s: %d commands accepted" % (script.path.name, len(accepted)))
    return count


def main(words):
    paths = [pathlib.Path(word) for word in words if not word.startswith("-")]
    total = Count("golden")
    programs = pathlib.Path(tempfile.mkdtemp(prefix="engenho-bin-"))
    try:
        (programs / "engenho").symlink_to(binary())
        counts = [run_script(Script(path), programs, "--accept" in words) for path in paths or sorted(HERE.glob("*.cli"))]
        if not paths:
            counts.append(made.run(binary()))
    finally:
        shutil.rmtree(programs)
    for count in counts:
        total.add(count)
    return total.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
