"""Models that are loaded and predictions that are kept, where that goes wrong: what answers goes on."""

import os
import subprocess

from help import QUIET, Server, binary, detail, equal, expect, fill, folder, tmpfs

MIB = 1 << 20
ROW = {"dep_delay": 5, "distance": 500, "carrier": "AA"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=limite"}


def dummy(home):
    """The body of a load, and where in it the file begins."""
    path = home / "model.txt"
    subprocess.run([binary(), "model", "dummy", str(path)], check=True, stdout=subprocess.DEVNULL)
    head = b'--limite\r\nContent-Disposition: form-data; name="file"; filename="m.txt"\r\n\r\n'
    return head + path.read_bytes() + b"\r\n--limite--\r\n"


def load(server, body):
    reply = server.request("POST", "/model/load", body, MULTIPART)
    equal(reply.status, 200, "POST /model/load")
    return reply.json()["version"]


def kept(server):
    """How many requests the history has."""
    count, after = 0, ""
    while True:
        reply = server.get("/model/history?limit=500" + after)
        equal(reply.status, 200, "GET /model/history")
        count += len(reply.json()["history"])
        if not reply.json().get("next"):
            return count
        after = "&next=" + reply.json()["next"]


def upload_that_stops_halfway():
    """Wherever it stops, nothing of it stays, and the model in use answers meanwhile and afterwards."""
    with folder() as home, Server() as server:
        server.start(*QUIET)
        body = dummy(home)
        load(server, body)
        for part in (0, 1, 60, len(body) // 2, len(body) - 1):
            head = "POST /model/load HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nContent-Type: %s\r\n\r\n" % (
                len(body), MULTIPART["Content-Type"])
            with server.socket() as sock:
                sock.sendall(head.encode() + body[:part])
                equal(server.post("/model/predict", ROW).json()["version"], 1, "the version that answers")
        versions = server.get("/v1/tables/m").json()["versions"]
        equal(len(versions), 1, "versions")
        equal(load(server, body), 2, "the next version")


def disk_full_while_predicting():
    """A prediction that cannot be kept is refused in words; what was acknowledged is there."""
    with folder() as home, tmpfs(16 * MIB) as disk, Server(data=str(disk / "data")) as server:
        server.start(*QUIET)
        body, acknowledged = dummy(home), 0
        load(server, body)
        fill(disk / "filler")
        with_space = server.connection()
        for _ in range(30000):
            reply = server.request("POST", "/model/predict", ROW, connection=with_space)
            if reply.status != 200:
                break
            acknowledged += 1
        equal(reply.status, 503, "POST /model/predict on a full disk")
        expect("space" in detail(reply) or "room" in detail(reply), "it does not say why: %s", detail(reply))
        reply = server.request("POST", "/model/load", body, MULTIPART)
        expect(reply.status in (200, 503), "POST /model/load on a full disk: %d", reply.status)
        equal(kept(server), acknowledged, "predictions that are kept")
        os.unlink(disk / "filler")
        reply = server.post("/model/predict", ROW)
        equal(reply.status, 200, "POST /model/predict with room again")
        server.kill()
        server.start(*QUIET)
        equal(kept(server), acknowledged + 1, "predictions that are kept, after a crash")
        equal(server.post("/model/predict", ROW).status, 200, "POST /model/predict after a crash")


CHECKS = [disk_full_while_predicting, upload_that_stops_halfway]
