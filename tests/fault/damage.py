"""A data directory that is not what it was: refused in words and left as it is, never guessed at."""

import contextlib
import functools
import hashlib
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading

from help import BAD_DATA, QUIET, Server, add_key, binary, detail, equal, expect, folder, key_names, refuses, serves

KEYS = 300
FLIPS = 30
lock = threading.Lock()


@functools.lru_cache(maxsize=1)
def made_once():
    """A directory with keys in it, stopped well. Gone when the tests end."""
    keep = tempfile.TemporaryDirectory(prefix="engenho-sound-")
    with Server(data=keep.name + "/data") as server:
        server.start(*QUIET)
        for i in range(KEYS):
            equal(add_key(server, "key %d" % i).status, 201, "POST /v1/keys")
        equal(server.stop(), 0, "exit status")
    return keep


def sound():
    with lock:
        return pathlib.Path(made_once().name) / "data"


@contextlib.contextmanager
def copied():
    with folder() as home:
        shutil.copytree(sound(), home / "data", ignore=shutil.ignore_patterns("*.sock"))
        yield home / "data"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def doctor(data):
    """The command, on a directory that no server holds; it must not fall over it either."""
    done = subprocess.run([binary(), "doctor", "--data", str(data)], capture_output=True, text=True, timeout=60, check=False,
                          errors="replace")
    expect(done.returncode >= 0, "the doctor died of signal %d: %s", -done.returncode, done.stderr)
    return done


def refused(damage, *words, status=BAD_DATA, name="engenho.db"):
    """With this damage it does not start, names the file, and leaves it as it is; the doctor finds it too."""
    with copied() as data:
        damage(data)
        before = digest(data / name)
        with Server(data=str(data)) as server:
            said = refuses(server, status, name, *words)
            equal(digest(data / name), before, "what was damaged")
        done = doctor(data)
        expect(done.returncode != 0, "the doctor finds nothing: %s", done.stdout)
        equal(digest(data / name), before, "what was damaged, after the doctor")
        return said.strip().split("msg=")[-1]


def truncate(size):
    def damage(data):
        whole = (data / "engenho.db").stat().st_size
        os.truncate(data / "engenho.db", size if size >= 0 else whole + size)
    return damage


def database_truncated():
    for size in (-8192, -1, 8192, 100, 10, 1):
        refused(truncate(size))
    return refused(truncate(-8192))


def database_empty_or_missing():
    """With keys' secret beside it: they are gone, and a new one in its place would hide that."""
    refused(truncate(0))
    return refused(lambda data: (data / "engenho.db").unlink())


def database_of_a_later_version():
    def damage(data):
        with contextlib.closing(sqlite3.connect(data / "engenho.db")) as db:
            db.execute("PRAGMA user_version = 9999")
    return refused(damage, "9999")


def database_of_another_program():
    def damage(data):
        (data / "engenho.db").unlink()
        with contextlib.closing(sqlite3.connect(data / "engenho.db")) as db:
            db.execute("CREATE TABLE notes (text)")
            db.commit()
    return refused(damage, "another program")


def something_else_as_database():
    for content in (b"this is a letter to my grandmother\n" * 1000, b"\0" * 65536, b"SQLite format 3\0", b"PK\3\4" + b"x" * 8188):
        refused(lambda data, content=content: (data / "engenho.db").write_bytes(content))

    def a_folder(data):
        (data / "engenho.db").unlink()
        (data / "engenho.db").mkdir()
    return refused(a_folder, status=(BAD_DATA, 74))


def header_flipped():
    """Each of the bytes that say what kind of file it is."""
    for at in range(16):
        def damage(data, at=at):
            with open(data / "engenho.db", "r+b") as db:
                db.seek(at)
                byte = db.read(1)[0]
                db.seek(at)
                db.write(bytes([byte ^ 4]))
        said = refused(damage)
    return said


def secret_damaged_or_missing():
    for damage in (lambda data: (data / "key.secret").write_bytes(b"short"),
                   lambda data: (data / "key.secret").write_bytes(b""),
                   lambda data: (data / "key.secret").unlink()):
        said = refused(damage, name="key.secret", status=(BAD_DATA, 66))
    return said


def flip(data, at, bit):
    with open(data / "engenho.db", "r+b") as db:
        db.seek(at)
        byte = db.read(1)[0]
        db.seek(at)
        db.write(bytes([byte ^ 1 << bit]))


def live_with(data):
    """Starts or refuses; where it starts, every reply is whole, and an error says what is wrong."""
    with Server(data=str(data)) as server:
        server.spawn(*QUIET)
        line = server.first_line()
        if "http" not in line:
            status, said = server.process.wait(10), server.log()
            server.process.stdout.close()
            server.process = None
            expect(status == BAD_DATA and "engenho.db" in said, "status %s: %s", status, said)
            return "refused"
        server.port = int(line.split("127.0.0.1:")[1].split()[0].rstrip("/"))
        result = "unnoticed"
        for ask in (lambda: server.get("/v1/keys?limit=1000"), lambda: add_key(server, "new"),
                    lambda: server.get("/v1/jobs"), lambda: server.get("/health")):
            reply = ask()
            if reply.status >= 500:
                expect("damaged" in detail(reply) or "malformed" in detail(reply), "an error that does not say it: %s", reply.body)
                result = "found later"
            else:
                expect(reply.status in (200, 201), "%d: %r", reply.status, reply.body)
                reply.json()
        expect(server.alive(), "it has ended: %s", server.log())
        expect(server.stop() >= 0, "it died: %s", server.log())
        return result


def places():
    """Where a flip matters, most of the file being empty: the heads of pages, and what they hold."""
    content, page = (sound() / "engenho.db").read_bytes(), 8192
    heads = [at + i for at in range(0, len(content), page) for i in range(16) if at + i >= 16]
    used = [at for at, byte in enumerate(content) if byte and at >= 100]
    return heads, used


def bits_flipped():
    chance, results = random.Random(7), []
    for i, where in enumerate(chance.choice(places()[i % 2]) for i in range(FLIPS)):
        bit = chance.randrange(8)
        with copied() as data:
            flip(data, where, bit)
            try:
                results.append(live_with(data))
            except Exception:
                print("with bit %d of byte %d flipped (%d):" % (bit, where, i), flush=True)
                raise
            found = doctor(data).returncode != 0
            expect(found or results[-1] != "refused", "the doctor does not find bit %d of byte %d", bit, where)
    expect(results.count("unnoticed") < FLIPS, "no flip was noticed")
    return ", ".join("%d %s" % (results.count(r), r) for r in sorted(set(results)))


def log_file_cut_off():
    """As after a crash: what stands whole in the log counts, what is torn does not."""
    for cut in (1, 100, 5000, 100000):
        with folder() as home, Server(data=str(home / "data")) as server:
            server.start(*QUIET)
            for i in range(50):
                add_key(server, "key %d" % i)
            server.kill()
            log = home / "data" / "engenho.db-wal"
            expect(log.exists(), "there is no log file")
            os.truncate(log, max(0, log.stat().st_size - cut))
            server.start(*QUIET)
            names = key_names(server)
            expect(set(names) <= {"key %d" % i for i in range(50)} and len(set(names)) == len(names), "keys: %s", names)
            serves(server)
            equal(server.stop(), 0, "exit status")
            equal(doctor(home / "data").returncode, 0, "the doctor's exit status")


def held_by_another_server():
    with Server() as first, Server(data=first.data) as second:
        first.start(*QUIET)
        said = refuses(second, 75, "process %d" % first.process.pid)
        serves(first)
        return said.strip().split("msg=")[-1]


CHECKS = [database_truncated, database_empty_or_missing, database_of_a_later_version, database_of_another_program,
          something_else_as_database, header_flipped, secret_damaged_or_missing, bits_flipped, log_file_cut_off,
          held_by_another_server]
