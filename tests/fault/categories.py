"""A categoriser that is changed under load, learns from what it was told, or finds no room."""

import gzip
import io
import os
import signal
import subprocess
import threading
import uuid

from help import NO_SPACE, QUIET, Server, binary, equal, expect, fill, folder, tmpfs, wait_for_job, waits_until

MIB = 1 << 20
TITLES = ["berço azul", "anel de prata", "berço de madeira", "colar de ouro", "fralda azul", "anel de ouro", "fralda de pano", "colar de prata"]
RELOADS = 100


def write_rows(path, first="Bebê", second="Joias"):
    """A dozen times the same two categories, by the names that are given."""
    with open(path, "w", encoding="utf-8") as out:
        out.write("product_id,title,category\n")
        for i in range(96):
            title = TITLES[i % len(TITLES)]
            out.write("%d,%s %d,%s\n" % (i, title, i, first if title.split()[0] in ("berço", "fralda") else second))
    return str(path)


def engenho(*words):
    return subprocess.run([binary(), *words], capture_output=True, text=True, timeout=300, check=False)


def train(rows, model):
    done = engenho("train", "text", rows, "--model", str(model), "--threads", "1")
    equal(done.returncode, 0, "engenho train text: " + done.stderr)


def load(server, path, name):
    boundary = uuid.uuid4().hex
    with open(path, "rb") as f:
        data = f.read()
    body = b"".join(b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (boundary.encode(), key, more, value) for key, more, value in
                    ((b"file", b'; filename="m.engenho"', data), (b"name", b"", name.encode()))) + b"--%s--\r\n" % boundary.encode()
    reply = server.request("POST", "/v1/texts", body, {"Content-Type": "multipart/form-data; boundary=" + boundary}, timeout=60)
    expect(reply.status in (200, 201), "POST /v1/texts: %d %r", reply.status, reply.body)


def categories(server, titles, **how):
    reply = server.post("/v1/categorize", {"products": [{"title": title} for title in titles]}, timeout=60, **how)
    equal(reply.status, 200, "POST /v1/categorize: %r" % reply.body)
    return reply.json()["categories"]


# ---- Reloading ---------------------------------------------------------------------------------------------

class Askers:
    """Clients that ask without a pause; each answer must be one of the right ones, whole."""

    def __init__(self, server, right):
        self.server, self.right = server, right
        self.ended, self.wrong, self.asked = threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.ask) for _ in range(3)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        connection = self.server.connection(60)
        try:
            while not self.ended.is_set():
                said = categories(self.server, TITLES, connection=connection)
                self.asked += 1
                if said not in self.right:
                    self.wrong.append(said)
        except Exception as error:                              # pylint: disable=broad-except
            self.wrong.append(error)
        finally:
            connection.close()

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        expect(not self.wrong, "an answer was wrong or none: %r", self.wrong[:2])
        expect(self.asked >= len(self.threads), "nobody asked")
        return self.asked


def answers(first, second):
    return [first if title.split()[0] in ("berço", "fralda") else second for title in TITLES]


def text_versions_change_under_load():
    """A hundred times, and no answer is half of one model and half of the other."""
    with folder() as path, Server() as server:
        train(write_rows(path / "a.csv"), path / "a")
        train(write_rows(path / "b.csv", "Baby", "Jewels"), path / "b")
        server.start(*QUIET)
        load(server, path / "a", "loja")
        load(server, path / "b", "loja")
        equal(categories(server, TITLES), answers("Baby", "Jewels"), "what was loaded last")
        askers = Askers(server, [answers("Bebê", "Joias"), answers("Baby", "Jewels")])
        try:
            for i in range(RELOADS):
                reply = server.post("/v1/texts/loja/versions/%d/activate" % (i % 2 + 1), None)
                equal(reply.status, 200, "activating: %r" % reply.body)
            reply = server.post("/v1/texts/loja/rollback", None)
            equal(reply.status, 200, "rolling back: %r" % reply.body)
        finally:
            asked = askers.end()
        equal(categories(server, TITLES), answers("Bebê", "Joias"), "after the rollback")
        return "%d requests during %d changes" % (asked, RELOADS + 1)


def text_file_changes_under_load():
    """MODEL_PATH is another file now: SIGHUP, and a broken one changes nothing."""
    with folder() as path:
        train(write_rows(path / "a.csv"), path / "a")
        train(write_rows(path / "b.csv", "Baby", "Jewels"), path / "b")
        files = [(path / name).read_bytes() for name in ("a", "b")]

        def put(data):
            (path / "new").write_bytes(data)
            os.replace(path / "new", path / "model")

        put(files[0])
        right = [answers("Bebê", "Joias"), answers("Baby", "Jewels")]
        with Server(env={"MODEL_PATH": str(path / "model")}) as server:
            server.start("--log-level", "off")
            askers = Askers(server, right)
            try:
                for i in range(1, 6):
                    put(files[i % 2][:-9])
                    server.process.send_signal(signal.SIGHUP)
                    put(files[i % 2])
                    server.process.send_signal(signal.SIGHUP)
                    waits_until(lambda: categories(server, TITLES) == right[i % 2], "it uses the new file", 60)     # pylint: disable=cell-var-from-loop
            finally:
                askers.end()


# ---- Learning as a job --------------------------------------------------------------------------------------

def feedback_is_used_by_the_next_training():
    with folder() as path, Server() as server:
        rows = write_rows(path / "rows.csv")
        server.start(*QUIET)

        def learn(**more):
            reply = server.post("/v1/train", {"kind": "text", "name": "loja", "dataset": rows, **more})
            equal(reply.status, 202, "POST /v1/train: %r" % reply.body)
            job = wait_for_job(server, reply.json()["job"], 120)
            equal(job["state"], "done", "the job: %r" % job)
            return job["result"]

        result = learn()
        equal((result["version"], result["feedback"]), (1, 0), "the first result")
        expect(result["metrics"]["accuracy"] > 0.9, "it learned nothing: %r", result["metrics"]["accuracy"])
        equal(categories(server, TITLES), answers("Bebê", "Joias"), "what it learned")
        told = [{"title": "vaso de barro %d" % i, "category": "Casa"} for i in range(12)]
        equal(server.post("/v1/categorize/feedback", {"products": told}).status, 200, "POST /v1/categorize/feedback")
        server.kill()
        server.start(*QUIET)
        result = learn(feedback=True)
        equal((result["version"], result["feedback"]), (2, 12), "the second result")
        equal(categories(server, ["vaso de barro"]), ["Casa"], "what it was told")
        equal(categories(server, TITLES), answers("Bebê", "Joias"), "what it knew before")


# ---- No room, no end ----------------------------------------------------------------------------------------

def disk_full_when_a_model_is_written():
    """The old model stays as it was, and nothing half-written beside it."""
    with folder() as path, tmpfs(MIB) as disk:
        rows = write_rows(path / "rows.csv")
        train(rows, disk / "model")
        before = (disk / "model").read_bytes()
        fill(disk / "filler")
        done = engenho("train", "text", rows, "--seed", "2", "--model", str(disk / "model"))
        equal(done.returncode, NO_SPACE, "exit status: " + done.stderr)
        expect("space" in done.stderr and str(disk / "model") in done.stderr, "it does not say so: %s", done.stderr)
        equal((disk / "model").read_bytes(), before, "the old model")
        equal(sorted(os.listdir(disk)), ["filler", "model"], "what is left")
        return done.stderr.strip()


def training_rows_without_an_end():
    """One line of 80 MB, which is 0.1 MB as it comes: refused before it fills the memory."""
    with folder() as path:
        line = io.BytesIO()
        with gzip.GzipFile(fileobj=line, mode="wb", compresslevel=1) as out:
            out.write("title,category\na,X\n".encode())
            for _ in range(80):
                out.write(b"x" * MIB)
        (path / "rows.csv.gz").write_bytes(line.getvalue())
        done = engenho("train", "text", str(path / "rows.csv.gz"), "--model", str(path / "model"))
        equal(done.returncode, 65, "exit status: " + done.stderr)
        expect("rows.csv.gz" in done.stderr, "the file is not named: %s", done.stderr)
        expect(not (path / "model").exists(), "a model was written")
        return done.stderr.strip()


CHECKS = [text_versions_change_under_load, text_file_changes_under_load, feedback_is_used_by_the_next_training,
          disk_full_when_a_model_is_written, training_rows_without_an_end]
