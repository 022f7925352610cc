#!/usr/bin/env python3
"""The encoders against plain numpy (nn_reference.py), and that against ONNX Runtime.

    tests/oracle/run encoder.py [--all] [MODEL]

MODEL is a folder with all-MiniLM-L6-v2 (default: $ENGENHO_TEST_MODEL, or what `make model` made); --all
takes every length from 1 to 512 and all paragraphs.
Small models of every architecture, pooling and file format are made here, with random weights.
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

import nn_reference as reference

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MADE = next((str(path.parent) for path in sorted((ROOT / "build" / "models").glob("**/model.safetensors"))), "")
LENGTHS = list(range(1, 41)) + [63, 64, 65, 100]
VOCABULARY, PLACES = 90, 110
PROGRAM = ROOT / "build" / "oracle" / "nn_vectors"
counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(name, fine, text):
    counts["passed" if fine else "failed"] += 1
    print("%s encoder.%s  %s" % ("ok  " if fine else "FAIL", name, text), flush=True)


# ---- Models ----

def encoded(array, dtype):
    if dtype == "BF16":
        return ((array.astype("<f4").view(np.uint32) + 0x8000) >> 16).astype("<u2").tobytes()
    return array.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def save(path, tensors, dtype="F32"):
    header, data = {}, b""
    for name, array in tensors.items():
        raw = encoded(array, dtype)
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def weights_of(random, hidden, inner, layers, types, prefix):
    t = {}

    def linear(name, n, k):
        t[prefix + name + ".weight"] = random.normal(0, 1.2 / k ** 0.5, (n, k))
        t[prefix + name + ".bias"] = random.normal(0, 0.1, n)

    def norm(name):
        t[prefix + name + ".weight"] = random.normal(1, 0.1, hidden)
        t[prefix + name + ".bias"] = random.normal(0, 0.1, hidden)

    for name, rows in (("word", VOCABULARY), ("position", PLACES), ("token_type", types)):
        t[prefix + "embeddings.%s_embeddings.weight" % name] = random.normal(0, 0.5, (rows, hidden))
    norm("embeddings.LayerNorm")
    for i in range(layers):
        layer = "encoder.layer.%d." % i
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(layer + "attention." + part, hidden, hidden)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", inner, hidden)
        linear(layer + "output.dense", hidden, inner)
        norm(layer + "output.LayerNorm")
    return t


def make(folder, architecture, hidden=96, heads=3, pools=("mean",), dense=0, normalise=True, labels=0, dtype="F32",
         parts=1, seed=1):
    random = np.random.default_rng(seed)
    roberta = "oberta" in architecture
    prefix = ("roberta." if roberta else "bert.") if labels else ""
    types = 1 if roberta else 2
    t = weights_of(random, hidden, 4 * hidden, 2, types, prefix)
    if labels:
        heads_of = (("classifier.dense", hidden), ("classifier.out_proj", labels)) if roberta else \
            (("bert.pooler.dense", hidden), ("classifier", labels))
        for name, n in heads_of:
            t[name + ".weight"] = random.normal(0, 1 / hidden ** 0.5, (n, hidden))
            t[name + ".bias"] = random.normal(0, 0.1, n)
    config = {"architectures": [architecture], "model_type": "xlm-roberta" if roberta else "bert", "hidden_act": "gelu",
              "hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": 2, "intermediate_size": 4 * hidden,
              "vocab_size": VOCABULARY, "max_position_embeddings": PLACES, "type_vocab_size": types,
              "layer_norm_eps": 1e-5, "pad_token_id": 1 if roberta else 0}
    if labels:
        config["id2label"] = {str(i): "L%d" % i for i in range(labels)}
    else:
        write_modules(folder, random, hidden, pools, dense, normalise)
    (folder / "config.json").write_text(json.dumps(config))
    names = list(t)
    if parts == 1:
        save(folder / "model.safetensors", t, dtype)
        return
    index = {}
    for i in range(parts):
        file = "model-%05d-of-%05d.safetensors" % (i + 1, parts)
        save(folder / file, {n: t[n] for n in names[i::parts]}, dtype)
        index.update({n: file for n in names[i::parts]})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def write_modules(folder, random, hidden, pools, dense, normalise):
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    (folder / "1_Pooling").mkdir()
    flags = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "sqrt": "mean_sqrt_len_tokens",
             "weighted": "weightedmean_tokens", "last": "lasttoken"}
    (folder / "1_Pooling/config.json").write_text(json.dumps(
        {"pooling_mode_" + flag: name in pools for name, flag in flags.items()}))
    if dense:
        modules.append(("Dense", "2_Dense"))
        (folder / "2_Dense").mkdir()
        (folder / "2_Dense/config.json").write_text(json.dumps(
            {"in_features": hidden * len(pools), "out_features": dense, "bias": True,
             "activation_function": "torch.nn.modules.activation.Tanh"}))
        save(folder / "2_Dense/model.safetensors", {"linear.weight": random.normal(0, 0.2, (dense, hidden * len(pools))),
                                                    "linear.bias": random.normal(0, 0.1, dense)})
    if normalise:
        modules.append(("Normalize", "3_Normalize"))
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
         for i, (kind, path) in enumerate(modules)]))


# ---- Comparing ----

def ours(folder, precision, sequences, threads=1, batch=1000):
    data = b"".join(struct.pack("<I", len(ids)) + np.asarray(ids, "<u4").tobytes() + np.asarray(types, "<u4").tobytes()
                    for ids, types in sequences)
    done = subprocess.run([str(PROGRAM), str(folder), precision, str(threads), str(batch)], input=data,
                          capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<f4").reshape(len(sequences), -1)


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def sequences_of(random, types, lengths=None):
    return [(random.integers(0, VOCABULARY, n), random.integers(0, types, n)) for n in lengths or LENGTHS]


def compare_small(name, architecture, **how):
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp)
        make(folder, architecture, **how)
        model = reference.Model(folder)
        sequences = sequences_of(np.random.default_rng(5), model.config["type_vocab_size"])
        compute = reference.scores if how.get("labels") else reference.vector
        want = np.array([compute(model, *s) for s in sequences])
        for precision, least, most_off in (("f32", 0.99999, 1e-4), ("int8", 0.98, 0.3)):
            got = ours(folder, precision, sequences, 2, 7)
            if how.get("labels"):
                off = float(np.abs(got - want).max())
                check("%s-%s" % (name, precision), off < most_off, "scores off by %.2g" % off)
            else:
                low = float(cosines(got, want).min())
                check("%s-%s" % (name, precision), low >= least, "least cosine %.7f" % low)


def compare_minilm(folder, every):
    model = reference.Model(folder)
    random = np.random.default_rng(9)
    lengths = list(range(1, 513)) if every else [1, 2, 3, 6, 15, 16, 17, 33, 64, 65, 130, 257, 512]
    sequences = [(random.integers(1000, 30000, n), np.zeros(n, int)) for n in lengths]
    want = np.array([reference.vector(model, *s) for s in sequences])
    low = float(cosines(ours(folder, "f32", sequences, 2, 16), want).min())
    check("minilm-f32", low >= 0.99999, "least cosine %.8f over lengths 1 to 512" % low)
    all_lengths = [(random.integers(1000, 30000, n), np.zeros(n, int)) for n in range(1, 513, 1 if every else 11)]
    f32, int8 = ours(folder, "f32", all_lengths, 2, 64), ours(folder, "int8", all_lengths, 2, 64)
    apart = cosines(f32, int8)
    check("minilm-int8", apart.min() >= 0.99 and apart.mean() >= 0.997,
          "cosine to f32 on random ids: mean %.5f, least %.5f" % (apart.mean(), apart.min()))
    compare_text(folder, every)
    compare_onnx(folder, sequences[::4], want[::4])


def compare_text(folder, every):
    """The promise: int8 on Portuguese paragraphs."""
    data = ROOT.parent / "shared" / "data" / "pt_qa" / "faquad_train.json"
    if not data.exists():
        counts["skipped"] += 1
        print("SKIP encoder.minilm_portuguese  see tests/expected-skips")
        return
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    texts = [p["context"] for a in json.loads(data.read_text())["data"] for p in a["paragraphs"]]
    texts = texts if every else texts[::4]
    sequences = [(e.ids, e.type_ids) for e in tokenizer.encode_batch(texts)]
    apart = cosines(ours(folder, "f32", sequences, 2, 32), ours(folder, "int8", sequences, 2, 32))
    check("minilm-portuguese", apart.mean() >= 0.998 and apart.min() >= 0.995,
          "%d paragraphs, cosine of int8 to f32: mean %.5f, least %.5f" % (len(texts), apart.mean(), apart.min()))


def compare_onnx(folder, sequences, want):
    """The reference itself: the same graph, built for the bench, in ONNX Runtime."""
    import onnxruntime
    sys.path.insert(0, str(ROOT / "bench" / "encoder"))
    import peers
    tensors = {k: v.astype(np.float32) for k, v in reference.load_tensors(pathlib.Path(folder) / "model.safetensors").items()}
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "minilm.onnx")
        peers.build_onnx(tensors, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        got = np.array([session.run(None, {"input_ids": np.asarray(ids, np.int64)[None],
                                           "attention_mask": np.ones((1, len(ids)), np.int64)})[0][0]
                        for ids, _ in sequences])
    low = float(cosines(got, want).min())
    check("reference-onnxruntime", low >= 0.999999, "least cosine %.8f" % low)


def main(words):
    every = "--all" in words
    words = [word for word in words if word != "--all"]
    model = words[0] if words else os.environ.get("ENGENHO_TEST_MODEL", MADE)
    small = [
        ("bert-mean", "BertModel", {}),
        ("bert-cls", "BertModel", {"pools": ("cls",), "hidden": 64, "heads": 1}),
        ("bert-max", "BertModel", {"pools": ("max",), "normalise": False, "hidden": 48, "heads": 4}),
        ("bert-last", "BertModel", {"pools": ("last",), "hidden": 128, "heads": 2}),
        ("bert-weighted-dense", "BertModel", {"pools": ("weighted",), "dense": 40}),
        ("bert-cls-and-mean", "BertModel", {"pools": ("cls", "mean", "sqrt"), "dense": 70, "normalise": False}),
        ("bert-half", "BertModel", {"dtype": "F16"}),
        ("bert-bfloat", "BertModel", {"dtype": "BF16"}),
        ("bert-parts", "BertModel", {"parts": 3}),
        ("bert-pairs", "BertForSequenceClassification", {"labels": 1}),
        ("bert-labels", "BertForSequenceClassification", {"labels": 3, "hidden": 64, "heads": 2}),
        ("xlmr-mean", "XLMRobertaModel", {}),
        ("xlmr-cls", "XLMRobertaModel", {"pools": ("cls",), "hidden": 48, "heads": 4}),
        ("xlmr-pairs", "XLMRobertaForSequenceClassification", {"labels": 1}),
        ("roberta-mean", "RobertaModel", {"hidden": 192, "heads": 2}),
    ]
    for name, architecture, how in small:
        compare_small(name, architecture, **how)
    if os.path.exists(os.path.join(model, "model.safetensors")):
        compare_minilm(model, every)
    else:
        counts["skipped"] += 1
        print("SKIP encoder.minilm  see tests/expected-skips")
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return counts["failed"] > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
