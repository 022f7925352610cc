#!/usr/bin/env python3
"""Knowledge beside what its users had: taking texts in, and searching by words.

    bench/peers.py [--ingest PARAGRAPHS] [--words PASSAGES] [--rounds N]      1000 and 100000, 5

Taking in: paragraphs of five sentences, text to searchable and durable. Ours is a server, asked over HTTP. The
peer is the first system's stack, in one process: langchain-text-splitters, all-MiniLM-L6-v2 in f32 by ONNX
Runtime as sentence-transformers runs it with backend="onnx" (sorted by length, 32 at a time, padded to the
longest, cut at 256 tokens; done here by onnxruntime and tokenizers alone, the graph made from the same
weights), qdrant-client in local mode on disk. No paragraph is long enough to be cut, so both store the same
passages; ours embeds every sentence besides. In turns, slice by slice, by the clock and by processor time.

By words: passages of 100 words of pt_qa in Zipf's proportions, questions of four, no two alike; the peer is
bm25s, whose index is of the same words (without stems; by NumPy, one question at a time). Ours is what the
server says that the search took.

The peers' packages are put into build/benchvenv-peers from PyPI, the encoder is that of build/models.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "lib"))
import environment  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "peers"
CALL, BATCH, LONGEST, ASKED, K = 64, 32, 256, 200, 10


def threads_ms(pid):
    """Processor time of a process's threads that are alive, in milliseconds."""
    total = 0
    for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


def line(case, ours, peer, who, goal):
    """Times of the same work: how much longer the peer's is."""
    ratio = peer / ours
    print("peers.%s  ours=%.2fms  peer=%.2fms(%s)  ratio=%.2f  goal>=%g  %s"
          % (case, ours, peer, who, ratio, goal, "ok" if ratio >= goal else "short"), flush=True)


# ---- Taking in ------------------------------------------------------------------------------------------

def paragraphs(made, count):
    return ["\n".join(" ".join(made.word() for _ in range(14)).capitalize() + "." for _ in range(5)) for _ in range(count)]


class Stack:
    """The first system's, in the order of its steps."""

    def __init__(self, folder):
        sys.path.insert(0, str(SHARED))
        import minilm_peers
        from langchain_text_splitters import RecursiveCharacterTextSplitter
        from qdrant_client import QdrantClient, models
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
        model = next((ROOT / "build" / "models").rglob("model.safetensors")).parent
        graph = ROOT / "build" / "bench" / "minilm-f32.onnx"
        if not graph.exists():
            graph.parent.mkdir(parents=True, exist_ok=True)
            minilm_peers.build_onnx(load_file(model / "model.safetensors"), str(graph))
        self.run = minilm_peers.ort(str(graph), len(os.sched_getaffinity(0)))
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding()
        self.splitter = RecursiveCharacterTextSplitter(chunk_size=4000, chunk_overlap=0)
        self.client = QdrantClient(path=str(folder))
        self.models = models
        self.client.create_collection("c", vectors_config=models.VectorParams(size=384, distance=models.Distance.COSINE))
        self.count = 0

    def encode(self, texts):
        import numpy as np
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        out = np.empty((len(texts), 384), np.float32)
        for at in range(0, len(order), BATCH):
            batch = order[at:at + BATCH]
            rows = self.tokenizer.encode_batch([texts[i] for i in batch])
            out[batch] = self.run({"input_ids": np.array([r.ids for r in rows], np.int64),
                                   "attention_mask": np.array([r.attention_mask for r in rows], np.int64)})
        return out

    def take(self, texts):
        passages = [piece for text in texts for piece in self.splitter.split_text(text)]
        vectors = self.encode(passages)
        points = [self.models.PointStruct(id=self.count + i, vector=vectors[i].tolist(), payload={"text": text})
                  for i, text in enumerate(passages)]
        self.count += len(passages)
        self.client.upsert("c", points)
        assert self.client.query_points("c", query=vectors[-1].tolist(), limit=1).points[0].id == self.count - 1


def take_ours(client, texts, first):
    for at in range(0, len(texts), CALL):
        documents = [{"id": str(first + at + i), "text": text} for i, text in enumerate(texts[at:at + CALL])]
        client.call("POST", "/v1/collections/c/documents", {"documents": documents})
    found = client.search(texts[-1])["results"][0]["document"]
    assert found == str(first + len(texts) - 1), found


def ingest(search, folder, count, rounds):
    made, clock, work = search.Made(11), [], []
    stack = Stack(folder / "peer")
    data = folder / "ours"
    data.mkdir()
    with search.served(str(data)) as (s, client, _, _):
        client.call("POST", "/v1/collections", {"name": "c"})
        each = count // (rounds + 1)
        for turn in range(rounds + 1):
            texts = paragraphs(made, each)
            begun, before = time.perf_counter(), time.process_time()
            stack.take(texts)
            peer = (time.perf_counter() - begun) * 1e3, (time.process_time() - before) * 1e3
            begun, before = time.perf_counter(), threads_ms(s.process.pid)
            take_ours(client, texts, turn * each)
            ours = (time.perf_counter() - begun) * 1e3, threads_ms(s.process.pid) - before
            if turn:    # the first warms both
                clock.append((ours[0], peer[0]))
                work.append((ours[1], peer[1]))
        s.stop()
    print("# %d slices of %d paragraphs" % (rounds, each))
    who = "langchain, onnxruntime f32, qdrant local"
    for case, pairs in ("ingest", clock), ("ingest-processor", work):
        ours = statistics.median(o for o, _ in pairs)
        line(case, ours, ours * statistics.median(p / o for o, p in pairs), who, 3)


# ---- By words -------------------------------------------------------------------------------------------

def words(search, folder, count, rounds):
    import bm25s
    made = search.Made(count)
    texts, numbers = [], {word: i for i, word in enumerate(made.words)}
    data = folder / "words"
    data.mkdir()
    search.prepare(str(data), count, 0)    # writes these very texts, in their order
    for _ in range(count):
        texts.append([numbers[w] for w in made.text().split(" ")])
        made.random.randrange(search.CENTRES)
        made.vector(made.pool[0])
    peer = bm25s.BM25(k1=.9, b=.65)
    peer.index((texts, numbers), show_progress=False)
    took = {"ours": [], "peer": []}
    with search.served(str(data)) as (s, client, _, _):
        client.search(made.question(), mode="bm25")
        for _ in range(rounds):
            for _ in range(ASKED // rounds):
                question = made.question()
                begun = time.perf_counter()
                peer.retrieve([[numbers[w] for w in question.split(" ")]], k=K, show_progress=False)
                took["peer"].append((time.perf_counter() - begun) * 1e3)
                took["ours"].append(client.search(question, mode="bm25")["timings"]["search"])
        s.stop()
    line("words-%d" % count, statistics.median(took["ours"]), statistics.median(took["peer"]), "bm25s", 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ingest", type=int, default=1000)
    parser.add_argument("--words", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    environment.enter("peers")
    os.chdir(ROOT)
    import search  # which takes this folder out of the path: its http.py is not Python's
    with tempfile.TemporaryDirectory(prefix="engenho-bench-", dir="build") as folder:
        folder = pathlib.Path(folder).absolute()
        if options.ingest:
            ingest(search, folder, options.ingest, options.rounds)
        if options.words:
            words(search, folder, options.words, options.rounds)


if __name__ == "__main__":
    main()
