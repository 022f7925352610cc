"""Sequences of our tokenizer (build/oracle/tokenize) beside those of the `tokenizers` package: ids, offsets
and types must be the same, and a text that one refuses the other must refuse."""

import codecs
import subprocess

import numpy as np

BATCH = 20000


def decoded(data):
    """(text, the number of the character that begins at each byte), as a decoder reads it that replaces."""
    places = []

    def note(error):
        places.append((error.start, error.end))
        return "\ufffd", error.end

    codecs.register_error("note", note)
    text = data.decode("utf-8", "note")
    number = np.zeros(len(data) + 1, dtype=np.int64)
    starts = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
    for start, end in places:
        starts[start:end] = False
        starts[start] = True
    number[1:] = np.cumsum(starts)
    return text, number


class Ours:
    def __init__(self, program, path, *options):
        self.command = [str(program), str(path), *options]

    def encode(self, items):
        """Of each (text, pair or None) in bytes: None, or (ids, offsets in bytes, types, truncated)."""
        records = bytearray()
        for text, pair in items:
            records += len(text).to_bytes(4, "little")
            records += (0xFFFFFFFF if pair is None else len(pair)).to_bytes(4, "little")
            records += text + (pair or b"")
        out = subprocess.run(self.command, input=bytes(records), stdout=subprocess.PIPE, check=True).stdout
        at, results = 0, []
        for _ in items:
            count, truncated = np.frombuffer(out, "<u4", 2, at)
            at += 8
            if count == 0xFFFFFFFF:
                results.append(None)
                continue
            count = int(count)
            ids = np.frombuffer(out, "<u4", count, at)
            spans = np.frombuffer(out, "<u4", 2 * count, at + 4 * count).reshape(-1, 2)
            types = np.frombuffer(out, np.uint8, count, at + 12 * count)
            at += 13 * count
            results.append((ids, spans, types, bool(truncated)))
        assert at == len(out), "more came out than was asked for"
        return results


def theirs(tokenizer, items, special):
    try:
        return tokenizer.encode_batch(items, add_special_tokens=special)
    except Exception:  # noqa: BLE001 - one of them is refused: which?
        results = []
        for item in items:
            try:
                results.append(tokenizer.encode(*item, add_special_tokens=special) if isinstance(item, tuple)
                               else tokenizer.encode(item, add_special_tokens=special))
            except Exception:  # noqa: BLE001
                results.append(None)
        return results


def same(ours, expected, numbers):
    if ours is None or expected is None:
        return (ours is None) == (expected is None)
    ids, spans, types, truncated = ours
    if ids.tolist() != expected.ids or types.tolist() != expected.type_ids:
        return False
    if truncated != bool(expected.overflowing):
        return False
    offsets = np.array(expected.offsets, dtype=np.int64).reshape(-1, 2)
    if numbers[1] is None:
        return bool((numbers[0][spans] == offsets).all())
    # Which of the two texts a token is of, the package says; special ones are of neither.
    for sequence, number in enumerate(numbers):
        mine = [i for i, s in enumerate(expected.sequence_ids) if s == sequence]
        if not (number[spans[mine]] == offsets[mine]).all():
            return False
    special = [i for i, s in enumerate(expected.sequence_ids) if s is None]
    return not spans[special].any() and not offsets[special].any()


def differences(ours, tokenizer, items, special=True, most=5):
    """(how many items were compared, how many tokens, those that differ)."""
    tokens, found = 0, []
    for at in range(0, len(items), BATCH):
        batch = items[at:at + BATCH]
        read = [(decoded(text), None if pair is None else decoded(pair)) for text, pair in batch]
        texts = [(a[0], b[0]) if b else a[0] for a, b in read]
        for item, (a, b), mine, other in zip(batch, read, ours.encode(batch), theirs(tokenizer, texts, special)):
            tokens += len(mine[0]) if mine else 0
            if not same(mine, other, (a[1], b[1] if b else None)):
                found.append((item, mine, other))
                if len(found) == most:
                    return at + len(batch), tokens, found
    return len(items), tokens, found


def describe(item, mine, other):
    text = "text %r pair %r" % item
    ours = mine and (mine[0].tolist(), mine[1].tolist(), mine[2].tolist(), mine[3])
    theirs_ = other and (other.ids, other.offsets, other.type_ids, bool(other.overflowing), other.tokens)
    return "%s\n  ours   %s\n  theirs %s" % (text[:600], str(ours)[:1500], str(theirs_)[:1500])
