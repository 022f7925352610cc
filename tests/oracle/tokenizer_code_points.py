#!/usr/bin/env python3
"""Every code point, alone and between others, through every normaliser and pre-tokenizer that has tables
behind it: src/text/token_tables.c says what the package says, or this says where it does not.

    tests/oracle/run tokenizer_code_points.py

A WordPiece vocabulary of nothing makes a token of every word, so that the offsets show where words begin
and end, and what is dropped; a Unigram vocabulary of all that normalisation makes shows what became of it.
"""

import json
import pathlib
import sys
import tempfile

from tokenizers import Tokenizer

import tokenizer_compare
import tokenizer_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "oracle" / "tokenize"
POINTS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
STEP = 16  # code points a text

NORMALIZERS = {
    "bert": tokenizer_files.bert(), "bert-accents": tokenizer_files.bert(strip_accents=False),
    "bert-dirty": tokenizer_files.bert(clean_text=False, lowercase=False, strip_accents=True),
    "nfc": {"type": "NFC"}, "nfd": {"type": "NFD"}, "nfkc": {"type": "NFKC"}, "nfkd": {"type": "NFKD"},
    "strip-accents": {"type": "StripAccents"}, "lowercase": {"type": "Lowercase"}, "nmt": {"type": "Nmt"}}


def write(folder, name, vocabulary, normalizer, pre_tokenizer, added=()):
    path = pathlib.Path(folder) / (name + ".json")
    path.write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": None,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]] + [[c, -1.0] for c in vocabulary]}}))
    return path


def texts():
    """Each behind a letter, with marks of two classes behind it, and the unassigned planes left out."""
    for at in range(0, len(POINTS), STEP):
        if not 0x40000 <= ord(POINTS[at]) < 0xDFF00:
            yield " ".join("a" + c + "\u0334\u0301b" + c for c in POINTS[at:at + STEP])


def main():
    items = [(text.encode(), None) for text in texts()]
    # What characters turn into is in the vocabulary, but where an unknown one would show it as well.
    vocabulary = POINTS[1:0x3400] + POINTS[0xF900 - 0x800:0xFFFF - 0x800]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        files = {name: write(folder, name, vocabulary, step, None) for name, step in NORMALIZERS.items()}
        for kind in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit"):
            files[kind] = write(folder, kind, vocabulary[:100], None, {"type": kind})
        files["single-word"] = write(folder, "single-word", vocabulary[:100], None, None, [
            tokenizer_files.added("a", 1, single_word=True), tokenizer_files.added("b", 2, lstrip=True, rstrip=True)])
        files["charsmap"] = write(folder, "charsmap", vocabulary, {
            "type": "Precompiled", "precompiled_charsmap": tokenizer_files.charsmap("nmt_nfkc", ["a b c"] * 50)}, None)
        for name, path in files.items():
            compared, tokens, found = tokenizer_compare.differences(
                tokenizer_compare.Ours(PROGRAM, path), Tokenizer.from_file(str(path)), items, most=20)
            passed += not found
            failed += bool(found)
            print("%s code_points.%s  %d texts, %d tokens" % ("FAIL" if found else "ok", name, compared, tokens), flush=True)
            for difference in found:
                print(tokenizer_compare.describe(*difference))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
