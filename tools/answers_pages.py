#!/usr/bin/env python3
"""Pages with questions of their own, asked by bench/answers: how many answers hold every fact, how many questions are refused.

    tools/answers_pages.py --model FOLDER [--page TEXT QUESTIONS]...

Without --page, those of tools/pages, each in three layouts: as it is; with no empty lines, as text taken from a page
of the web often is; and as one single line. QUESTIONS has a JSON object a line, as `engenho eval` reads them.
"""
import argparse
import json
import os
import re
import sys
import unicodedata

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import train_answers as train                                               # noqa: E402

PAGES = os.path.join(train.ROOT, "tools/pages")
LAYOUTS = {"page": lambda t: t, "dense": lambda t: re.sub(r"\n\s*\n", "\n", t), "line": lambda t: re.sub(r"\s+", " ", t)}


def plain(text):
    text = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(text.split())


def read(text, questions):
    with open(text, encoding="utf-8") as f:
        page = f.read()
    with open(questions, encoding="utf-8") as f:
        return page, [json.loads(line) for line in f if line.strip()]


def own_pages():
    names = sorted(os.path.join(PAGES, n) for n in os.listdir(PAGES) if not n.endswith(".jsonl"))
    return [(os.path.basename(n), *read(n, os.path.splitext(n)[0] + ".jsonl")) for n in names]


def collections(pages, layouts):
    """As answers_data.collections, each page a document of its own; gold is the question itself."""
    return [dict(name=name, half=1, way=layout, language="pt", documents=[{"title": "", "text": LAYOUTS[layout](text)}],
                 questions=[q["question"] for q in questions], gold=questions) for name, text, questions in pages for layout in layouts]


def whole(r, response=None):
    response = plain(r["response"] if response is None else response)
    return all(any(plain(s) in response for s in fact) for fact in r["gold"]["facts"])


def line(rows):
    yes, no = [r for r in rows if r["gold"]["answerable"]], [r for r in rows if not r["gold"]["answerable"]]
    said = [r for r in yes if r["answered"]]
    return "facts %.3f (unrefused %.3f)  chars %.0f  answerable refused %.3f  others refused %.3f" % (
        np.mean([whole(r) and r["answered"] for r in yes]), np.mean([whole(r) for r in yes]), np.mean([len(r["response"]) for r in said]),
        np.mean([not r["answered"] for r in yes]), np.mean([not r["answered"] for r in no]))


def ask(pages, layouts, model, name="pages"):
    sets = collections(pages, layouts)
    train.data.write(os.path.join(train.WORK, "sets.jsonl.pages"), sets)
    return train.bench(sets, model, name + ".bin", sets_file="sets.jsonl.pages")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--model", required=True)
    a.add_argument("--page", nargs=2, action="append", metavar=("TEXT", "QUESTIONS"))
    o = a.parse_args()
    os.makedirs(train.WORK, exist_ok=True)
    pages = [(os.path.basename(t), *read(t, q)) for t, q in o.page or []] or own_pages()
    layouts = ["page"] if o.page else list(LAYOUTS)
    run = ask(pages, layouts, o.model)
    for name, _, _ in pages:
        for layout in layouts:
            print(name, layout, line([r for r in run.rows if r["set"]["name"] == name and r["set"]["way"] == layout]))
    print("all", line(run.rows))


if __name__ == "__main__":
    main()
