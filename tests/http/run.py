#!/usr/bin/env python3
"""Runs HTTP cases, which are data, against the real server.

    tests/http/run.py [-v] [FILE.http...]     all of tests/http without a name

Each file has a server of its own and holds several cases; docs/testing.md describes the format:

    serve: --keys off                      options of this file's server (before the first case)
    env: ENGENHO_API_KEY=secret            its environment

    === a key is shown once                a case, on a connection of its own
    > POST /v1/keys                        a request; HTTP/1.1, Host and Content-Length are filled in
    > Content-Type: application/json
    >
    > {"name":"reader","role":"read"}
    < 201                                  a reply: its status (4xx: any of them)
    < Content-Type: application/json       a header's value; `Name ~ regex`, `!Name` for none
    ? name == "reader"                     a value in the JSON body; ==, !=, ~, <=, >=, is, has
    ? body ~ ^\\{                           the body as text
    ? allocations <= 20                    a budget of the whole case, from /metrics
    keep id = id                           {{id}} in what follows in this file

    raw: GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n  bytes as they are, escapes as in C; {{a*9000}} repeats
    wait: 0.2                              seconds before the next bytes
    half-close:                            no more will be sent
    < closed                               then the server closes the connection
    < open                                 or it is still there, and answers
"""

import codecs
import concurrent.futures
import json
import os
import pathlib
import re
import socket
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
from checks import Count, Failure, equal, expect                            # noqa: E402
from server import Server                                                   # noqa: E402

BUDGET_RUNS = 20
CLOSE_TIMEOUT = 10


# ---- Reading the files ---------------------------------------------------------------------------------

class Case:
    def __init__(self, name, line):
        self.name, self.line = name, line
        self.steps = []         # ("send", text), ("raw", text), ("wait", seconds), ("half-close", "")
        self.replies = []       # [status, [header line], [check]]
        self.end = None         # "closed", "open"
        self.ended = False      # the request that was being written
        self.budgets = []       # (what, limit)


class Script:
    def __init__(self, path):
        self.name, self.options, self.env, self.cases = path.stem, [], {}, []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                self.take(line, number)
            except (ValueError, IndexError) as wrong:
                raise SystemExit("%s:%d: %s: %s" % (path, number, line, wrong)) from None

    def take(self, line, number):
        word, _, rest = line.partition(" ")
        if not line.strip() or line.startswith("# "):
            return
        if word == "===":
            self.cases.append(Case(rest.strip(), number))
        elif word == "serve:":
            self.options = rest.split()
        elif word == "env:":
            name, _, value = rest.strip().partition("=")
            self.env[name] = value
        else:
            self.take_step(self.cases[-1], word, rest)

    def take_step(self, case, word, rest):
        if word == ">":
            # Lines of one request stand together; a reply or a step ends it.
            if not case.steps or case.steps[-1][0] != "send" or case.ended:
                case.steps.append(("send", []))
            case.ended = False
            case.steps[-1][1].append(rest)
        elif word in ("raw:", "wait:", "half-close:"):
            case.steps.append((word[:-1], rest))
        elif word == "<":
            case.ended = True
            self.take_reply(case, rest)
        elif word == "?" and re.match(r"(allocations|ms) <= \d+$", rest):
            what, _, limit = rest.split()
            case.budgets.append((what, int(limit)))
        elif word in ("?", "keep"):
            case.replies[-1][2].append((word, rest))
        else:
            raise ValueError("expected ===, >, <, ?, keep, raw:, wait: or half-close:")

    def take_reply(self, case, rest):
        if rest in ("closed", "open"):
            case.end = rest
        elif re.match(r"[1-5](\d\d|xx)$", rest):
            case.replies.append((rest, [], []))
        else:
            case.replies[-1][1].append(rest)


# ---- The wire --------------------------------------------------------------------------------------------

def filled_in(text, names):
    def value(found):
        inner = found.group(1)
        times = re.match(r"(.+)\*(\d+)$", inner, re.S)
        if times:
            return times.group(1) * int(times.group(2))
        if inner not in names:
            raise Failure("{{%s}} was not kept by an earlier case" % inner)
        return names[inner]
    return re.sub(r"\{\{(.*?)\}\}", value, text)


def request_bytes(lines, names):
    """A request as written in a case, with what HTTP asks for and nobody wants to write."""
    lines = [filled_in(line, names) for line in lines]
    blank = lines.index("") if "" in lines else len(lines)
    head, body = lines[:blank], "\n".join(lines[blank + 1:]).encode()
    have = {line.split(":")[0].lower() for line in head[1:]}
    if not head[0].endswith("HTTP/1.1"):
        head[0] += " HTTP/1.1"
    if "host" not in have:
        head.insert(1, "Host: localhost")
    if body and not have & {"content-length", "transfer-encoding"}:
        head.append("Content-Length: %d" % len(body))
    return "\r\n".join(head + ["", ""]).encode() + body


def raw_bytes(text, names):
    return codecs.escape_decode(filled_in(text, names).encode())[0]


class Reader:
    """Replies out of a connection, one after the other."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        except socket.timeout:
            raise Failure("no reply came; so far: %r" % self.buffer[:200]) from None
        self.buffer += data
        return bool(data)

    def until(self, end):
        while end not in self.buffer:
            if not self.more():
                raise Failure("the connection closed before %r; so far: %r" % (end, self.buffer[:200]))
        head, self.buffer = self.buffer.split(end, 1)
        return head

    def exactly(self, count):
        while len(self.buffer) < count:
            if not self.more():
                raise Failure("the body ended after %d of %d bytes" % (len(self.buffer), count))
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def chunked(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            body += self.exactly(size)
            equal(self.exactly(2), b"\r\n", "the end of a chunk")
            if size == 0:
                return body

    def reply(self, method):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.match(r"HTTP/1\.1 (\d\d\d) ", lines[0])
        expect(match, "no status line: %r", lines[0])
        status, headers = int(match.group(1)), {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), value.strip())
        if method == "HEAD" or status < 200 or status in (204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, self.chunked()
        if "content-length" in headers:
            return status, headers, self.exactly(int(headers["content-length"]))
        while self.more():
            pass
        body, self.buffer = self.buffer, b""
        return status, headers, body


# ---- Checks ------------------------------------------------------------------------------------------------

def value_at(body, path):
    """keys[0].name in a JSON body; (found, value)."""
    try:
        value = json.loads(body)
    except ValueError:
        raise Failure("the body is no JSON: %r" % body[:300]) from None
    for step in re.findall(r"[^.\[\]]+", path if path != "$" else ""):
        if isinstance(value, list) and step.lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False, None
    return True, value


KINDS = {"string": str, "list": list, "object": dict, "bool": bool, "null": type(None)}


def is_kind(value, kind):
    if kind in ("number", "integer"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, KINDS[kind])


def check_value(subject, value, operator, wanted):
    as_text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if operator == "~":
        expect(re.search(wanted, as_text, re.S), "%s: expected /%s/, got %s", subject, wanted, as_text[:300])
    elif operator == "is":
        expect(is_kind(value, wanted), "%s: expected a %s, got %s", subject, wanted, as_text[:300])
    elif operator == "has":
        held = json.loads(wanted)
        expect(held in value, "%s: expected %s in it, got %s", subject, wanted, as_text[:300])
    else:
        right = json.loads(wanted)
        holds = {"==": lambda: value == right and isinstance(value, bool) == isinstance(right, bool),
                 "!=": lambda: value != right, "<=": lambda: value <= right, ">=": lambda: value >= right}
        expect(holds[operator](), "%s: expected %s %s, got %s", subject, operator, wanted, as_text[:300])


def check_body(body, text, names):
    found = re.match(r"(\S+) (==|!=|~|<=|>=|is|has) (.*)$", text) or re.match(r"(\S+) (absent|exists)()$", text)
    if not found:
        raise Failure("this is no check: %s" % text)
    subject, operator, wanted = found.groups()
    wanted = filled_in(wanted, names)
    if subject == "body":
        check_value("body", body.decode("utf-8", "replace"), operator, wanted)
        return
    there, value = value_at(body, subject)
    if operator in ("absent", "exists"):
        expect(there == (operator == "exists"), "%s: expected it to be %s in %r", subject,
               "there" if operator == "exists" else "absent", body[:300])
        return
    expect(there, "there is no %s in %r", subject, body[:300])
    check_value(subject, value, operator, wanted)


def check_header(headers, text, names):
    text = filled_in(text, names)
    if text.startswith("!"):
        expect(text[1:].lower() not in headers, "%s is there: %s", text[1:], headers.get(text[1:].lower()))
        return
    name, operator, wanted = re.match(r"([\w-]+)(:| ~) ?(.*)$", text).groups()
    expect(name.lower() in headers, "there is no header %s", name)
    value = headers[name.lower()]
    holds = re.search(wanted, value) if operator == " ~" else value == wanted
    expect(holds, "%s: expected %s, got %s", name, wanted, value)


# ---- Cases ---------------------------------------------------------------------------------------------------

def send(sock, step, rest, names):
    if step == "wait":
        time.sleep(float(rest))
    elif step == "half-close":
        sock.shutdown(socket.SHUT_WR)
    else:
        data = request_bytes(rest, names) if step == "send" else raw_bytes(rest, names)
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass    # refused before all of it was sent; the reply says why
    return data.split(b" ")[0].decode("latin-1") if step in ("send", "raw") else None


def check_end(case, server, sock, reader):
    if case.end == "closed":
        sock.settimeout(CLOSE_TIMEOUT)
        expect(not reader.buffer and not reader.more(), "expected the connection to close, got %r",
               reader.buffer[:200])
    elif case.end == "open":
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        equal(reader.reply("GET")[0], 200, "status of a further request on the connection")
    expect(server.alive(), "the server has ended: %s", server.log()[-2000:])


def play(case, server, names):
    with server.socket() as sock:
        reader, methods = Reader(sock), []
        for step, rest in case.steps:
            method = send(sock, step, rest, names)
            if method:
                methods.append(method)
        for i, (wanted, headers, checks) in enumerate(case.replies):
            status, got, body = reader.reply(methods[min(i, len(methods) - 1)])
            if not re.match(wanted.replace("x", r"\d") + "$", str(status)):
                raise Failure("reply %d: expected %s, got %d %r" % (i + 1, wanted, status, body[:300]))
            for text in headers:
                check_header(got, text, names)
            for word, text in checks:
                if word == "keep":
                    name, _, path = text.partition(" = ")
                    there, value = value_at(body, path)
                    expect(there, "there is no %s to keep in %r", path, body[:300])
                    names[name] = value if isinstance(value, str) else json.dumps(value)
                else:
                    check_body(body, text, names)
        check_end(case, server, sock, reader)


def play_for(case, server, names):
    """What one run of the case allocates, and how long it takes, from several on one connection."""
    def runs(count):
        with server.socket() as sock:
            reader, began = Reader(sock), time.monotonic()
            for _ in range(count):
                methods = [send(sock, step, rest, names) for step, rest in case.steps]
                for i in range(len(case.replies)):
                    reader.reply(methods[min(i, len(methods) - 1)])
            return (time.monotonic() - began) * 1000

    key = names.get("authorization")
    headers = {"Authorization": key} if key else {}

    def allocations_of(count):
        before = server.metric("engenho_allocations_total", headers=headers)
        runs(count)
        return server.metric("engenho_allocations_total", headers=headers) - before

    runs(2)     # what is made once is not the request's
    few, many = allocations_of(1), allocations_of(1 + BUDGET_RUNS)
    return {"allocations": (many - few) / BUDGET_RUNS, "ms": runs(BUDGET_RUNS) / BUDGET_RUNS}


def run_case(case, server, names):
    play(case, server, names)
    said = []
    spent = play_for(case, server, names) if case.budgets else {}
    for what, limit in case.budgets:
        expect(spent[what] <= limit, "%s: at most %d, got %.1f", what, limit, spent[what])
        said.append("%.1f of %d %s" % (spent[what], limit, what))
    return ", ".join(said)


def run_script(path):
    """A Count and the lines to print."""
    script, names = Script(path), {}
    count = Count("http." + script.name)
    with Server(env=script.env) as server:
        if not count.run("starts", lambda: server.start("--log-level", "error", *script.options) and None):
            return count
        if "ENGENHO_API_KEY" in script.env:
            names["authorization"] = "Bearer " + script.env["ENGENHO_API_KEY"]
        for case in script.cases:
            count.run(case.name.replace(" ", "_"), run_case, case, server, names)
        if server.alive():
            count.run("stops", lambda: equal(server.stop(), 0, "exit status"))
    return count


def main(words):
    paths = [pathlib.Path(word) for word in words if not word.startswith("-")] or sorted(HERE.glob("*.http"))
    total = Count("http")
    with concurrent.futures.ThreadPoolExecutor(max(2, int(os.environ.get("JOBS") or os.cpu_count() or 1))) as pool:
        for count in pool.map(run_script, paths):
            total.add(count)
    return total.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
