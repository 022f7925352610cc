"""Files of tokenizers for the comparison: the real one of all-MiniLM-L6-v2, vocabularies that are trained
here on the Portuguese files, and what published models put around theirs, piece by piece."""

import base64
import io
import json
import pathlib

import sentencepiece
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

import tokenizer_texts

MINILM = tokenizer_texts.SHARED / "models" / "all-MiniLM-L6-v2_tokenizer.json"


def fields(message):
    """(number, value) of each field of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = {1: 8, 5: 4}[key & 7] if key & 7 != 2 else varint()
            yield key >> 3, message[at:at + size]
            at += size


def charsmap(rule, texts):
    """SentencePiece's compiled map of a rule, as its own trainer writes it into a model."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(texts), model_writer=model, vocab_size=300, hard_vocab_limit=False,
                                             normalization_rule_name=rule, minloglevel=2)
    specification = next(value for number, value in fields(model.getvalue()) if number == 3)
    return base64.b64encode(next(value for number, value in fields(specification) if number == 2)).decode()


def added(token, id, normalized=False, special=True, **more):
    return {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": normalized, "special": special, **more}


def template(cls, sep, ids, xlmr):
    def special(name, type):
        return {"SpecialToken": {"id": name, "type_id": type}}

    def sequence(name, type):
        return {"Sequence": {"id": name, "type_id": type}}

    second = 0 if xlmr else 1
    pair = [special(cls, 0), sequence("A", 0), special(sep, 0)] + [special(sep, 0)] * xlmr
    return {"type": "TemplateProcessing", "single": [special(cls, 0), sequence("A", 0), special(sep, 0)],
            "pair": pair + [sequence("B", second), special(sep, second)],
            "special_tokens": {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in zip((cls, sep), ids)}}


def bert(**more):
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True, **more}


def metaspace(scheme="always", split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def sequence(kind, *members):
    return {"type": "Sequence", kind: list(members)}


def regex(pattern, content):
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def text(pattern, content):
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


class Files:
    """Writes them into a folder; `all` is name -> (path, options for whole texts)."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.texts = tokenizer_texts.portuguese()
        self.minilm = json.loads(MINILM.read_text())
        self.all = {"minilm": MINILM}

    def write(self, name, base, **changes):
        path = self.folder / (name + ".json")
        path.write_text(json.dumps({**base, **changes}, ensure_ascii=False))
        self.all[name] = path

    def wordpieces(self):
        base = {**self.minilm, "truncation": None, "padding": None}
        tokens = base["added_tokens"]
        self.write("minilm-general", base, added_tokens=tokens + [added("\U0010fffd\U0010fffe", 0, normalized=True)])
        self.write("minilm-added", base, added_tokens=[
            added("[MASK]", 103, lstrip=True), added("[SEP]", 102, rstrip=True), added("[CLS]", 101, single_word=True),
            added("<novo>", 0, special=False, single_word=True), added("Olá Mundo", 0, normalized=True, special=False),
            added("##ing", 0, lstrip=True, rstrip=True), added("▁", 0, normalized=True, single_word=True)])
        trained = self.train(models.WordPiece(unk_token="[UNK]"), normalizers.BertNormalizer(lowercase=False),
                             pre_tokenizers.BertPreTokenizer(),
                             trainers.WordPieceTrainer(vocab_size=4000, show_progress=False, special_tokens=[
                                 "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
        processor = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
        self.write("bert-cased", trained, normalizer=bert(lowercase=False), post_processor=processor)
        self.write("bert-stripped", trained, normalizer=bert(lowercase=False, strip_accents=True), post_processor=None)
        self.write("bert-accents", trained, normalizer=bert(strip_accents=False), post_processor=processor)
        self.write("bert-dirty", trained, normalizer=bert(clean_text=False, handle_chinese_chars=False))
        self.write("wordpiece-plain", trained, normalizer=None, pre_tokenizer={"type": "Whitespace"})
        self.write("wordpiece-short", trained, model={**trained["model"], "max_input_chars_per_word": 4,
                                                      "continuing_subword_prefix": ""}, normalizer=bert())

    def train(self, model, normalizer, pre_tokenizer, trainer):
        tokenizer = Tokenizer(model)
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
        tokenizer.train_from_iterator(self.texts, trainer)
        return json.loads(tokenizer.to_str())

    def unigrams(self):
        trained = self.train(models.Unigram(), normalizers.NFKC(),
                             pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
                             trainers.UnigramTrainer(vocab_size=6000, show_progress=False, unk_token="<unk>",
                                                     special_tokens=["<s>", "<pad>", "</s>", "<unk>"]))
        trained["added_tokens"] = [added(token, id) for id, token in enumerate(["<s>", "<pad>", "</s>", "<unk>"])]
        trained["added_tokens"].append(added("<mask>", len(trained["model"]["vocab"]), lstrip=True))
        trained["post_processor"] = template("<s>", "</s>", (0, 2), True)
        maps = [{"type": "Precompiled", "precompiled_charsmap": charsmap(rule, self.texts[:500])}
                for rule in ("nmt_nfkc", "nmt_nfkc_cf")]
        words = sequence("pretokenizers", {"type": "WhitespaceSplit"}, metaspace())
        # XLM-R, e5 and multilingual MiniLM, as their files were written over the years.
        self.write("xlmr", trained, normalizer=sequence("normalizers", maps[0], regex(" {2,}", " ")), pre_tokenizer=words)
        self.write("xlmr-early", trained, normalizer=maps[0], pre_tokenizer=sequence(
            "pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}))
        self.write("xlmr-late", trained, pre_tokenizer=metaspace(), normalizer=sequence(
            "normalizers", maps[0], {"type": "Strip", "strip_left": False, "strip_right": True}, regex(" {2,}", "▁")))
        self.write("folded", trained, normalizer=maps[1], pre_tokenizer=metaspace("first"))
        self.write("albert", trained, pre_tokenizer=metaspace("always"), normalizer=sequence(
            "normalizers", text("``", "\""), text("''", "\""), {"type": "NFKD"}, {"type": "StripAccents"},
            {"type": "Lowercase"}, maps[0], regex(" {2,}", " ")))
        self.write("nfkc", trained, normalizer=sequence("normalizers", {"type": "Nmt"}, {"type": "NFKC"},
                                                        regex("\\s+", " ")), pre_tokenizer=words)
        self.write("nfc", trained, normalizer={"type": "NFC"}, pre_tokenizer=metaspace("never", split=False))
        self.write("nfd", trained, normalizer={"type": "NFD"}, pre_tokenizer=None)
        self.write("llama", trained, pre_tokenizer=None, normalizer=sequence(
            "normalizers", {"type": "Prepend", "prepend": "▁"}, text(" ", "▁")))
        self.write("roberta", trained, normalizer=None, pre_tokenizer=None, post_processor={
            "type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": True})
        vocabulary = trained["model"]["vocab"]
        spelled = [["<0x%02X>" % byte, -20.0] for byte in range(256)]
        self.write("bytes", trained, normalizer=maps[0], pre_tokenizer=words,
                   model={**trained["model"], "vocab": vocabulary + spelled, "byte_fallback": True})
        self.write("some-bytes", trained, normalizer=maps[0], pre_tokenizer=words,
                   model={**trained["model"], "vocab": vocabulary + spelled[0x80:0xE8], "byte_fallback": True})
        self.write("no-unknown", trained, normalizer=maps[0], pre_tokenizer=words, model={**trained["model"], "unk_id": None})
        # Positive scores: two unknown characters are worth more than the token that they make.
        self.write("scores", trained, normalizer=None, pre_tokenizer=words, model={**trained["model"], "vocab": [
            [token, 40.0 + (i * 7919 % 50) / 10] for i, (token, _) in enumerate(vocabulary)]})
