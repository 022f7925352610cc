"""What the checks of this stage share."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from checks import Skip, equal, expect                                      # noqa: E402
from server import Server, binary                                           # noqa: E402

QUIET = ("--log-level", "error")
# The exit codes of engenho.h that a server which cannot start may end with.
BAD_DATA, NO_MEMORY, READ_ONLY, NO_SPACE, BUSY = 65, 71, 73, 74, 75


def add_key(server, name="a key", **how):
    return server.post("/v1/keys", {"name": name, "role": "read"}, **how)


def key_names(server, **how):
    names, after = [], ""
    while True:
        reply = server.get("/v1/keys?limit=1000" + after, **how)
        equal(reply.status, 200, "GET /v1/keys")
        names += [key["name"] for key in reply.json()["keys"]]
        if not reply.json().get("next"):
            return names
        after = "&next=" + reply.json()["next"]


def detail(reply):
    """The words of an error, which is JSON whatever went wrong."""
    value = reply.json().get("detail")
    expect(isinstance(value, str) and value, "an error without a detail: %r", reply.body)
    return value


def serves(server):
    """It goes on: it lives, reads and writes."""
    expect(server.alive(), "the server has ended: %s", server.log())
    equal(server.get("/health").status, 200, "GET /health")
    equal(add_key(server).status, 201, "POST /v1/keys")


def waits_until(truth, what, seconds=10):
    end = time.monotonic() + seconds
    while not truth():
        expect(time.monotonic() < end, "not within %d s: %s", seconds, what)
        time.sleep(0.02)


def refuses(server, status, *words, options=QUIET, **how):
    """It does not start: this exit status, and a line that says why in these words."""
    server.spawn(*options, **how)
    try:
        got = server.process.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        expect(False, "it starts, or never ends: %s", server.log())
    said = server.log()
    server.process.stdout.close()
    server.process = None
    expect(got in (status if isinstance(status, tuple) else (status,)), "exit status %s: %s", got, said)
    for word in words:
        expect(word in said, "expected '%s' to be named in: %s", word, said)
    return said


def wait_for_job(server, ident, seconds=30):
    end = time.monotonic() + seconds
    while True:
        job = server.get("/v1/jobs/%d" % ident).json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        expect(time.monotonic() < end, "job %d does not end: %r", ident, job)
        time.sleep(0.02)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="engenho-fault-") as path:
        yield pathlib.Path(path)


@contextlib.contextmanager
def tmpfs(size):
    """A file system of its own; only root can make one."""
    if os.geteuid() != 0:
        raise Skip("only root can mount a tmpfs")
    with folder() as path:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", str(path)],
                              capture_output=True, text=True, check=False)
        if made.returncode:
            raise Skip("cannot mount a tmpfs: " + made.stderr.strip())
        try:
            yield path
        finally:
            subprocess.run(["umount", "-l", str(path)], check=True)


def without_sanitizer(why):
    if any(word in os.environ.get("ENGENHO", "") for word in ("asan", "tsan")):
        raise Skip("under a sanitizer: " + why)


def fill(path):
    """Takes all room that is left."""
    with open(path, "wb", buffering=0) as out:
        for size in (1 << 20, 1 << 16, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    out.write(b"x" * size)


@contextlib.contextmanager
def open_folder():
    """One that OtherUser reaches: what TMPDIR names may be closed to all but us."""
    with tempfile.TemporaryDirectory(prefix="engenho-fault-", dir="/tmp" if os.geteuid() == 0 else None) as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


class OtherUser(Server):
    """Runs as nobody where we are root, for whom permissions are no obstacle. The program is copied to
    where nobody can reach it."""

    def __init__(self, home, data):
        super().__init__(data=str(data))
        self.program = home / "engenho"
        if not self.program.exists():
            shutil.copy(binary(), self.program)
            self.program.chmod(0o755)

    def command(self, *options):
        return [str(self.program), *super().command(*options)[1:]]

    def who(self):
        return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}

    def spawn(self, *options, **how):
        super().spawn(*options, **{**self.who(), **how})


def give_to_other(path):
    """The whole folder, to whoever OtherUser is."""
    if os.geteuid() == 0:
        for base, folders, files in os.walk(path):
            for name in [".", *folders, *files]:
                os.chown(os.path.join(base, name), 65534, 65534)
