"""The encoder's peers at their best, made from the same weights without PyTorch: ONNX Runtime (f32, and
int8 per channel) and OpenVINO (f32, bf16 where it chooses it, int8 weights with dynamic activations)."""

import os

import numpy as np

WIDTH, HEADS, LAYERS = 384, 12, 6


def build_onnx(weights, path):
    """BERT's forward pass, mean pooling and normalisation as a plain graph, which ONNX Runtime fuses."""
    import onnx
    from onnx import TensorProto as T, helper, numpy_helper
    constants, nodes = [], []

    def const(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value), name))
        return name

    def node(op, inputs, out, **attributes):
        nodes.append(helper.make_node(op, inputs, [out], name=out + ".node", **attributes))
        return out

    def linear(x, name, out):
        y = node("MatMul", [x, const(out + ".w", weights[name + ".weight"].T)], out + ".mm")
        return node("Add", [y, const(out + ".b", weights[name + ".bias"])], out)

    def norm(x, name, out):
        scale, shift = const(out + ".g", weights[name + ".weight"]), const(out + ".s", weights[name + ".bias"])
        return node("LayerNormalization", [x, scale, shift], out, axis=-1, epsilon=1e-12)

    E = "embeddings."
    words = node("Gather", [const("words", weights[E + "word_embeddings.weight"]), "input_ids"], "word")
    length = node("Unsqueeze", [node("Gather", [node("Shape", ["input_ids"], "shape"), const("one", np.array(1))], "len0"),
                                const("axis0", np.array([0]))], "len")
    places = node("Slice", [const("places", weights[E + "position_embeddings.weight"]), const("zero", np.array([0])), length, "axis0"], "place")
    x = node("Add", [node("Add", [words, places], "wp"), const("kind", weights[E + "token_type_embeddings.weight"][0:1])], "wpk")
    x = norm(x, E + "LayerNorm", "x0")
    seen = node("Cast", ["attention_mask"], "seen", to=T.FLOAT)
    hidden = node("Sub", [const("onef", np.float32(1)), node("Unsqueeze", [seen, const("axis12", np.array([1, 2]))], "seen4")], "hidden")
    mask = node("Mul", [hidden, const("minus", np.float32(-10000))], "mask")
    const("split", np.array([0, 0, HEADS, WIDTH // HEADS]))
    const("join", np.array([0, 0, WIDTH]))
    const("root", np.float32((WIDTH // HEADS) ** 0.5))
    for i in range(LAYERS):
        layer, q = "encoder.layer.%d." % i, "l%d." % i
        for part, turn in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            y = linear(x, layer + "attention.self." + part, q + part + "0")
            node("Transpose", [node("Reshape", [y, "split"], q + part + "1")], q + part, perm=turn)
        score = node("Div", [node("MatMul", [q + "query", q + "key"], q + "qk"), "root"], q + "score")
        share = node("Softmax", [node("Add", [score, mask], q + "masked")], q + "share", axis=-1)
        mixed = node("Transpose", [node("MatMul", [share, q + "value"], q + "mix")], q + "mix1", perm=[0, 2, 1, 3])
        y = linear(node("Reshape", [mixed, "join"], q + "mixed"), layer + "attention.output.dense", q + "out")
        x = norm(node("Add", [y, x], q + "res1"), layer + "attention.output.LayerNorm", q + "norm1")
        y = node("Gelu", [linear(x, layer + "intermediate.dense", q + "wide")], q + "gelu")
        x = norm(node("Add", [linear(y, layer + "output.dense", q + "narrow"), x], q + "res2"), layer + "output.LayerNorm", q + "norm2")
    kept = node("Mul", [x, node("Unsqueeze", [seen, const("axis-1", np.array([-1]))], "seen3")], "kept")
    total = node("ReduceSum", [kept, const("axis1", np.array([1]))], "total", keepdims=0)
    node("LpNormalization", [total], "embedding", axis=-1, p=2)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "minilm", [info(n, T.INT64, ["B", "S"]) for n in ("input_ids", "attention_mask")],
                              [info("embedding", T.FLOAT, ["B", WIDTH])], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def ort(path, threads):
    import onnxruntime
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads, o.log_severity_level = threads, 1, 3
    o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)[0]


def ov_int8(path, threads):
    import nncf
    import openvino
    core = openvino.Core()
    model = nncf.compress_weights(core.read_model(path), mode=nncf.CompressWeightsMode.INT8_ASYM)
    request = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
                                                "INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(WIDTH)}).create_infer_request()
    return lambda feed: next(iter(request.infer(feed).values()))


def ov_plain(path, threads):
    import openvino
    core = openvino.Core()
    request = core.compile_model(core.read_model(path), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
        "INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    return lambda feed: next(iter(request.infer(feed).values()))


def peer(name, model_dir, work_dir, threads):
    """A function from {input_ids, attention_mask} to embeddings."""
    plain, int8 = os.path.join(work_dir, "minilm.onnx"), os.path.join(work_dir, "minilm-int8.onnx")
    if not os.path.exists(plain):
        from safetensors.numpy import load_file
        build_onnx(load_file(os.path.join(model_dir, "model.safetensors")), plain)
    if name == "ort-int8" and not os.path.exists(int8):
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(plain, int8, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
                         extra_options={"MatMulConstBOnly": True, "DefaultTensorType": 1})
    return {"ort-f32": lambda: ort(plain, threads), "ort-int8": lambda: ort(int8, threads),
            "ov-f32": lambda: ov_plain(plain, threads), "ov-int8": lambda: ov_int8(plain, threads)}[name]()
