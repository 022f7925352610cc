"""Texts for the tokenizers' comparison: generated from a seed, in a stated mix, and the Portuguese files
of the shared data.

    share  what
    30 %   Portuguese: stretches of pt_qa, some in capitals, some decomposed (NFD)
    15 %   letters of other scripts, a script a text (Latin to CJK, Hangul, Indic and newer ones)
    12 %   letters with combining marks, in any order, also in front
    10 %   emoji, with modifiers, joiners and flags
     8 %   controls, blanks and punctuation of every kind between words
    10 %   any code point of every plane
     5 %   added tokens, whole, cut and glued
     5 %   words that are long, and characters that are repeated
     5 %   bytes that are no UTF-8
"""

import csv
import io
import json
import lzma
import pathlib
import random
import unicodedata

SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data"

SCRIPTS = [(0x41, 0x17F), (0x180, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF),
           (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FF), (0xA80, 0xAFF), (0xB00, 0xB7F), (0xB80, 0xBFF),
           (0xC00, 0xC7F), (0xD00, 0xD7F), (0xE00, 0xE7F), (0xE80, 0xEFF), (0xF00, 0xFFF), (0x1000, 0x109F),
           (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x1B00, 0x1B7F),
           (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x3040, 0x30FF), (0x3400, 0x34FF), (0x4E00, 0x5FFF),
           (0xA980, 0xA9DF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFE30, 0xFE4F),
           (0xFF00, 0xFFEF), (0x10400, 0x1044F), (0x10D00, 0x10D8F), (0x11080, 0x110CF), (0x11300, 0x113FF),
           (0x11900, 0x1195F), (0x16EA0, 0x16EDF), (0x1D400, 0x1D7FF), (0x1E900, 0x1E95F),
           (0x20000, 0x200FF), (0x2F800, 0x2FA1F)]
MARKS = ([(0x300, 0x36F)] * 4 + [(0x483, 0x489), (0x591, 0x5C7), (0x610, 0x61A), (0x64B, 0x65F), (0x898, 0x8FF),
         (0x93C, 0x94D), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0x302A, 0x302F), (0x3099, 0x309A),
         (0xF71, 0xF87), (0xFE20, 0xFE2F), (0x1D165, 0x1D172), (0xE0100, 0xE0110), (0x11930, 0x11943)])
EMOJI = [(0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1FAFF), (0x2600, 0x27BF)]
JOINERS = [0x200D, 0xFE0F, 0x1F3FB, 0x1F3FD, 0x1F3FF, 0x20E3, 0xFE0E]
BLANKS = "\t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
ODD = "\0\x01\x08\x1f\x7f\x80\x8f\x9f\xad\u200b\u200c\u200d\u200e\u2060\ufeff\ufffd\ufff9\U000e0001\U000f0000"
SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡¿«»“”‘’…–—•§¶†‡‰₤€№™©®°±×÷½¼²³ªº§、。「」・،؛؟।॥՞"
ADDED = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<s>", "</s>", "<unk>", "<pad>", "<mask>", "<novo>", "Olá Mundo",
         "##ing", "▁"]


def portuguese():
    """Every text of the Portuguese files, in order."""
    texts = []
    for name in ("squad_pt_dev_a.json", "faquad_train.json"):
        for article in json.loads((SHARED / "pt_qa" / name).read_text())["data"]:
            for paragraph in article["paragraphs"]:
                texts.append(paragraph["context"])
                texts += [qa["question"] for qa in paragraph["qas"]]
    with open(SHARED / "pt_qa" / "pira_validation.csv", newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            texts += row
    for name in ("como-funciona-hotmart.txt", "perguntas.txt", "questions.jsonl"):
        text = (SHARED / "hotmart" / name).read_text()
        texts += [text] + text.splitlines()
    return list(dict.fromkeys(texts))


def titles():
    rows = csv.reader(io.StringIO(lzma.open(SHARED / "elo7" / "products.csv.xz", "rt", encoding="utf-8").read()))
    return list(dict.fromkeys(cell for row in rows for cell in row))


class Texts:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.words = " ".join(portuguese()).split(" ")

    def one_of(self, ranges):
        first, last = self.random.choice(ranges)
        return chr(self.random.randint(first, last))

    def stretch(self, most=25):
        at = self.random.randrange(len(self.words))
        return " ".join(self.words[at:at + self.random.randint(1, most)])

    def in_portuguese(self):
        text = self.stretch()
        kind = self.random.random()
        if kind < 0.1:
            return text.upper()
        return unicodedata.normalize("NFD", text) if kind < 0.2 else text

    def in_a_script(self):
        script = [self.random.choice(SCRIPTS)]
        return "".join(" " if self.random.random() < 0.15 else self.one_of(script)
                       for _ in range(self.random.randint(1, 30)))

    def marked(self):
        text = []
        for _ in range(self.random.randint(1, 15)):
            if self.random.random() < 0.7:
                text.append(self.random.choice("aeiouçAÉnsx 1ªﬁ™ΐ각ा"))
            text += [self.one_of(MARKS) for _ in range(self.random.choice([0, 1, 1, 2, 3, 20]))]
        return "".join(text)

    def pictured(self):
        text = []
        for _ in range(self.random.randint(1, 10)):
            text.append(self.one_of(EMOJI))
            if self.random.random() < 0.5:
                text.append(chr(self.random.choice(JOINERS)))
            if self.random.random() < 0.2:
                text += [chr(0x1F1E6 + self.random.randrange(26)) for _ in range(self.random.randint(1, 4))]
            if self.random.random() < 0.3:
                text.append(" " + self.stretch(2))
        return "".join(text)

    def dirty(self):
        signs = BLANKS + ODD + SIGNS + "    "
        return "".join(self.stretch(2) if self.random.random() < 0.4 else self.random.choice(signs)
                       for _ in range(self.random.randint(1, 25)))

    def any_plane(self):
        text = []
        for _ in range(self.random.randint(1, 20)):
            plane = self.random.choice([0, 0, 0, 1, 1, 2, 3, 14, self.random.randrange(17)])
            c = plane * 0x10000 + self.random.randrange(0x10000)
            text.append("a" if 0xD800 <= c < 0xE000 else chr(c))
        return "".join(text)

    def with_added(self):
        text = []
        for _ in range(self.random.randint(1, 8)):
            token = self.random.choice(ADDED)
            if self.random.random() < 0.2:
                token = token[:self.random.randint(1, len(token))]
            text.append(token.lower() if self.random.random() < 0.2 else token)
            text.append(self.random.choice(["", "", " ", "  ", "\n", "a", "é", "_", ".", " " + self.stretch(3) + " "]))
        return "".join(text)

    def long(self):
        word = self.random.choice(["a", "não", "x1", "ção", "—", "日", "é", "e\u0301", "가", "ab"])
        return self.stretch(2) + " " * self.random.randint(0, 3) + word * self.random.randint(1, 120)

    def broken(self):
        text = bytearray((self.stretch(8) + self.one_of(SCRIPTS) + self.one_of(EMOJI)).encode())
        for _ in range(self.random.randint(1, 6)):
            at = self.random.randrange(len(text))
            if self.random.random() < 0.5:
                text[at] = self.random.randrange(256)
            else:
                del text[at]
            if not text:
                text = bytearray(b"\xff")
        return bytes(text)

    def one(self):
        kinds = [(30, self.in_portuguese), (15, self.in_a_script), (12, self.marked), (10, self.pictured), (8, self.dirty),
                 (10, self.any_plane), (5, self.with_added), (5, self.long), (5, self.broken)]
        kind = self.random.choices([make for _, make in kinds], [share for share, _ in kinds])[0]
        text = kind()
        return text if isinstance(text, bytes) else text.encode()
