#!/usr/bin/env python3
"""Model files against the library that wrote them.

    tests/oracle/run table.py [--rounds N] [--seed N] [--only TEXT] [-v] [--write | --compare]

Every estimator of table_cases.py is fitted on data made here, with parameters that are drawn, written in one
of the ways that people write models, read by our program (build/oracle/table), and asked about rows that it
was not fitted on: labels have to be the same, numbers have the same bits or differ in their last digits only.
--write puts what came of it into docs/models.md; --compare fails where that says something else. Runs with
scikit-learn from 0.24 on: any Python that has one can be given in place of the oracles' environment.
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import math
import pathlib
import pickle
import random as plain_random
import re
import subprocess
import sys
import tempfile
import warnings
import zlib

import joblib
import numpy as np
import sklearn

import table_cases as cases

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "oracle" / "table"
DOCUMENT = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- made by tests/oracle/table.py --write -->", "<!-- end -->"
EPS = 2.0 ** -52
ASKED = 40                                              # rows that are predicted
# Numbers may differ by so many units in the last place of the larger of the number itself and what is usual
# in its column: sums are taken in another order than BLAS takes them.
MOST_ULPS = 2 ** 20
# More of what amplifies such differences: sums of terms a thousand times as large as themselves, matrices that
# are nearly singular, logarithms of shares near 0, libsvm's iterations, distances that scikit-learn takes from
# products.
MORE_ULPS = {name: 2 ** 27 for name in ("GaussianProcessClassifier", "GaussianProcessRegressor", "KernelRidge", "Nystroem",
                                        "KNNImputer", "SVC", "NuSVC", "SVR", "NuSVR", "CalibratedClassifierCV")}


# ---- Ways of writing ----

def dumped(compress=0, protocol=None):
    def write(model):
        to = io.BytesIO()
        joblib.dump(model, to, compress=compress, protocol=protocol)
        return to.getvalue()
    return write


def pickled(protocol):
    return lambda model: pickle.dumps(model, protocol)


def wrapped(model):
    return pickle.dumps({"model": model, "metrics": {"r2": np.float64(.9), "rows": 160}, "version": "1.2",
                         "trained": ("2026-01-01", None)}, 4)


def clouded(model):
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(model, 5)
    return cloudpickle.dumps(model)


WAYS = {
    **{"pickle, protocol %d" % p: pickled(p) for p in range(6) if p <= pickle.HIGHEST_PROTOCOL},
    "joblib": dumped(),
    **{"joblib, " + kind: dumped((kind, 3)) for kind in ("zlib", "gzip", "bz2", "lzma", "xz")},
    "joblib, protocol 2": dumped(0, 2),
    "pickle, gzip": lambda model: gzip.compress(pickle.dumps(model, 4)),
    "pickle, bz2": lambda model: bz2.compress(pickle.dumps(model, 4)),
    "pickle, xz": lambda model: lzma.compress(pickle.dumps(model, 4)),
    "pickle, zlib": lambda model: zlib.compress(pickle.dumps(model, 4)),
    "a dictionary": wrapped,
    "cloudpickle": clouded,
}


# ---- What the library says ----

def plain(value):
    """As JSON has it: labels as they are, numbers as doubles."""
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, (np.bool_, bool)):
        return bool(value)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(value)
    return value if value is None else str(value)


def rows_of(x):
    """Rows as the program takes them: lists in the order of the model's features."""
    if hasattr(x, "columns"):
        x = x.astype(object).to_numpy()
    if isinstance(x, np.ndarray) and x.ndim == 2:
        return [[None if isinstance(v, float) and math.isnan(v) else v if isinstance(v, str) else float(v)
                 for v in row] for row in x]
    if isinstance(x[0], dict):
        names = []
        for row in x:
            names += [k for k in row if k not in names]
        return [[row.get(k) for k in sorted(names)] for row in x]
    return [[v] for v in x]


def shares_of(model, x, rows):
    """predict_proba, a list a row: of several outputs a list of lists; [] where it has none."""
    try:
        shares = model.predict_proba(x)
    except Exception:                                       # pylint: disable=broad-except
        return [[] for _ in range(rows)]
    if isinstance(shares, list):
        return [[plain(np.asarray(s, float)[i]) for s in shares] for i in range(rows)]
    return plain(np.asarray(shares, float))


def dense(made):
    return np.asarray(made.todense() if hasattr(made, "todense") else made, float)


def expected(model, x, transforms):
    """One answer a row."""
    rows = len(rows_of(x))
    if transforms:
        made = dense(model.transform(x))
        made = made.reshape(rows, -1)
        return [{"prediction": plain(row), "probabilities": []} for row in made]
    values = np.asarray(model.predict(x))
    shares = shares_of(model, x, rows)
    return [{"prediction": plain(v) if values.ndim > 1 else [plain(v)], "probabilities": s}
            for v, s in zip(values, shares)]


# ---- What the program says ----

def asked(path, rows):
    """(answers, None), or (None, why it was refused)."""
    ran = subprocess.run([str(PROGRAM), str(path)], input=json.dumps(rows), capture_output=True, text=True,
                         timeout=120, check=False)
    if ran.returncode == 3:
        return None, json.loads(ran.stdout)["error"]
    if ran.returncode or len(ran.stdout.splitlines()) != len(rows):
        return None, "the program ended with %d: %s" % (ran.returncode, ran.stderr.strip())
    return [json.loads(line) for line in ran.stdout.splitlines()], None


def flat(value):
    return [v for part in value for v in flat(part)] if isinstance(value, list) else [value]


def apart(got, wanted, usual):
    """How far two numbers are apart, in units of the last place."""
    if got == wanted or (got is None and (wanted is None or math.isnan(wanted))):
        return 0.
    if isinstance(got, bool) or isinstance(wanted, (str, bool)) or not isinstance(got, (int, float)):
        return math.inf
    return abs(got - wanted) / (EPS * max(abs(wanted), usual, 1e-12))


def compared(answers, wanted):
    """(the largest distance, the first difference as text)."""
    worst, text = 0., ""
    for key in ("prediction", "probabilities"):
        columns = [flat(w[key]) for w in wanted]
        sizes = [[abs(v) for v in row if isinstance(v, float) and math.isfinite(v)] for row in columns]
        usual = float(np.median([v for row in sizes for v in row] or [0.]))
        for i, (answer, want) in enumerate(zip(answers, columns)):
            if "error" in answer:
                return math.inf, "row %d: %s" % (i, answer["error"])
            got = flat(answer[key])
            if len(got) != len(want):
                return math.inf, "%d %s, not %d" % (len(got), key, len(want))
            for g, w in zip(got, want):
                d = apart(g, w, usual)
                if d > worst:
                    worst, text = d, "row %d: %s %r, not %r" % (i, key, g, w)
    return worst, text


# ---- Cases ----

def split(x, rows):
    """What it is fitted on, and what it is asked about."""
    if hasattr(x, "iloc"):
        return x.iloc[:-rows], x.iloc[-rows:]
    return x[:-rows], x[-rows:]


def framed(x):
    import pandas
    return pandas.DataFrame(x, columns=["first", "second column", "terça", "d", "e", "f"][:x.shape[1]])


def fitted(case, random):
    """A fitted model, the rows to ask about and whether it transforms."""
    x = cases.data(case["data"], random)
    y = cases.target(case["target"], x, random)
    if isinstance(x, np.ndarray) and x.ndim == 2 and x.dtype == float and random.random() < .4:
        x = framed(x)                                       # names of features
    train, ask = split(x, ASKED)
    if case["make"].__code__.co_argcount == 3:              # of parts that are fitted beforehand
        model = case["make"](random, train, y[:-ASKED])
    else:
        model = case["make"](random)
    if case["transforms"] and hasattr(model, "predict"):    # alone it would predict
        model = cases.chain(model, "passthrough")
    if y is None:
        model.fit(train)
    else:
        model.fit(train, y[:-ASKED])
    return model, ask


def one(case, seed, way, folder):
    """(what came: same, near, refused, differs, absent or unfitted; how far in ulps; text)."""
    random = np.random.default_rng(seed)
    try:
        model, ask = fitted(case, random)
        wanted = expected(model, ask, case["transforms"])
        content = WAYS[way](model)
    except cases.Absent as absent:
        return "absent", 0., str(absent)
    except Exception as why:                                # pylint: disable=broad-except
        return "unfitted", 0., "%s: %s" % (type(why).__name__, str(why).splitlines()[0] if str(why) else "")
    path = pathlib.Path(folder) / "model"
    path.write_bytes(content)
    answers, refused = asked(path, rows_of(ask))
    if refused is not None:
        return "refused", 0., refused
    worst, text = compared(answers, wanted)
    if worst > MORE_ULPS.get(case["name"], MOST_ULPS):
        return "differs", worst, text + "; " + str(model).replace("\n", " ")[:300]
    return ("near" if worst else "same"), worst, text


def drawing(name, choices):
    return lambda random: cases.draw(random, name, choices)


def all_cases():
    listed = []
    for name, kinds, targets, choices, transforms in (
            [(*row, False) for row in cases.SINGLE] + [(*row, True) for row in cases.TRANSFORMERS]):
        for kind in kinds.split(";"):
            for target in targets.split(";"):
                listed.append({"name": name, "data": kind, "target": target, "transforms": transforms, "whole": False,
                               "make": drawing(name, choices)})
    for name, kind, targets, makes in cases.WHOLE:
        for target in targets.split(";"):
            listed.append({"name": name, "data": kind, "target": target, "transforms": False, "whole": True, "make": makes})
    return listed


def run(options):
    """The results, by case's name and whether it transforms."""
    results = {}
    ways = list(WAYS)
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(all_cases()):
            if options.only and options.only not in case["name"]:
                continue
            for round_ in range(options.rounds):
                way = ways[(number * 7 + round_ * 5 + options.seed) % len(ways)]
                came = one(case, options.seed * 1000003 + number * 101 + round_, way, folder)
                key = (case["name"], case["transforms"], case["whole"])
                results.setdefault(key, []).append((case, way, *came))
                if options.v or came[0] == "differs":
                    print("%-8s table.%s, %s, %s, %s: %.3g ulp %s" % ("FAIL" if came[0] == "differs" else came[0], case["name"], case["data"], case["target"], way,
                                                               came[1], came[2]), flush=True)
    return results


# ---- What came of it, as a table ----

def states_of(came):
    return [c[2] for c in came if c[2] not in ("unfitted", "absent")]


def nearness(came):
    """How far the numbers of an estimator were from the library's, in words that do not change with a processor."""
    worst = max(c[3] for c in came)
    for most, text in ((0, "the same bits"), (4, "4 ulp"), (64, "64 ulp"), (1024, "1024 ulp")):
        if worst <= most:
            return text
    return "9 digits" if worst <= MOST_ULPS else "7 digits"


def targets_of(came):
    names = {"none": "", "numbers": "a number", "positive": "a number", "two numbers": "numbers", "two": "classes",
             "three": "classes", "bool": "classes", "seven": "classes", "labels": "labels",
             "two classes": "outputs of classes", "two words": "outputs of classes"}
    listed = []
    for c in came:
        name = names[c[0]["target"]]
        if c[2] in ("same", "near") and name and name not in listed:
            listed.append(name)
    return ", ".join(listed)


def table_lines(results):
    """The document's tables: what loads, and what is refused with which words."""
    parts = {"Estimators": [], "Transformers": [], "Models of several parts": []}
    refused = []
    for (name, transforms, whole), came in results.items():
        states = states_of(came)
        if not states:
            continue
        if "refused" in states and set(states) == {"refused"}:
            why = next(c[4] for c in came if c[2] == "refused")
            refused.append("| %s | %s |" % (name, re.sub(r" \(\w+ at byte \d+\)", "", why).replace("|", "/")))
            continue
        part = "Models of several parts" if whole else "Transformers" if transforms else "Estimators"
        parts[part].append("| %s | %s | %s |" % (name, targets_of(came), nearness(came)) if part == "Estimators"
                           else "| %s | %s |" % (name, nearness(came)))
    lines = []
    for part, rows in parts.items():
        head = ("| | predicts | numbers are within |\n|---|---|---|" if part == "Estimators"
                else "| | numbers are within |\n|---|---|")
        lines += ["### " + part, "", head, *sorted(rows, key=str.lower), ""]
    return lines + ["### Refused", "", "| | the error |\n|---|---|", *sorted(refused, key=str.lower), ""]


def between(text):
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return begin, end


def write(results):
    text = DOCUMENT.read_text(encoding="utf-8")
    begin, end = between(text)
    DOCUMENT.write_text(text[:begin] + "\n\n" + "\n".join(table_lines(results)) + text[end:], encoding="utf-8")


def compare(results):
    """Names that the document has among those that load or those that are refused, and that came otherwise."""
    text = DOCUMENT.read_text(encoding="utf-8")
    begin, end = between(text)
    wrong, refuses = [], False
    said = {}
    part = ""
    for line in text[begin:end].splitlines():
        if line.startswith("### "):
            part = line[4:]
        elif line.startswith("| ") and not line.startswith("| |"):
            said[(line.split("|")[1].strip(), part)] = part
    for (name, transforms, whole), came in results.items():
        states = states_of(came)
        if not states:
            continue
        refuses = set(states) == {"refused"}
        part = "Models of several parts" if whole else "Transformers" if transforms else "Estimators"
        if (name, "Refused" if refuses else part) not in said:
            wrong.append("%s %s, which docs/models.md does not say" % (name, "is refused" if refuses else "loads"))
    return wrong


def summary(results):
    count = {}
    for came in results.values():
        for c in came:
            count[c[2]] = count.get(c[2], 0) + 1
    return count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("-v", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/models.md")
    parser.add_argument("--compare", action="store_true", help="fail where docs/models.md says something else")
    options = parser.parse_args()
    plain_random.seed(options.seed)
    results = run(options)
    if options.write:
        write(results)
    wrong = compare(results) if options.compare else []
    for line in wrong:
        print("FAIL table.document  " + line)
    count = summary(results)
    unfitted = sorted({"%s (%s)" % (c[0]["name"], c[4]) for came in results.values() for c in came if c[2] == "unfitted"})
    for line in unfitted:
        print("     not fitted: " + line[:200])
    print("scikit-learn %s, numpy %s, joblib %s: %s" % (sklearn.__version__, np.__version__, joblib.__version__,
                                                     ", ".join("%d %s" % (n, s) for s, n in sorted(count.items()))))
    print("%d passed, %d failed, 0 skipped" % (count.get("same", 0) + count.get("near", 0) + count.get("refused", 0),
                                               count.get("differs", 0) + len(wrong)))
    return 1 if count.get("differs") or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
