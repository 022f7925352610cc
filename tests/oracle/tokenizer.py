#!/usr/bin/env python3
"""Our tokenizers beside the `tokenizers` package's: ids, offsets, types, token for token.

    tests/oracle/run tokenizer.py [--count N] [--seed N] [--only NAME] [--all]

N generated texts (50,000 if not said; tokenizer_texts.py states the mix) are shared out to the files of
tokenizer_files.py, a third of them to MiniLM's and a fifth to XLM-R's; the texts of the Portuguese files
(a sample of them without --all) go through both. Then truncation of single texts and pairs. The last line
counts.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

from tokenizers import Tokenizer

import tokenizer_compare
import tokenizer_files
import tokenizer_texts

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "oracle" / "tokenize"


class Run:
    def __init__(self):
        self.passed = self.failed = self.tokens = 0

    def check(self, name, ours, tokenizer, items, special=True):
        start = time.monotonic()
        compared, tokens, found = tokenizer_compare.differences(ours, tokenizer, items, special)
        self.tokens += tokens
        self.passed += not found
        self.failed += bool(found)
        print("%s tokenizer.%s  %d texts, %d tokens, %.1f s" % (
            "FAIL" if found else "ok", name, compared, tokens, time.monotonic() - start), flush=True)
        for difference in found:
            print(tokenizer_compare.describe(*difference))


def opened(path):
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def share(name, count, files):
    """How many of the generated texts a file gets."""
    if name == "minilm":
        return count // 3
    return count // 5 if name == "xlmr" else count * 7 // 15 // (len(files) - 2)


def whole_texts(run, files, count, texts):
    for name, path in files.items():
        items = [(texts.one(), None) for _ in range(share(name, count, files))]
        run.check(name, tokenizer_compare.Ours(PROGRAM, path, "whole"), opened(path), items)


def portuguese_files(run, files, whole):
    texts = tokenizer_texts.portuguese()[::1 if whole else 8] + tokenizer_texts.titles()[::1 if whole else 50]
    items = [(text.encode(), None) for text in texts]
    for name in ("minilm", "xlmr"):
        run.check(name + ".portuguese", tokenizer_compare.Ours(PROGRAM, files[name], "whole"), opened(files[name]), items)


def random_pair(texts):
    return texts.one(), texts.one() if texts.random.random() < 0.7 else None


def truncation(run, files, count, texts, folder):
    """Every strategy, direction and limit, with and without special tokens."""
    for name in ("minilm", "xlmr", "bert-cased", "roberta"):
        base = json.loads(pathlib.Path(files[name]).read_text())
        for strategy in ("LongestFirst", "OnlyFirst", "OnlySecond"):
            for direction in ("Right", "Left"):
                limit = texts.random.choice([4, 5, 8, 13, 20, 64])
                path = pathlib.Path(folder) / "truncated.json"
                path.write_text(json.dumps({**base, "padding": None, "truncation": {
                    "direction": direction, "max_length": limit, "strategy": strategy, "stride": 0}}))
                tokenizer = Tokenizer.from_file(str(path))
                items = [random_pair(texts) for _ in range(count // 48)]
                for special in (True, False):
                    ours = tokenizer_compare.Ours(PROGRAM, path, *([] if special else ["bare"]))
                    run.check("%s.%s.%s.%d%s" % (name, strategy, direction, limit, "" if special else ".bare"), ours,
                              tokenizer, items, special)


def long_texts(run, files, texts):
    """Far longer than what is wanted of them: only their beginning is read, where that is enough."""
    for name in ("minilm", "minilm-general", "xlmr", "nfkc"):
        tokenizer = opened(files[name])
        tokenizer.enable_truncation(20)
        items = [(b" ".join(texts.one() for _ in range(60)), None) for _ in range(200)]
        run.check(name + ".long", tokenizer_compare.Ours(PROGRAM, files[name], "max=20"), tokenizer, items)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--all", action="store_true")
    words = parser.parse_args()
    run, texts = Run(), tokenizer_texts.Texts(words.seed)
    with tempfile.TemporaryDirectory() as folder:
        files = tokenizer_files.Files(folder)
        files.wordpieces()
        files.unigrams()
        chosen = {name: path for name, path in files.all.items() if words.only in (None, name)}
        whole_texts(run, chosen, words.count, texts)
        if not words.only:
            truncation(run, chosen, words.count // 10, texts, folder)
            long_texts(run, chosen, texts)
            portuguese_files(run, chosen, words.all)
    print("%d tokens" % run.tokens)
    print("%d passed, %d failed, 0 skipped" % (run.passed, run.failed))
    return run.failed > 0


if __name__ == "__main__":
    sys.exit(main())
