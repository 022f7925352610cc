"""A machine that has run out of something, or is being switched off."""

import os
import pathlib
import resource
import socket
import struct
import subprocess
import threading
import time

from help import (BUSY, NO_MEMORY, NO_SPACE, QUIET, READ_ONLY, OtherUser, Server, add_key, detail, equal, expect, fill,
                  folder, give_to_other, key_names, open_folder, refuses, serves, tmpfs, wait_for_job, waits_until,
                  without_sanitizer)

MIB = 1 << 20


def large_body(size):
    """JSON that is kept in a file while it comes in, and is refused only once it was read."""
    return b'{"name":"' + b"x" * size + b'","role":"read"}'


# ---- Disk ------------------------------------------------------------------------------------------------

def disk_full():
    """Writing is refused in words, reading goes on, and with room again so does writing."""
    with tmpfs(8 * MIB) as disk, Server(data=str(disk / "data")) as server:
        server.start(*QUIET)
        acknowledged = []
        for i in range(20):
            equal(add_key(server, "key %d" % i).status, 201, "POST /v1/keys")
            acknowledged.append("key %d" % i)
        fill(disk / "filler")
        # What a log file has room for may still go well.
        for i in range(20, 2000):
            reply = add_key(server, "key %d" % i)
            if reply.status != 201:
                break
            acknowledged.append("key %d" % i)
        equal(reply.status, 503, "POST /v1/keys on a full disk")
        expect("space" in detail(reply) or "full" in detail(reply), "it does not say that the disk is full: %s", detail(reply))
        expect("retry-after" in reply.headers, "503 without Retry-After")
        equal(sorted(key_names(server)), sorted(acknowledged), "the keys on a full disk")
        health = server.get("/health")
        expect(health.status == 200 and health.json()["disk_free"] < 65536, "GET /health: %r", health.body)
        reply = server.request("POST", "/v1/keys", large_body(3 * MIB), {"Content-Type": "application/json"})
        equal(reply.status, 503, "a body that has to go to the disk")
        os.unlink(disk / "filler")
        waits_until(lambda: add_key(server, "after").status == 201, "it writes again once there is room", 5)
        acknowledged.append("after")
        server.kill()
        server.start(*QUIET)
        equal(sorted(set(key_names(server))), sorted(set(acknowledged)), "the keys after a restart")


def disk_full_from_the_start():
    with tmpfs(2 * MIB) as disk, Server(data=str(disk / "data")) as server:
        fill(disk / "filler")
        return refuses(server, NO_SPACE, "space", str(disk)).strip()


def disk_full_at_a_restart():
    """What is there can be read, or the reason is given; nothing of it is lost."""
    with tmpfs(8 * MIB) as disk, Server(data=str(disk / "data")) as server:
        server.start(*QUIET)
        for i in range(50):
            add_key(server, "key %d" % i)
        server.kill()
        fill(disk / "filler")
        server.spawn(*QUIET)
        line = server.first_line()
        if "http" in line:
            server.port = int(line.split("127.0.0.1:")[1].split()[0].rstrip("/"))
            equal(len(key_names(server)), 50, "the keys on a full disk")
            server.kill()
            said = "it starts, and reads"
        else:
            equal(server.process.wait(10), NO_SPACE, "the exit status")
            server.process.stdout.close()
            server.process = None
            said = server.log().strip()
            expect("space" in said or "full" in said, "it does not say that the disk is full: %s", said)
        os.unlink(disk / "filler")
        server.start(*QUIET)
        equal(len(key_names(server)), 50, "the keys, with room again")
        return said


def backup_to_a_full_disk():
    with tmpfs(256 * 1024) as disk, Server() as server:
        server.start(*QUIET)
        fill(disk / "filler")
        reply = server.post("/v1/backup", {"to": str(disk / "backup")})
        if reply.status == 202:
            job = wait_for_job(server, reply.json()["job"])
            equal(job["state"], "failed", "the backup's state")
            said = job["error"]
        else:
            equal(reply.status, 503, "POST /v1/backup")
            said = detail(reply)
        expect("space" in said, "it does not say that the disk is full: %s", said)
        expect(not (disk / "backup").exists(), "half a backup is left")
        serves(server)
        return said


def files_of_limited_size():
    """As a full disk: an error of writing, not a signal that ends the process."""
    with Server() as server:
        server.start(*QUIET)
        serves(server)
        limit(server, resource.RLIMIT_FSIZE, os.path.getsize(server.data + "/engenho.db-wal") + 65536)
        for _ in range(2000):
            reply = add_key(server)
            if reply.status != 201:
                break
        equal(reply.status, 503, "POST /v1/keys past the limit")
        equal(server.get("/health").status, 200, "GET /health")
        limit(server, resource.RLIMIT_FSIZE, None)
        waits_until(lambda: add_key(server).status == 201, "it writes again", 5)
        return detail(reply)


def log_that_cannot_be_written():
    with Server() as server:
        server.start(wrap=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
        for _ in range(100):
            equal(server.get("/health").status, 200, "GET /health")
        serves(server)
        equal(server.stop(), 0, "exit status")


# ---- A directory that cannot be written to --------------------------------------------------------------

def set_modes(path, folders, files):
    for base, _, names in os.walk(path):
        os.chmod(base, folders)
        for name in names:
            os.chmod(os.path.join(base, name), files)


def read_only_directory():
    """From the start: empty, with data in it, missing in a parent that is read-only."""
    with open_folder() as home:
        said = []
        for name, make in (("empty", True), ("missing/data", False)):
            (home / name.split("/")[0]).mkdir()
            give_to_other(home / name.split("/")[0])
            set_modes(home / name.split("/")[0], 0o500, 0o400)
            with OtherUser(home, home / name) as server:
                said.append(refuses(server, READ_ONLY, name).strip())
            expect(make or not (home / name).exists(), "it made %s", name)
        (home / "full").mkdir()
        give_to_other(home / "full")
        with OtherUser(home, home / "full") as server:
            server.start(*QUIET)
            serves(server)
            equal(server.stop(), 0, "exit status")
            set_modes(home / "full", 0o500, 0o400)
            said.append(refuses(server, READ_ONLY, "full").strip())
            set_modes(home / "full", 0o700, 0o600)
            server.start(*QUIET)
            serves(server)
        return " / ".join(line.split("msg=")[-1] for line in said)


def directory_that_becomes_read_only():
    """While it runs: what needs a new file is refused in words, the rest goes on."""
    with open_folder() as home:
        (home / "data").mkdir()
        give_to_other(home / "data")
        with OtherUser(home, home / "data") as server:
            server.start(*QUIET)
            set_modes(home / "data", 0o500, 0o400)
            equal(server.get("/health").status, 200, "GET /health")
            reply = server.request("POST", "/v1/keys", large_body(3 * MIB), {"Content-Type": "application/json"})
            expect(reply.status in (413, 422, 503), "a body that has to go to the disk: %d", reply.status)
            reply = add_key(server)
            expect(reply.status == 201 or (reply.status == 503 and detail(reply)), "POST /v1/keys: %d", reply.status)
            set_modes(home / "data", 0o700, 0o600)
            serves(server)


def read_only_file_system():
    with tmpfs(8 * MIB) as disk, Server(data=str(disk / "data")) as server:
        server.start(*QUIET)
        serves(server)
        equal(server.stop(), 0, "exit status")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        said = refuses(server, READ_ONLY, str(disk), "read-only")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        server.start(*QUIET)
        serves(server)
        return said.strip().split("msg=")[-1]


# ---- Descriptors -----------------------------------------------------------------------------------------

def limit(server, what, soft):
    _, hard = resource.prlimit(server.process.pid, what)
    resource.prlimit(server.process.pid, what, (hard if soft is None else soft, hard))


def no_descriptors_left():
    """Who is connected is served; who comes is turned away or waits; then all is as before."""
    with Server() as server:
        server.start(*QUIET)
        serves(server)
        kept, waiting = server.connection(), []
        equal(server.get("/health", connection=kept).status, 200, "GET /health")
        limit(server, resource.RLIMIT_NOFILE, max(int(name) for name in os.listdir("/proc/%d/fd" % server.process.pid)) + 2)
        for _ in range(100):
            waiting.append(server.socket())
        time.sleep(0.3)
        spent = server.cpu_seconds()
        for _ in range(20):
            equal(server.get("/health", connection=kept).status, 200, "GET /health")
            reply = add_key(server, connection=kept)
            expect(reply.status in (201, 503), "POST /v1/keys: %d", reply.status)
            time.sleep(0.05)
        spent = server.cpu_seconds() - spent
        expect(spent < 0.5, "%.2f s of CPU in a second of waiting", spent)
        reply = server.request("POST", "/v1/keys", large_body(3 * MIB), {"Content-Type": "application/json"}, connection=kept)
        expect(reply.status in (422, 503), "a body that needs a file: %d", reply.status)
        answers = [first_words(sock) for sock in waiting]
        expect(set(answers) <= {b"", b"HTTP/1.1 503"}, "who came was told %s", set(answers))
        for sock in waiting:
            sock.close()
        kept.close()
        limit(server, resource.RLIMIT_NOFILE, None)
        waits_until(lambda: server.get("/health").status == 200, "it accepts again", 5)
        serves(server)
        return "%d of 100 were turned away in words" % answers.count(b"HTTP/1.1 503")


def first_words(sock):
    sock.settimeout(0.01)
    try:
        return sock.recv(4096)[:12]
    except (socket.timeout, ConnectionResetError):
        return b""


def few_descriptors_from_the_start():
    """It either says what is missing or serves as many as it can."""
    said = []
    for count in (8, 12, 16, 20, 24, 32, 48):
        with Server() as server:
            server.spawn(*QUIET, preexec_fn=lambda count=count: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
            line = server.first_line()
            if "http" in line:
                server.port = int(line.split("127.0.0.1:")[1].split()[0].rstrip("/"))
                serves(server)
                equal(server.stop(), 0, "exit status")
                said.append("%d are enough" % count)
                break
            status = server.process.wait(10)
            expect(status > 0, "with %d descriptors it dies of signal %d", count, -status)
            expect(status in (127, BUSY) and "too many open files" in server.log().lower(),
                   "with %d descriptors: status %d, %s", count, status, server.log())
            server.process.stdout.close()
            server.process = None
    expect(said, "48 descriptors are not enough")
    return said[-1]


def few_threads():
    """It says what it could not start, however far it came."""
    with open_folder() as home:
        (home / "data").mkdir()
        give_to_other(home / "data")
        for count in range(1, 40, 3):
            with OtherUser(home, home / "data") as server:
                server.spawn(*QUIET, preexec_fn=lambda count=count: resource.setrlimit(resource.RLIMIT_NPROC, (count, count)))
                if "http" in server.first_line():
                    return "%d are enough" % count
                equal(server.process.wait(10), BUSY, "exit status")
                server.process.stdout.close()
                server.process = None
                said = server.log().strip()
                expect("cannot start" in said, "it does not say what it lacks: %s", said)
    return said


# ---- Memory ----------------------------------------------------------------------------------------------

def hungry_client(server, index, statuses):
    bodies = [b"[" + b"1," * (3 * MIB) + b"1]", b'{"name":[' + b"{}," * MIB + b"{}]}", large_body(7 * MIB), None]
    for i in range(8):
        body = bodies[(index + i) % len(bodies)]
        try:
            reply = (server.request("POST", "/v1/keys", body, {"Content-Type": "application/json"}) if body else
                     server.get("/docs/swagger-ui-bundle.js"))
            statuses.append(reply.status)
        except (OSError, subprocess.SubprocessError) as error:
            statuses.append(type(error).__name__)
        except Exception as error:                                  # pylint: disable=broad-except
            statuses.append(type(error).__name__)


def no_memory_left():
    """Requests that need more than there is are refused; it lives, and serves those that need little."""
    without_sanitizer("it ends the process when its own memory ends")
    with Server() as server:
        server.start(*QUIET)
        serves(server)
        limit(server, resource.RLIMIT_AS, (server.status_kib("VmSize") << 10) + 2 * MIB)
        statuses = []
        threads = [threading.Thread(target=hungry_client, args=(server, i, statuses)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(server.alive(), "it has ended: %s", server.log())
        strange = set(statuses) - {200, 400, 413, 422, 503, "ConnectionResetError", "BrokenPipeError", "RemoteDisconnected"}
        expect(not strange, "replies without memory: %s", strange)
        equal(server.get("/health").status, 200, "GET /health")
        limit(server, resource.RLIMIT_AS, None)
        serves(server)
        return ", ".join("%s: %d" % (status, statuses.count(status)) for status in sorted(set(statuses), key=str))


def little_memory_from_the_start():
    """It says so, whatever the point where memory ends."""
    without_sanitizer("it takes terabytes of addresses")
    refused = 0
    for size in range(8, 400, 6):
        with Server() as server:
            bound = size * MIB
            server.spawn(*QUIET, preexec_fn=lambda bound=bound: resource.setrlimit(resource.RLIMIT_AS, (bound, bound)))
            line = server.first_line()
            if "http" in line:
                server.port = int(line.split("127.0.0.1:")[1].split()[0].rstrip("/"))
                serves(server)
                equal(server.stop(), 0, "exit status")
                return "refused %d times, %d MiB are enough" % (refused, size)
            status, log = server.process.wait(10), server.log()
            server.process.stdout.close()
            server.process = None
            # Before main is reached it is the loader that says what it lacks; the kernel kills what it cannot map.
            expect(status in (NO_MEMORY, BUSY, 127, -9, -11) if size < 16 else status in (NO_MEMORY, BUSY, 127),
                   "with %d MiB: status %d, %s", size, status, log)
            expect(status < 0 or "memory" in log or "loading shared libraries" in log or "unavailable" in log,
                   "with %d MiB: status %d, %s", size, status, log)
            refused += 1
    expect(False, "400 MiB of addresses are not enough: %s", log)


# ---- Clock -----------------------------------------------------------------------------------------------

def compiled_clock(home):
    source = pathlib.Path(__file__).with_name("clock.c")
    done = subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(home / "clock.so"), str(source)],
                          capture_output=True, text=True, check=False)
    expect(done.returncode == 0, "cannot compile clock.c: %s", done.stderr)
    return str(home / "clock.so")


def clock_steps_back():
    """By a day, while it runs and over a restart: requests, jobs and times go on."""
    without_sanitizer("it wants to be loaded first")
    with folder() as home:
        offset = home / "offset"
        offset.write_bytes(struct.pack("q", 0))
        env = {"LD_PRELOAD": compiled_clock(home), "CLOCK_FILE": str(offset)}

        def step(seconds):
            with open(offset, "r+b") as out:
                out.write(struct.pack("q", seconds))

        with Server(env=env) as server:
            server.start(*QUIET)
            first = add_key(server, "before").json()
            step(-86400)
            second = add_key(server, "after").json()
            expect(second["created_at"] < first["created_at"], "the clock did not step: %r, %r", first, second)
            equal(key_names(server)[-2:] in (["before", "after"], ["after", "before"]), True, "the keys")
            uptime = server.get("/health").json()["uptime_s"]
            expect(0 <= uptime < 60, "uptime %r", uptime)
            job = wait_for_job(server, server.post("/v1/doctor", {}).json()["job"])
            equal(job["state"], "done", "a job after the step")
            expect(job["started_at"] <= job["ended_at"], "a job that ends before it begins: %r", job)
            # A job that is cut off, and a clock that steps back before it is taken up again.
            cut = server.post("/v1/doctor", {}).json()["job"]
            server.kill()
            step(-2 * 86400)
            server.start(*QUIET)
            equal(wait_for_job(server, cut)["state"], "done", "a job that was cut off")
            step(86400)
            equal(wait_for_job(server, server.post("/v1/doctor", {}).json()["job"])["state"], "done", "a job after a step ahead")
            serves(server)
            equal(server.stop(), 0, "exit status")


# ---- SIGTERM ---------------------------------------------------------------------------------------------

HEAD = b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = b'{"name":"late","role":"read"}'


def sigterm_lets_a_request_end():
    """What had begun is answered; nobody new is let in; the exit status is 0."""
    with Server() as server:
        server.start(*QUIET)
        idle = server.socket()
        with server.socket() as sock:
            sock.sendall(HEAD % len(BODY) + BODY[:5])
            time.sleep(0.2)
            server.process.terminate()
            time.sleep(0.5)
            expect(idle.recv(100) == b"", "an idle connection is closed")
            try:
                server.socket(1).close()
                expect(False, "somebody new is let in")
            except OSError:
                pass
            sock.sendall(BODY[5:])
            answer = b""
            while piece := sock.recv(4096):
                answer += piece
            expect(answer.startswith(b"HTTP/1.1 201 "), "the reply: %r", answer)
        idle.close()
        equal(server.process.wait(10), 0, "exit status")
        server.process.stdout.close()
        server.process = None
        server.start(*QUIET)
        equal(key_names(server), ["late"], "the key")


def sigterm_waits_no_longer_than_it_is_told():
    with Server() as server:
        server.start(*QUIET, "--drain", "1")
        sockets = [server.socket() for _ in range(20)]
        for sock in sockets:
            sock.sendall(HEAD % len(BODY) + BODY[:5])
        time.sleep(0.2)
        began = time.monotonic()
        equal(server.stop(10), 0, "exit status")
        spent = time.monotonic() - began
        expect(0.8 < spent < 4, "it took %.1f s", spent)
        for sock in sockets:
            sock.close()
        server.start(*QUIET)
        equal(key_names(server), [], "keys of requests that never were whole")


def sigterm_during_jobs_and_streams():
    """A stream ends; a job that was running goes on at the next start, or has failed and says so."""
    with Server() as server:
        server.start(*QUIET, "--drain", "2")
        for i in range(200):
            add_key(server, "key %d" % i)
        jobs = [server.post("/v1/doctor", {}).json()["job"] for _ in range(20)]
        stream = server.socket()
        stream.sendall(b"GET /v1/jobs/%d/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % jobs[-1])
        equal(server.stop(15), 0, "exit status")
        seen = b""
        while piece := stream.recv(65536):
            seen += piece
        expect(b"event: job" in seen or seen == b"", "the stream: %r", seen[:200])
        stream.close()
        server.start(*QUIET)
        states = [wait_for_job(server, ident)["state"] for ident in jobs]
        expect(set(states) <= {"done", "failed"}, "jobs after a stop: %s", set(states))
        return "%d jobs done, %d failed" % (states.count("done"), states.count("failed"))


CHECKS = [disk_full, disk_full_from_the_start, disk_full_at_a_restart, backup_to_a_full_disk, files_of_limited_size,
          log_that_cannot_be_written, few_threads, read_only_directory,
          directory_that_becomes_read_only, read_only_file_system, no_descriptors_left, few_descriptors_from_the_start,
          no_memory_left, little_memory_from_the_start, clock_steps_back, sigterm_lets_a_request_end,
          sigterm_waits_no_longer_than_it_is_told, sigterm_during_jobs_and_streams]
