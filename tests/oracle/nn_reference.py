"""What the encoders compute, in plain numpy: a page an architecture, and nothing fast about it.

A model is a folder as transformers and sentence-transformers write it; a sequence is a list of ids and
a list of types. vector(model, ids, types) and scores(model, ids, types) are the reference.
"""

import json
import math
import pathlib
import struct

import numpy as np

DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "I64": np.dtype("<i8")}


def load_tensors(path):
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = np.frombuffer(data[8 + size + begin:8 + size + end], DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = raw.astype(np.float64).reshape(entry["shape"]) if entry["dtype"] != "I64" else raw
    return tensors


def load_json(path, default=None):
    path = pathlib.Path(path)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


class Model:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.config = load_json(self.folder / "config.json")
        index = load_json(self.folder / "model.safetensors.index.json")
        files = sorted(set(index["weight_map"].values())) if index else ["model.safetensors"]
        self.tensors = {}
        for name in files:
            self.tensors.update(load_tensors(self.folder / name))
        self.prefix = next(p for p in ("", "bert.", "roberta.")
                           if p + "embeddings.word_embeddings.weight" in self.tensors)
        self.roberta = "oberta" in self.config["architectures"][0]

    def at(self, name):
        return self.tensors[self.prefix + name]


erf = np.vectorize(math.erf)


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def norm(m, name, x):
    mean = x.mean(-1, keepdims=True)
    by = np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + m.config.get("layer_norm_eps", 1e-12))
    return (x - mean) / by * m.at(name + ".weight") + m.at(name + ".bias")


def linear(m, name, x):
    return x @ m.at(name + ".weight").T + m.at(name + ".bias")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def hidden_states(m, ids, types):
    """BERT: rows of the last layer. RoBERTa is the same, but for where its positions begin."""
    ids, types = np.asarray(ids), np.asarray(types)
    places = np.arange(len(ids))
    if m.roberta:
        pad = m.config.get("pad_token_id", 1)
        places = np.cumsum(ids != pad) * (ids != pad) + pad
    x = (m.at("embeddings.word_embeddings.weight")[ids] + m.at("embeddings.token_type_embeddings.weight")[types] +
         m.at("embeddings.position_embeddings.weight")[places])
    x = norm(m, "embeddings.LayerNorm", x)
    heads = m.config["num_attention_heads"]
    width = m.config["hidden_size"] // heads
    for i in range(m.config["num_hidden_layers"]):
        layer = "encoder.layer.%d." % i
        q, k, v = (linear(m, layer + "attention.self." + part, x).reshape(len(ids), heads, width).transpose(1, 0, 2)
                   for part in ("query", "key", "value"))
        mixed = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(width)) @ v
        mixed = linear(m, layer + "attention.output.dense", mixed.transpose(1, 0, 2).reshape(len(ids), -1))
        x = norm(m, layer + "attention.output.LayerNorm", x + mixed)
        inner = gelu(linear(m, layer + "intermediate.dense", x))
        x = norm(m, layer + "output.LayerNorm", x + linear(m, layer + "output.dense", inner))
    return x


def pool(rows, c):
    """sentence-transformers: every mode that is switched on, side by side."""
    n = len(rows)
    weights = np.arange(1, n + 1)[:, None]
    modes = (("cls_token", lambda: rows[0]), ("max_tokens", lambda: rows.max(0)), ("mean_tokens", lambda: rows.mean(0)),
             ("mean_sqrt_len_tokens", lambda: rows.sum(0) / math.sqrt(n)),
             ("weightedmean_tokens", lambda: (rows * weights).sum(0) / weights.sum()), ("lasttoken", lambda: rows[-1]))
    return np.concatenate([how() for name, how in modes if c.get("pooling_mode_" + name)])


def vector(m, ids, types):
    x = hidden_states(m, ids, types)
    for module in load_json(m.folder / "modules.json", [{"type": ".Pooling", "path": None}]):
        kind = module["type"].rsplit(".", 1)[1]
        config = load_json(m.folder / module["path"] / "config.json", {}) if module["path"] is not None else {}
        if kind == "Pooling":
            x = pool(x, config or {"pooling_mode_mean_tokens": True})
        elif kind == "Normalize":
            x = x / np.linalg.norm(x)
        elif kind == "Dense":
            weights = load_tensors(m.folder / module["path"] / "model.safetensors")
            x = weights["linear.weight"] @ x + weights.get("linear.bias", 0)
            x = np.tanh(x) if config.get("activation_function", "Tanh").endswith("Tanh") else x
    return x


def scores(m, ids, types):
    first = hidden_states(m, ids, types)[0]
    if not m.roberta:
        pooled = np.tanh(linear(m, "pooler.dense", first))
        return m.tensors["classifier.weight"] @ pooled + m.tensors["classifier.bias"]
    inner = np.tanh(m.tensors["classifier.dense.weight"] @ first + m.tensors["classifier.dense.bias"])
    return m.tensors["classifier.out_proj.weight"] @ inner + m.tensors["classifier.out_proj.bias"]
