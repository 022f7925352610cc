#!/usr/bin/env python3
"""Categorising titles: ours against scikit-learn's linear models and fastText, on the same folds of products.

    bench/categories.py [--quality] [--speed] [--size] [--http] [--folds 5] [--peers sklearn,fasttext]
                        [--rounds 5] [--sizes 20000,200000] [--data FILE] [--json]

Quality: 5 folds by product; title, title and tags, all texts. One model of ours answers all three; the peers
have one for each, and the best of several settings, chosen on these very folds (`logistic` adds to the peers
LogisticRegression, which is slow and was worse throughout). Differences are paired and
resampled by product. Speed: processor time, interleaved, the median of the rounds. Size: how training grows.
HTTP: processor time a request for one title, beside the server's own smallest reply and beside FastAPI with a
pipeline of scikit-learn's, asked in turns by wrk.
Needs ../shared/data/elo7 (or --data, a CSV file with the same columns), fastText (Debian) and, for
scikit-learn, PyPI (build/benchvenv-categories).
"""

import sys

sys.path[0] = sys.path[0].removesuffix("bench") + "tests/lib"  # not this folder: its http is not Python's

import argparse  # noqa: E402
import csv  # noqa: E402
import json  # noqa: E402
import lzma  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import random  # noqa: E402
import re  # noqa: E402
import socket  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import urllib.request  # noqa: E402

import environment  # noqa: E402
from server import Server  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ROOT / "build" / "bench" / "categories" / "ours"
COLUMNS = ["title", "concatenated_tags", "query"]
FOLDS = 5
FASTTEXT = ["-wordNgrams", "2", "-minn", "2", "-maxn", "5", "-epoch", "25", "-lr", "0.5", "-dim", "50", "-bucket", "200000",
            "-thread", "1", "-verbose", "0"]


def read(path):
    opened = lzma.open if str(path).endswith(".xz") else open
    with opened(path, "rt", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    return [[row[c] for c in ["product_id", "category"] + COLUMNS] for row in rows]


def write(rows, path):
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["product_id", "category"] + COLUMNS)
        out.writerows(rows)


def text(row, fields):
    return " ".join(row[2:2 + fields])


def one_a_product(rows):
    seen = {}
    for row in rows:
        seen.setdefault(row[0], row)
    return list(seen.values())


# -- Quality ------------------------------------------------------------------------------------------------

def features():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union
    return make_union(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), strip_accents="unicode", token_pattern=r"(?u)\b\w+\b"),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), strip_accents="unicode"))


def sklearn_says(train, test, fields, logistic=False):
    """name -> categories of the test's products"""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC
    pipeline, y = features(), [row[1] for row in train]
    x = pipeline.fit_transform([text(row, fields) for row in train])
    asked = pipeline.transform([text(row, fields) for row in test])
    models = {"LinearSVC C=%g" % c: LinearSVC(C=c) for c in (0.3, 0.6)}
    if logistic:
        models["LogisticRegression C=10"] = LogisticRegression(C=10, max_iter=100, tol=1e-3)
    return {name: list(m.fit(x, y).predict(asked)) for name, m in models.items()}


def fasttext_says(train, test, fields, folder):
    def plain(row):
        return "".join(c.lower() if c.isalnum() else " " for c in text(row, fields))
    names = sorted({row[1] for row in train})
    with open(folder + "/train.txt", "w", encoding="utf-8") as f:
        f.writelines("__label__%d %s\n" % (names.index(row[1]), plain(row)) for row in train)
    with open(folder + "/test.txt", "w", encoding="utf-8") as f:
        f.writelines(plain(row) + " \n" for row in test)
    subprocess.run(["fasttext", "supervised", "-input", folder + "/train.txt", "-output", folder + "/ft"] + FASTTEXT,
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out = subprocess.run(["fasttext", "predict", folder + "/ft.bin", folder + "/test.txt"], check=True, capture_output=True, text=True)
    said = [names[int(line.split("__label__")[1])] if "__label__" in line else names[0] for line in out.stdout.splitlines()]
    return {"fastText": said}


def ours_says(folder):
    out = subprocess.run([str(OURS), "say", folder + "/train.csv", folder + "/test.csv", ",".join(COLUMNS)],
                         check=True, capture_output=True, text=True)
    return [line.split("\t") for line in out.stdout.splitlines()]


def scores(said, right):
    import numpy as np
    names, said, right = sorted(set(right)), np.array(said), np.array(right)
    f1 = []
    for c in names:
        tp = np.sum((said == c) & (right == c))
        f1.append(2 * tp / max(1, np.sum(said == c) + np.sum(right == c)))
    return float(np.mean(said == right)), float(np.mean(f1))


def paired(ours, peer, right, rounds=300):
    """How much better ours is, and between what: accuracy and macro F1, of resampled products."""
    import numpy as np
    rng, found = np.random.default_rng(1), []
    ours, peer, right = np.array(ours), np.array(peer), np.array(right)
    for _ in range(rounds):
        at = rng.integers(0, len(right), len(right))
        a, b = scores(ours[at], right[at]), scores(peer[at], right[at])
        found.append((a[0] - b[0], a[1] - b[1]))
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    return [(float(low[i]), float(high[i])) for i in range(2)]


def calibration_error(judged, bins=15):
    judged, error = sorted(judged), 0
    for i in range(bins):
        part = judged[i * len(judged) // bins:(i + 1) * len(judged) // bins]
        error += abs(sum(p for p, _ in part) - sum(ok for _, ok in part))
    return error / len(judged)


def quality(rows, report, folds, peers):
    rng = random.Random(3)
    fold = {p: rng.randrange(FOLDS) for p in sorted({row[0] for row in rows})}
    right, said, sure = [], {}, {}
    for k in range(folds):
        train, test = [r for r in rows if fold[r[0]] != k], one_a_product([r for r in rows if fold[r[0]] == k])
        right += [row[1] for row in test]
        with tempfile.TemporaryDirectory() as folder:
            write(train, folder + "/train.csv")
            write(test, folder + "/test.csv")
            answers = ours_says(folder)
            for fields in (1, 2, 3):
                got = {"ours": [a[2 * fields - 2] for a in answers]}
                if "sklearn" in peers:
                    got.update(sklearn_says(one_a_product(train), test, fields, "logistic" in peers))
                if "fasttext" in peers:
                    got.update(fasttext_says(one_a_product(train), test, fields, folder))
                for name, categories in got.items():
                    said.setdefault((fields, name), []).extend(categories)
                sure.setdefault(fields, []).extend(float(a[2 * fields - 1]) for a in answers)
        print("fold %d of %d" % (k + 1, folds), file=sys.stderr)
    for fields in (1, 2, 3):
        table = {name: scores(s, right) for (n, name), s in said.items() if n == fields}
        for name, (accuracy, f1) in table.items():
            print("# %d texts  %-26s accuracy %.4f  macro F1 %.4f" % (fields, name, accuracy, f1))
        mine = table["ours"]
        for i, (what, margin) in enumerate((("accuracy", 0.003), ("macro_f1", 0.006))):
            best = max((n for n in table if n != "ours"), key=lambda n: table[n][i])
            low, high = paired(said[fields, "ours"], said[fields, best], right)[i]
            report("categories.%d.%s" % (fields, what), "%.4f" % mine[i], "%.4f(%s)" % (table[best][i], best), mine[i] - table[best][i],
                   -margin, "[%.4f, %.4f]" % (low, high))
        error = calibration_error(list(zip(sure[fields], [a == b for a, b in zip(said[fields, "ours"], right)])))
        print("categories.%d.calibration_error  ours=%.4f  goal<=0.03  %s" % (fields, error, "ok" if error <= 0.03 else "short"))


# -- Speed --------------------------------------------------------------------------------------------------

def speed(rows, rounds, report):
    from sklearn.svm import LinearSVC
    products = one_a_product(rows)
    x, y = features().fit_transform([row[2] for row in products]), [row[1] for row in products]
    ours, svc, fast = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        write(products, folder + "/all.csv")
        fasttext_says(products, products[:1], 1, folder)  # writes what it is trained on below
        for _ in range(rounds):
            got = subprocess.run([str(OURS), "fit", folder + "/all.csv", "title"], check=True, capture_output=True, text=True)
            ours.append([float(v) for v in got.stdout.split()])
            began = time.process_time()
            LinearSVC(C=0.3).fit(x, y)
            svc.append(time.process_time() - began)
            began = os.times()
            subprocess.run(["fasttext", "supervised", "-input", folder + "/train.txt", "-output", folder + "/ft"] + FASTTEXT,
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            now = os.times()
            fast.append(now.children_user + now.children_system - began.children_user - began.children_system)
        fit, all_of_it = statistics.median(o[2] for o in ours), statistics.median(sum(o[:3]) for o in ours)
        report("categories.fit", "%.3fs" % fit, "%.3fs(LinearSVC)" % statistics.median(svc), statistics.median(svc) / fit, 5)
        report("categories.train", "%.3fs" % all_of_it, "%.3fs(fastText)" % statistics.median(fast),
               statistics.median(fast) / all_of_it, 1)
        for name, more in (("words", ["--chars", "none"]), ("chars", [])):
            model = folder + "/m"
            subprocess.run([str(ROOT / "build" / "engenho"), "train", "text", folder + "/all.csv", "--text", "title", "--model", model,
                            "--data", folder] + more, check=True, stdout=subprocess.DEVNULL)
            with open(folder + "/five.txt", "w", encoding="utf-8") as f:
                f.writelines(row[2] + "\n" for row in products if len(row[2].split()) == 5 and "\n" not in row[2])
            got = subprocess.run([str(OURS), "titles", model, folder + "/five.txt"], check=True, capture_output=True, text=True)
            one, batch, opened, size = [float(v) for v in got.stdout.split()]
            limit = 1000 if name == "words" else 2500
            print("categories.title.%s  ours=%.0fns  batch=%.0fns  goal<=%dns  %s" % (name, one, batch, limit, "ok" if one <= limit else "short"))
            print("categories.file.%s  size=%.2fMB  opened=%.2fms  goal<=8MB,5ms  %s"
                  % (name, size / 1e6, opened, "ok" if size <= 8e6 and opened <= 5 else "short"))


# -- Size ---------------------------------------------------------------------------------------------------

def synthetic(count, path):
    """Titles of five words by Zipf, of 20 classes that each have words of their own."""
    rng = random.Random(11)
    syllables = [a + b for a in "bcdfglmnprstv" for b in "aeiou"]
    words = ["".join(rng.choice(syllables) for _ in range(rng.randint(2, 4))) for _ in range(20000)]
    with open(path, "w", encoding="utf-8") as f:
        f.write("product_id,title,category\n")
        for i in range(count):
            label = rng.randrange(20)
            title = [words[min(19999, int(rng.paretovariate(0.7)) - 1)] for _ in range(3)]
            title += [words[label * 1000 + min(999, int(rng.paretovariate(0.6)) - 1)] for _ in range(2)]
            f.write("%d,%s,c%d\n" % (i, " ".join(title), label))


def watched(command):
    """Runs it: its processor time, that of the thread which had most of it, and its largest size in MB."""
    times, size = {}, 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                for task in pathlib.Path("/proc/%d/task" % process.pid).iterdir():
                    times[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
                peak = re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/%d/status" % process.pid).read_text())
                size = max(size, int(peak.group(1)) / 1024 if peak else 0)
            except (FileNotFoundError, ProcessLookupError):
                pass  # a thread, or all of it, has just ended
            time.sleep(0.01)
    if process.returncode:
        raise SystemExit("bench/categories: " + " ".join(command))
    return sum(times.values()), max(times.values()), size


def size(counts):
    """What others do on the machine does not show: two threads would take as long as the busier of them."""
    before = None
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            synthetic(count, folder + "/s.csv")
            one, two = (watched([str(ROOT / "build" / "engenho"), "train", "text", folder + "/s.csv", "--model", folder + "/m",
                                 "--threads", threads, "--data", folder]) for threads in ("1", "2"))
            done = subprocess.run([str(OURS), "fit", folder + "/s.csv", "title"], check=True, capture_output=True, text=True)
            fit = sum(float(v) for v in done.stdout.split()[:3])
            line = "categories.size.%d  file-to-fit=%.2fs  train=%.1fs  2threads=%.1fs  ratio=%.2f  goal>=1.7  memory=%.0fMB" % (
                count, fit, one[0], two[1], one[0] / two[1], two[2])
            if before:
                line += "  exponent=%.2f" % (math.log(fit / before[1]) / math.log(count / before[0]))
            before = (count, fit)
            print(line, flush=True)


# -- HTTP ---------------------------------------------------------------------------------------------------

LUA = """
wrk.method, wrk.body = "POST", '{"products":[{"title":"%s"}]}'
wrk.headers["Content-Type"] = "application/json"
"""


def tree(pid):
    """It and all below it."""
    found = [pid]
    for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def cpu_ns(pid):
    return sum(int((task / "schedstat").read_text().split()[0])
               for one in tree(pid) for task in pathlib.Path("/proc/%d/task" % one).iterdir())


def asked(port, path, pid, script=None, seconds=2):
    """Microseconds of the server's processor a request, and requests a second."""
    before = cpu_ns(pid)
    out = subprocess.run(["wrk", "-t1", "-c32", "-d%ds" % seconds, *(["-s", script] if script else []), "http://127.0.0.1:%d%s" % (port, path)],
                         check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit("bench/categories: " + out)
    count = int(re.search(r"(\d+) requests in", out).group(1))
    return (cpu_ns(pid) - before) / count / 1e3, float(re.search(r"Requests/sec: *([0-9.]+)", out).group(1))


class FastAPI:
    """uvicorn with a worker a processor, its C parser and loop."""

    def __init__(self, model):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen([sys.prefix + "/bin/uvicorn", "service:app", "--port", str(self.port), "--log-level", "warning", "--no-access-log",
                                         "--workers", str(len(os.sched_getaffinity(0)))],
                                        cwd=ROOT / "bench" / "categories", env={**os.environ, "MODEL": model, "OMP_NUM_THREADS": "1"})
        for _ in range(300):
            time.sleep(0.2)
            try:
                self.get()
                return
            except OSError:
                pass
        raise SystemExit("bench/categories: FastAPI does not start")

    def get(self):
        request = urllib.request.Request("http://127.0.0.1:%d/v1/categorize" % self.port, b'{"products":[{"title":"anel"}]}', {"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=10).read()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def http(rows, rounds, report):
    import joblib
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC
    products = one_a_product(rows)
    title = next(row[2] for row in products if len(row[2].split()) == 5 and row[2].replace(" ", "").isalpha())
    with tempfile.TemporaryDirectory() as folder:
        write(products, folder + "/all.csv")
        pathlib.Path(folder + "/ask.lua").write_text(LUA % title, encoding="utf-8")
        joblib.dump(make_pipeline(features(), LinearSVC(C=0.3)).fit([row[2] for row in products], [row[1] for row in products]), folder + "/m.joblib")
        subprocess.run([str(ROOT / "build" / "engenho"), "train", "text", folder + "/all.csv", "--text", "title", "--model", folder + "/m", "--data", folder],
                       check=True, stdout=subprocess.DEVNULL)
        with Server(env={"MODEL_PATH": folder + "/m"}) as server:
            server.start("--keys", "off", "--access-log", "off")
            peer, pid = FastAPI(folder + "/m.joblib"), server.process.pid
            small, ours, theirs = [], [], []
            for _ in range(rounds):
                small.append(asked(server.port, "/livez", pid))
                ours.append(asked(server.port, "/v1/categorize", pid, folder + "/ask.lua"))
                theirs.append(asked(peer.port, "/v1/categorize", peer.process.pid, folder + "/ask.lua"))
            peer.stop()
    middle = statistics.median
    report("categories.http.smallest", "%.2fus" % middle(o[0] for o in ours), "%.2fus(/livez)" % middle(s[0] for s in small),
           middle(o[0] / s[0] for o, s in zip(ours, small)), 1.3, lower=True)
    report("categories.http.cpu", "%.2fus" % middle(o[0] for o in ours), "%.0fus(FastAPI)" % middle(t[0] for t in theirs),
           middle(t[0] / o[0] for o, t in zip(ours, theirs)), 50)
    report("categories.http.throughput", "%.0f/s" % middle(o[1] for o in ours), "%.0f/s(FastAPI)" % middle(t[1] for t in theirs),
           middle(o[1] / t[1] for o, t in zip(ours, theirs)), 50)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--data", default=str(ROOT.parent / "shared" / "data" / "elo7" / "products.csv.xz"))
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--folds", type=int, default=FOLDS, help="judge only so many of the five")
    ask.add_argument("--peers", default="sklearn,fasttext")
    ask.add_argument("--sizes", default="20000,200000")
    for what in ("quality", "speed", "size", "http", "json"):
        ask.add_argument("--" + what, action="store_true")
    given = ask.parse_args()
    environment.enter("categories", "build/bench/categories/ours")

    def report(name, ours, peer, ratio, goal, more="", lower=False):
        ok = ratio <= goal if lower else ratio >= goal
        if given.json:
            print(json.dumps({"name": name, "ours": ours, "peer": peer, "ratio": ratio, "goal": goal, "ok": ok}))
        else:
            print("%s  ours=%s  peer=%s  ratio=%.4g  goal%s%g  %s %s" % (name, ours, peer, ratio, "<=" if lower else ">=", goal, "ok" if ok else "short", more))
        sys.stdout.flush()

    every = not (given.quality or given.speed or given.size or given.http)
    rows = read(given.data) if every or given.quality or given.speed or given.http else []
    if every or given.speed:
        speed(rows, given.rounds, report)
    if every or given.http:
        http(rows, given.rounds, report)
    if every or given.quality:
        quality(rows, report, min(given.folds, FOLDS), given.peers.split(","))
    if every or given.size:
        size([int(n) for n in given.sizes.split(",")])


if __name__ == "__main__":
    main()
