#!/usr/bin/env python3
"""Learns the numbers of src/rag/answer_table.c, and reports what they are worth (docs/answers.md).

    tools/train_answers.py --model FOLDER [--trust-only | --report-only] [--ablate]

Needs numpy (make venv), ../shared/data/pt_qa and an encoder's folder. Steps, each by bench/answers, which
runs the answerer's own code: features of every unit -> weights that rank units; built anew, features of
every answer -> weights of trust, and of phrases; built anew, the report. Half the titles are learned from, the
other half is reported (tools/answers_data.py).
"""
import argparse
import math
import os
import re
import struct
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import answers_data as data                                                 # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TABLE = os.path.join(ROOT, "src/rag/answer_table.c")
WORK = os.path.join(ROOT, "build/answers")
KINDS = "other definition person time place name count amount how why list yesno".split()

# Paragraphs of an encyclopedia have no headings, questions, lists or tables, so nothing can be learned about
# them there. A heading or question that says what is asked counts nearly as if the sentence under it said so
# (cover, bm25 and what they lag behind come to 7); an item counts as any sentence.
UNLEARNED = {"under": 5.0, "list": 0.0, "head": 0.5, "section": 2.0}
PENALTY, TRUST_PENALTY, BRIEF_PENALTY = 1.0, 3.0, 3.0
MEAN_LENGTH = (325, 500)    # bytes of an answer that `choice` is set for: a phrase answers, an explanation does
EXPLAIN = [KINDS.index(k) for k in ("definition", "how", "why", "list", "yesno")]
IMPOSSIBLE = 0.25           # weight of a SQuAD question made impossible beside one asked of another title
WAYS = "all own other own_reworded other_reworded own_words other_words part gone tiny tiny_other".split()
# What trust learns from each way: questions whose words were exchanged teach it that a word that is nowhere does no
# harm, which is true of few words; what was left out of a page is nearest to what a page's readers ask in vain.
WEIGHTS = {"own_reworded": 0.3, "other_reworded": 0.3, "own_words": 0.2, "other_words": 0.2, "part": 2.0, "gone": 2.0}
KEPT = 0.955                # share of right answers that the threshold keeps


# ---- What bench/answers wrote ----

def take_names(b, o):
    n, = struct.unpack_from("<I", b, o)
    o, out = o + 4, []
    for _ in range(n):
        name, o = take_text(b, o)
        out.append(name)
    return out, o


def take_text(b, o):
    n, = struct.unpack_from("<I", b, o)
    return b[o + 4:o + 4 + n].decode("utf-8", "replace"), o + 4 + n


class Run:
    """Every question with its units, phrases and answer."""

    def __init__(self, path, sets):
        with open(path, "rb") as f:
            b = f.read()
        self.features, o = take_names(b, 0)
        self.trust, o = take_names(b, o)
        self.brief, o = take_names(b, o)
        unit = np.dtype([("doc", "<u4"), ("start", "<u4"), ("end", "<u4"), ("kind", "<u4"), ("chosen", "<u4"), ("twin", "<u4"),
                         ("candidate", "<u4"), ("score", "<f4"), ("belief", "<f4"), ("pull", "<f4"), ("f", "<f4", (len(self.features),))])
        phrase = np.dtype([("unit", "<u4"), ("start", "<u4"), ("end", "<u4"), ("score", "<f4"), ("f", "<f4", (len(self.brief),))])
        self.rows = []
        for s in sets:
            s["bytes"] = [d["text"].encode() for d in s["documents"]]
            for question, gold in zip(s["questions"], s["gold"]):
                r = {"set": s, "question": question, "gold": gold}
                r["kind"], r["language"], r["answered"], r["confidence"] = struct.unpack_from("<IIIf", b, o)
                r["response"], o = take_text(b, o + 16)
                r["short"], o = take_text(b, o)
                r["short_score"], = struct.unpack_from("<f", b, o)
                r["trust"] = np.frombuffer(b, "<f4", len(self.trust), o + 4).astype(float)
                o += 4 + 4 * len(self.trust)
                n, = struct.unpack_from("<I", b, o)
                r["units"] = np.frombuffer(b, unit, n, o + 4)
                o += 4 + n * unit.itemsize
                n, = struct.unpack_from("<I", b, o)
                r["briefs"] = np.frombuffer(b, phrase, n, o + 4)
                o += 4 + n * phrase.itemsize
                self.rows.append(r)

    def half(self, half, *ways):
        return [r for r in self.rows if r["set"]["half"] == half and r["set"]["way"] in ways]


def bench(sets, model, name, *more, sets_file="sets.jsonl"):
    subprocess.run(["make", "-s", "-C", ROOT, "build/bench/answers"], check=True)
    out = os.path.join(WORK, name)
    subprocess.run([os.path.join(ROOT, "build/bench/answers"), os.path.join(WORK, sets_file), out, "--model", model, *more], check=True)
    return Run(out, sets)


# ---- Right or not ----

def text_of(r, start, end, doc):
    return r["set"]["bytes"][doc][start:end].decode("utf-8", "replace")


def right(r, response=None):
    """The answer holds the gold one; of pira, whose answers are free text, six in ten of its words."""
    if r["gold"] is None:
        return False
    response = r["response"] if response is None else response
    if r["gold"][1]:
        return any(a.strip().casefold() in response.casefold() for a in r["gold"][2])
    words, have = data.words(r["gold"][2][0]), set(data.words(response))
    return bool(words) and sum(w in have for w in words) >= 0.6 * len(words)


def can_answer(u):
    return (u["twin"] == 0) & (u["kind"] < 3)


def labels(r):
    """Each unit's share of the gold answer."""
    u, (doc, spans, answers) = r["units"], r["gold"]
    y = np.zeros(len(u))
    for s, e in spans:
        inside = np.maximum(0, np.minimum(u["end"].astype(int), e) - np.maximum(u["start"].astype(int), s)) / (e - s)
        y = np.maximum(y, np.where(u["doc"] == doc, inside, 0))
    words = data.words(answers[0]) if not spans else []
    for i in range(len(u) if words else 0):
        if u["doc"][i] == doc:
            have = set(data.words(text_of(r, u["start"][i], u["end"][i], doc)))
            y[i] = sum(w in have for w in words) / len(words)
    if words:
        y = np.where(y >= max(0.3, 0.5 * y.max(initial=0)), y ** 2, 0)
    return np.where(can_answer(u), y, 0)


# ---- Learning ----

def adam(gradient, shape, steps=220, rate=0.05, sign=0):
    w, m, v = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for t in range(1, steps + 1):
        g = gradient(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= rate * (1 if t < 0.7 * steps else 0.2) * (m / (1 - 0.9 ** t)) / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
        w = np.where(w * sign < 0, 0, w)
    return w


def learn_lists(groups, penalty, unlearned=()):
    """Weights w so that softmax(w . features) within each group is near its labels."""
    groups = [(x, y / y.sum()) for x, y in groups if y.sum() > 0]
    x = np.concatenate([g[0] for g in groups]).astype(float)
    y = np.concatenate([g[1] for g in groups])
    at = np.concatenate([np.full(len(g[1]), i) for i, g in enumerate(groups)])
    starts = np.concatenate([[0], np.cumsum([len(g[1]) for g in groups])[:-1]])
    scale = x.std(0) + 1e-6
    z = (x - x.mean(0)) / scale
    z[:, list(unlearned)] = 0

    def gradient(w):
        s = z @ w
        s = np.exp(s - np.maximum.reduceat(s, starts)[at])
        p = s / np.add.reduceat(s, starts)[at]
        return (z.T @ (p - y) + penalty * w) / len(groups)
    return adam(gradient, x.shape[1]) / scale


def learn_units(rows, features, dropped=()):
    unlearned = [features.index(n) for n in list(UNLEARNED) + list(dropped)]
    groups = [(r["units"]["f"][can_answer(r["units"])], labels(r)[can_answer(r["units"])]) for r in rows]
    w = learn_lists(groups, PENALTY, unlearned)
    for name, value in UNLEARNED.items():
        if name not in dropped:
            w[features.index(name)] = value
    return w


# What can only speak for an answer, and what can only speak against one: a weight of the other sign is chance.
FOR = "met belief chosen score cover around together whole fused words dense cosine pairs answers exact".split()
AGAINST = "unknown hardest names lacks elsewhere focus focus_gone".split()


def logistic(x, y, weight, penalty, names):
    """Weights and, last, the constant."""
    sign = np.array([1 if n in FOR else -1 if n in AGAINST else 0 for n in names] + [0])
    scale, mean = x.std(0) + 1e-6, x.mean(0)
    z = np.hstack([(x - mean) / scale, np.ones((len(x), 1))])
    keep = np.append(np.full(x.shape[1], penalty), 0)
    w = adam(lambda w: (z.T @ (weight * (1 / (1 + np.exp(-z @ w)) - y)) + keep * w) / weight.sum(), z.shape[1], 600, sign=sign)
    out = w[:-1] / scale
    return np.append(out, w[-1] - out @ mean)


def weight_of(r):
    way = r["set"]["way"]
    impossible = r["gold"] is None and way in ("all", "own", "own_reworded", "own_words")
    return WEIGHTS.get(way, 1.0) * (IMPOSSIBLE if impossible else 1.0)


# ---- Choosing ----

def set_choice(t, sets, model):
    """What a further unit must be worth for answers of MEAN_LENGTH: found by asking."""
    data.write(os.path.join(WORK, "choice.jsonl"), sets)
    low, high = [1e-6, 1e-6], [1e-2, 1e-2]
    for _ in range(9):
        t["choice"] = [math.sqrt(a * b) for a, b in zip(low, high)]
        write_table(t)
        run = bench(sets, model, "choice.bin", sets_file="choice.jsonl")
        for k, length in enumerate(MEAN_LENGTH):
            rows = [len(r["response"].encode()) for r in run.rows if r["gold"] and (r["kind"] in EXPLAIN) == bool(k)]
            (low if np.mean(rows) > length else high)[k] = t["choice"][k]


# ---- Choosing, nearly as answer.c does (it also looks at what the question's words are met by): for the ablation ----

def belief(r, w):
    s = np.where(can_answer(r["units"]), r["units"]["f"] @ w, -1e9)
    p = np.exp(s - s.max(initial=-1e9)) * can_answer(r["units"])
    return p / max(p.sum(), 1e-12)


def choose(r, p, least, most=600):
    u = r["units"]
    size = (u["end"] - u["start"]).astype(float)
    worth, used, out = p / (size + 100), 0, []
    for i in np.argsort(-worth, kind="stable"):
        if p[i] <= 0 or (out and worth[i] < least):
            break
        if used + size[i] + 1 <= most or not out:
            out.append(i)
            used += size[i] + 1
    return out, min(used, most)


def least_worth(rows, pulls, length):
    low, high = 1e-7, 1e-1
    for _ in range(20):
        middle = math.sqrt(low * high)
        mean = np.mean([choose(r, p, middle)[1] for r, p in zip(rows, pulls)])
        low, high = (middle, high) if mean > length else (low, middle)
    return high


def held(rows, w, least):
    n = [right(r, " ".join(text_of(r, r["units"]["start"][i], r["units"]["end"][i], r["units"]["doc"][i]) for i in sorted(choose(r, belief(r, w), least)[0]))) for r in rows]
    return float(np.mean(n))


# ---- Phrases ----

def normal(text):
    words = "".join(c if c.isalnum() else " " for c in text.casefold()).split()
    return [w for w in words if w not in ("o", "a", "os", "as", "um", "uma", "the", "an", "de", "em", "no", "na", "do", "da")]


def f1(a, b):
    a, b = normal(a), normal(b)
    same = sum(min(a.count(w), b.count(w)) for w in set(a))
    return 2 * same / (len(a) + len(b)) if a and b and same else float(a == b)


def best_f1(r, text):
    return max(f1(text, a) for a in r["gold"][2])


def exact(r, text):
    return any(normal(text) == normal(a) for a in r["gold"][2])


def learn_briefs(rows):
    groups, x, y = [], [], []
    for r in rows:
        b = r["briefs"]
        if r["gold"] and r["gold"][1] and len(b):
            docs = r["units"]["doc"][b["unit"]]
            score = np.array([best_f1(r, text_of(r, s, e, d)) if d == r["gold"][0] else 0.0 for s, e, d in zip(b["start"], b["end"], docs)])
            groups.append((b["f"], np.where(score > 0.5, score ** 3, 0)))
    return learn_lists(groups, BRIEF_PENALTY)


# ---- The table ----

def numbers(values):
    line, out = "   ", ""
    for v in values:
        text = " %.5gf," % v if "." in "%.5g" % v or "e" in "%.5g" % v else " %.5g.0f," % v
        if len(line) + len(text) > 99:
            out, line = out + line + "\n", "   "
        line += text
    return out + line + "\n"


def write_table(t):
    text = """/*
 * Learned numbers: made by tools/train_answers.py, which says how; not written by hand. Learned from half of
 * the titles of ../shared/data/pt_qa; docs/answers.md says what the other half makes of them.
 */
#include "rag/answer_internal.h"

const double eng_answer_threshold = %.3f;
const double eng_choice[2] = {%.3g, %.3g};
const double eng_brief_threshold = %.3f;

/* clang-format off */
/* %s */
const float eng_unit_weights[FEATURES] = {
%s};
/* %s, constant */
const float eng_trust_weights[TRUST_FEATURES + 1] = {
%s};
/* %s */
const float eng_brief_weights[BRIEF_FEATURES] = {
%s};
/* clang-format on */
""" % (t["threshold"], *t["choice"], t["brief_threshold"], wrapped(t["features"]), numbers(t["units"]), wrapped(t["trust_names"]), numbers(t["trust"]),
       wrapped(t["brief_names"]), numbers(t["briefs"]))
    with open(TABLE, "w", encoding="utf-8") as f:
        f.write(text)


def wrapped(names):
    line, out = "", []
    for n in names:
        if len(line) + len(n) > 90:
            out.append(line)
            line = ""
        line += (", " if line else "") + n
    return ",\n * ".join(out + [line])


def table_now():
    """What the table has for units and choice, where only trust and phrases are learned anew."""
    with open(TABLE, encoding="utf-8") as f:
        text = f.read()
    units = re.search(r"eng_unit_weights\[FEATURES\] = \{(.*?)\}", text, re.S).group(1)
    choice = re.search(r"eng_choice\[2\] = \{(.*?)\}", text).group(1)
    return np.array([float(v.strip(" f")) for v in units.replace("\n", " ").split(",") if v.strip()]), [float(v) for v in choice.split(",")]


def train(sets, model, trust_only):
    run = bench(sets, model, "units.bin")
    t = {"features": run.features, "trust_names": run.trust, "brief_names": run.brief, "threshold": 0.5, "brief_threshold": 0.0, "choice": [2e-4, 1e-4],
         "trust": np.zeros(len(run.trust) + 1), "briefs": np.zeros(max(1, len(run.brief)))}
    if trust_only:
        t["units"], t["choice"] = table_now()
    else:
        t["units"] = learn_units([r for r in run.half(0, "all", "own", "own_reworded") if r["gold"]], run.features)
        set_choice(t, [c for c in sets if c["way"] == "all" and c["half"] == 0], model)
        run = bench(sets, model, "trust.bin")
    asked = run.half(0, *WAYS)
    x, y = np.array([r["trust"] for r in asked]), np.array([right(r) for r in asked], float)
    w = np.array([weight_of(r) for r in asked])
    t["trust"] = logistic(x, y, w, TRUST_PENALTY, run.trust)
    p = 1 / (1 + np.exp(-(x @ t["trust"][:-1] + t["trust"][-1])))
    plain = np.array([r["set"]["way"] in ("all", "own", "part") for r in asked])
    t["threshold"] = float(np.quantile(p[(y > 0) & plain], 1 - KEPT))
    if run.brief:
        t["briefs"] = learn_briefs([r for r in asked if r["set"]["way"] in ("all", "own", "tiny")])
    write_table(t)
    return t


# ---- The report ----

def area(rows):
    """Of the curve of risk (answers that are wrong) over coverage, most confident first."""
    order = sorted(rows, key=lambda r: -r["confidence"])
    wrong = np.cumsum([not right(r) for r in order]) / np.arange(1, len(order) + 1)
    return float(wrong.mean())


def baseline(r, feature, features):
    u = r["units"]
    if not len(u):
        return ""
    if feature is None:
        best = next((i for i in range(len(u)) if u["candidate"][i] == 0), 0)
    else:
        best = int(np.argmax(np.where(can_answer(u), u["f"][:, features.index(feature)], -1)))
    return text_of(r, u["start"][best], u["end"][best], u["doc"][best])


def report(run):
    print("set way questions holds chars first_sentence bm25_sentence short_n short_EM short_F1 all_EM all_F1")
    for name in ("squad", "faquad", "pira", "pira_reworded", "pira_en", "pira_en_reworded"):
        for way in ("all", "own", "own_reworded"):
            rows = [r for r in run.half(1, way) if r["set"]["name"] == name and r["gold"]]
            line = [np.mean([right(r) for r in rows]), np.mean([len(r["response"]) for r in rows]),
                    np.mean([right(r, baseline(r, None, run.features)) for r in rows]), np.mean([right(r, baseline(r, "bm25", run.features)) for r in rows])]
            short = [r for r in rows if r["short"] and r["gold"][1]]
            line += [len(short), np.mean([exact(r, r["short"]) for r in short] or [0]), np.mean([best_f1(r, r["short"]) for r in short] or [0])]
            spans = [r for r in rows if r["gold"][1]]
            line += [np.sum([exact(r, r["short"]) for r in short]) / max(1, len(spans)), np.sum([best_f1(r, r["short"]) for r in short]) / max(1, len(spans))]
            print(name, way, len(rows), *("%.3f" % v for v in line))
    print("set way questions AURC refused_of_answerable refused_of_right refused_of_unanswerable accuracy")
    for name in ("squad", "faquad", "pira", "pira_reworded", "pira_en", "pira_en_reworded"):
        for way in ("all", "own", "own_reworded"):
            rows = [r for r in run.half(1, way) if r["set"]["name"] == name]
            other = [r for r in run.half(1, "other_reworded" if way == "own_reworded" else "other") if r["set"]["name"] == name]
            gone = [r for r in run.half(1, "gone") if r["set"]["name"] == name] if way == "own" else []
            for what, no in (("impossible", [r for r in rows if not r["gold"]]), ("other title", other), ("gone", gone)):
                yes = [r for r in rows if r["gold"]]
                if no:
                    refused = [np.mean([not r["answered"] for r in x]) for x in (yes, [r for r in yes if right(r)], no)]
                    good = np.mean([right(r) and r["answered"] for r in yes] * 1 + [not r["answered"] for r in no])
                    print(name, way, what.replace(" ", "_"), len(yes), len(no), "%.3f" % area(yes + no), *("%.3f" % v for v in refused), "%.3f" % good)
    rows = run.half(1, *WAYS)
    p = np.array([r["confidence"] for r in rows])
    y = np.array([right(r) for r in rows], float)
    w = np.array([weight_of(r) for r in rows])
    for way in ("tiny", "tiny_other"):
        rows = run.half(1, way)
        print(way, len(rows), "answered %.3f, right %.3f" % (np.mean([r["answered"] for r in rows]), np.mean([right(r) for r in rows])))
    rows = run.half(1, *WAYS)
    print("calibration: said, was, share")
    for low in np.arange(0, 1, 0.1):
        m = (p >= low) & (p < low + 0.1)
        if m.any():
            print("%.2f %.2f %.3f" % (np.average(p[m], weights=w[m]), np.average(y[m], weights=w[m]), w[m].sum() / w.sum()))


def ablate(run):
    """Learned anew without a group of features; the choice set anew for the same mean length."""
    groups = {"nothing": [], "overlap": ["cover", "names", "bm25", "bm25_lag", "cover_lag", "exact"], "neighbours": ["window", "before"],
              "closeness": ["pairs", "tight"], "the passage's scores": ["fused", "fused_lag", "rank", "words", "whole"],
              "vectors": ["cosine", "cosine_lag"], "kind of answer": ["answers", "near", "things", "cue", "defines", "early"], "length, place, form": ["fresh", "length", "place", "first", "commas", "colon", "subject"]}
    rows = [r for r in run.half(0, "all", "own") if r["gold"]]
    test = [r for r in run.half(1, "all", "own") if r["gold"]]
    for name, dropped in groups.items():
        w = learn_units(rows, run.features, dropped)
        some = [r for r in rows if r["set"]["way"] == "all"]
        least = least_worth(some, [belief(r, w) for r in some], MEAN_LENGTH[0] + 15)
        top = np.mean([bool(len(r["units"])) and labels(r)[int(np.argmax(belief(r, w)))] > 0.5 * max(1e-9, labels(r).max()) for r in test])
        print("without %s: best sentence %.3f, holds %.3f" % (name, top, held(test, w, least)), flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--model", required=True)
    a.add_argument("--report-only", action="store_true")
    a.add_argument("--trust-only", action="store_true", help="the weights of units stay")
    a.add_argument("--ablate", action="store_true")
    o = a.parse_args()
    os.makedirs(WORK, exist_ok=True)
    sets = data.collections()
    data.write(os.path.join(WORK, "sets.jsonl"), sets)
    if not o.report_only:
        train(sets, o.model, o.trust_only)
    run = bench(sets, o.model, "report.bin")
    report(run)
    if o.ablate:
        ablate(run)


if __name__ == "__main__":
    main()
