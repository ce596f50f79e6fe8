#!/usr/bin/env python3
"""check_onnxruntime.py LIBRARY CUDROP - the operator of examples/recipes/onnxruntime.c in ONNX
Runtime: a model with two of them drops what the program `cudrop` says, and anew at every draw."""

import subprocess
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ROWS, COLS, SEED = 800, 5, 42
RATIOS = [0.25, 0.5]


def make_model(ratios):
    """y = relu(drop(x)), z = drop(y)"""
    x, y, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", COLS]) for name in "xyz")
    draw = helper.make_tensor_value_info("draw", TensorProto.INT64, [])

    def drop(site, source, target):
        return helper.make_node("Dropout", [source, "draw"], [target], domain="cudrop",
                                ratio=ratios[site], seed=SEED, site=site, sites=2)

    nodes = [drop(0, "x", "a"), helper.make_node("Relu", ["a"], ["y"]), drop(1, "y", "z")]
    graph = helper.make_graph(nodes, "graph", [x, draw], [y, z])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("cudrop", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def open_session(library, ratios):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(library)
    return onnxruntime.InferenceSession(make_model(ratios).SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def expect_dropped(cudrop, offset, p, x):
    n = ROWS * COLS
    words = f"mask --seed {SEED} --offset {offset} --p {p} --count {n} --format raw"
    bits = subprocess.run([cudrop, *words.split()], capture_output=True, check=True).stdout
    keep = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")[:n].reshape(x.shape)
    return np.where(keep, x * np.float32(1 / (1 - p)), np.float32(0))


def main():
    library, cudrop = sys.argv[1:]
    x = np.random.default_rng(1).normal(size=(ROWS, COLS)).astype(np.float32)
    session = open_session(library, RATIOS)
    for draw in (0, 1, 1000):
        y, z = session.run(None, {"x": x, "draw": np.array(draw, np.int64)})
        expected = np.maximum(expect_dropped(cudrop, 2 * draw, RATIOS[0], x), 0)
        assert np.array_equal(y, expected), f"draw {draw}, site 0"
        expected = expect_dropped(cudrop, 2 * draw + 1, RATIOS[1], expected)
        assert np.array_equal(z, expected), f"draw {draw}, site 1"
    try:
        open_session(library, [1.5, 0.5]).run(None, {"x": x, "draw": np.array(0, np.int64)})
    except Exception as error:  # a class of ONNX Runtime's own
        assert "cudrop_forward: p = 1.5 is outside [0, 1]" in str(error), error
    else:
        raise AssertionError("a ratio of 1.5 is no error")
    print(f"ONNX Runtime {onnxruntime.__version__}, onnx {onnx.__version__}: the masks are cudrop's")


main()
