#!/usr/bin/env python3
"""Forests: ours beside the libraries that made them, and beside what compiles or converts them.

    bench/trees.py [--cases xgboost,lightgbm,forest,histogram] [--rounds 5] [--json]

Models are trained here, on 20,000 rows of 20 numbers that are drawn from a seed. One thread each, by the
processor's time, ours and a peer in turns on the same rows; results are compared before anything is timed.
XGBoost and LightGBM by their C interfaces, lleaves and tl2cgen by the code that they compile, all in one
process with ours (bench/trees/ours.c); scikit-learn and ONNX Runtime as a Python program calls them.
How the time of a batch grows is measured from 100 rows to 10,000, and from 10 trees to 1,000.
Needs a C compiler and, for the peers, PyPI (build/benchvenv-trees).
"""

import argparse
import json
import math
import pathlib
import pickle
import statistics
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "lib"))
import environment  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "bench" / "trees"
OURS = WORK / "ours"
COLUMNS, TRAINED, ROWS = 20, 20000, 10000


class Ours:
    """A model loaded by us, and perhaps by a peer that is C."""

    def __init__(self, model, *peer):
        self.child = subprocess.Popen([str(OURS), str(model), str(WORK / "rows.f32"), str(COLUMNS), *map(str, peer)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, question):
        self.child.stdin.write(question + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline().strip()
        if not answer:
            raise SystemExit("bench/trees: ours has ended")
        return answer

    def ns(self, what, who, rows):
        return float(self.ask("%s %s %d" % (what, who, rows)))

    def results(self, who):
        import numpy as np
        path = WORK / ("results." + who)
        self.ask("write %s %s" % (who, path))
        return np.fromfile(path)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class Native:
    """A peer that sits in the same process as ours."""

    def __init__(self, ours):
        self.ours = ours

    def ns(self, what, rows):
        return self.ours.ns(what, "peer", rows)

    def results(self):
        return self.ours.results("peer")


class Python:
    """A peer that a Python program calls with an array."""

    def __init__(self, call):
        self.call = call
        self.x = data()[0][:ROWS]

    def ns(self, what, rows):
        began = time.process_time_ns()
        if what == "batch":
            self.call(self.x[:rows])
        else:
            for i in range(rows):
                self.call(self.x[i:i + 1])
        return (time.process_time_ns() - began) / rows

    def results(self):
        return self.call(self.x).reshape(-1).astype(float)


def duration(ns):
    return "%.2fus" % (ns / 1e3) if ns < 1e6 else "%.2fms" % (ns / 1e6)


class Report:
    def __init__(self, as_json):
        self.as_json, self.short = as_json, 0

    def line(self, name, text, ok=True, **values):
        self.short += not ok
        if self.as_json:
            print(json.dumps({"name": name, "ok": ok, **values}), flush=True)
        else:
            print(name + "  " + text, flush=True)

    def compared(self, name, ours, peer, who, goal):
        ratio = peer / ours
        self.line(name, "ours=%s  peer=%s(%s)  ratio=%.2f  goal>=%g  %s" %
                  (duration(ours), duration(peer), who, ratio, goal, "ok" if ratio >= goal else "short"),
                  ratio >= goal, ours_ns=ours, peer_ns=peer, peer=who, ratio=ratio, goal=goal)


def data():
    import numpy as np
    source = np.random.default_rng(1)
    x = source.normal(size=(TRAINED, COLUMNS)).astype(np.float32)
    return x, x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + x[:, 3] + source.normal(size=TRAINED) * .3


def beside(report, name, ours, peer, who, goals, args, alone=1000, limit=1e-5):
    import numpy as np
    apart = float(np.abs(ours.results("ours") - peer.results()).max())
    print("# %s, %s: largest difference of %d results %g" % (name, who, ROWS, apart), file=sys.stderr)
    if not apart < limit:
        raise SystemExit("bench/trees: %s: results differ" % name)
    took = {}
    for _ in range(args.rounds):
        for what, rows in (("row", alone), ("batch", ROWS)):
            took.setdefault(("ours", what), []).append(ours.ns(what, "ours", rows))
            took.setdefault((who, what), []).append(peer.ns(what, rows))
    for what, goal in zip(("row", "batch"), goals):
        report.compared("trees.%s.%s" % (name, what), statistics.median(took["ours", what]),
                        statistics.median(took[who, what]), who, goal)


def exponent(sizes, costs):
    """Of the power of the size that the cost grows with, from the first to the last."""
    return math.log(costs[-1] / costs[0]) / math.log(sizes[-1] / sizes[0])


def growth_by_rows(report, name, ours, args):
    sizes = (100, 1000, ROWS)
    costs = [statistics.median(ours.ns("batch", "ours", n) * n for _ in range(args.rounds)) for n in sizes]
    report.line("trees.%s.rows" % name, "  ".join("%d=%s" % (n, duration(c)) for n, c in zip(sizes, costs)) +
                "  grows=n^%.2f" % exponent(sizes, costs), costs_ns=costs)


def growth_by_trees(report, name, models, args):
    costs = []
    for path in models.values():
        ours = Ours(path)
        costs.append(statistics.median(ours.ns("batch", "ours", ROWS) for _ in range(args.rounds)))
        ours.close()
    sizes = list(models)
    report.line("trees.%s.trees" % name, "  ".join("%d=%s" % (n, duration(c)) for n, c in zip(sizes, costs)) +
                "  grows=n^%.2f" % exponent(sizes, costs), costs_ns=costs)


def library(package, file):
    found = list((pathlib.Path(sys.prefix) / "lib").glob("python3*/site-packages/%s/lib/%s" % (package, file)))
    return found[0] if found else sys.exit("bench/trees: no " + file)


def xgboost_case(report, args):
    import xgboost
    x, y = data()
    trained = xgboost.train({"max_depth": 6, "eta": .1, "nthread": 1}, xgboost.DMatrix(x, label=y), 1000)
    models = {n: WORK / ("xgboost%d.ubj" % n) for n in (10, 100, 1000)}
    for n, path in models.items():
        trained[:n].save_model(path)
    ours = Ours(models[100], "xgboost", library("xgboost", "libxgboost.so"))
    beside(report, "xgboost", ours, Native(ours), "XGBoost %s, C" % xgboost.__version__, (12, 3), args)
    growth_by_rows(report, "xgboost", ours, args)
    ours.close()
    growth_by_trees(report, "xgboost", models, args)


def lleaves_library(model):
    """The object that lleaves keeps, linked so that C can open it."""
    import lleaves
    kept, linked = WORK / "lleaves.o", WORK / "lleaves.so"
    kept.unlink(missing_ok=True)
    lleaves.Model(model_file=str(model)).compile(cache=str(kept))
    subprocess.run(["gcc", "-shared", "-o", str(linked), str(kept), "-lm"], check=True)
    return linked


def lightgbm_case(report, args):
    import lightgbm
    from importlib.metadata import version
    x, y = data()
    path = WORK / "lightgbm.txt"
    lightgbm.train({"num_leaves": 64, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(x.astype(float), y),
                   100).save_model(str(path))
    ours = Ours(path, "lightgbm", library("lightgbm", "lib_lightgbm.so"))
    beside(report, "lightgbm", ours, Native(ours), "LightGBM %s, C" % lightgbm.__version__, (1, 1), args)
    growth_by_rows(report, "lightgbm", ours, args)
    ours.close()
    ours = Ours(path, "lleaves", lleaves_library(path))
    beside(report, "lightgbm-compiled", ours, Native(ours), "lleaves %s, native" % version("lleaves"), (1, 1), args)
    ours.close()


def onnx_of(model):
    """Runs a session of one thread; sums are in single precision there. None where it is not converted."""
    import numpy as np
    import onnxruntime
    import skl2onnx
    try:
        made = skl2onnx.to_onnx(model, np.zeros((1, COLUMNS), np.float32))
    except (TypeError, ValueError) as why:
        print("# skl2onnx %s: %s" % (skl2onnx.__version__, str(why).split("\n")[0][:100]), file=sys.stderr)
        return None, None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0], "ONNX Runtime " + onnxruntime.__version__


def tl2cgen_library(model, name):
    import tl2cgen
    import treelite
    path = WORK / (name + ".so")
    tl2cgen.export_lib(treelite.sklearn.import_model(model), toolchain="gcc", libpath=str(path),
                       params={"parallel_comp": 16}, nthread=2)
    return path, "tl2cgen " + tl2cgen.__version__


def sklearn_case(report, args, name, model, alone, compiled):
    import sklearn
    x, y = data()
    model.fit(x, y)
    path = WORK / (name + ".pkl")
    path.write_bytes(pickle.dumps(model))
    if hasattr(model, "n_jobs"):
        model.n_jobs = 1
    if compiled:
        library_path, who = tl2cgen_library(model, name)
        ours = Ours(path, "tl2cgen", library_path)
        beside(report, name + "-compiled", ours, Native(ours), who, (1, 1), args)
        ours.close()
    ours = Ours(path)
    beside(report, name, ours, Python(model.predict), "scikit-learn " + sklearn.__version__, (1, 1), args, alone)
    call, who = onnx_of(model)
    if call:
        beside(report, name + "-onnx", ours, Python(call), who, (1, 1), args, alone, .05)
    growth_by_rows(report, name, ours, args)
    ours.close()


def forest_case(report, args):
    from sklearn.ensemble import RandomForestRegressor
    sklearn_case(report, args, "forest", RandomForestRegressor(500, max_depth=12, max_samples=4000, max_features=7,
                                                               n_jobs=2, random_state=1), 20, True)


def histogram_case(report, args):
    from sklearn.ensemble import HistGradientBoostingRegressor
    sklearn_case(report, args, "histogram", HistGradientBoostingRegressor(random_state=1), 100, True)


CASES = {"xgboost": xgboost_case, "lightgbm": lightgbm_case, "forest": forest_case, "histogram": histogram_case}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cases", default=",".join(CASES))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", action="store_true")
    args = p.parse_args()
    chosen = args.cases.split(",")
    if not set(chosen) <= set(CASES):
        sys.exit("bench/trees: cases are " + ", ".join(CASES))
    environment.enter("trees", "build/bench/trees/ours")
    x, _ = data()
    x[:ROWS].tofile(WORK / "rows.f32")
    report = Report(args.json)
    for name in chosen:
        CASES[name](report, args)
    return 1 if report.short else 0


if __name__ == "__main__":
    sys.exit(main())
