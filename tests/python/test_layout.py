"""The module's enums, structs and calls are those of the headers and of the compiler.

A C program that is written from the headers prints sizes and offsets; CC in the environment
compiles it.
"""
import ctypes
import os
import re
import subprocess
import tempfile
import unittest

import header
from cudrop import _library, _structs
import cudrop

TEXT = header.read_headers()

# The structs, by the names that ctypes has for them.
STRUCTS = {
    "cudrop_tensor_t": _structs.Tensor,
    "cudrop_mask_t": _structs.MaskStruct,
    "cudrop_fused_t": _structs.Fused,
    "cudrop_fused_forward_t": _structs.FusedForward,
    "cudrop_fused_backward_t": _structs.FusedBackward,
    "cudrop_norm_t": _structs.NormStruct,
    "cudrop_norm_forward_t": _structs.NormForward,
    "cudrop_norm_backward_t": _structs.NormBackward,
    "cudrop_attention_t": _structs.Attention,
    "cudrop_attention_forward_t": _structs.AttentionForward,
    "cudrop_attention_reapply_t": _structs.AttentionReapply,
    "cudrop_attention_backward_t": _structs.AttentionBackward,
    "cudrop_attend_forward_t": _structs.AttendForward,
    "cudrop_attend_backward_t": _structs.AttendBackward,
    "cudrop_embedding_forward_t": _structs.EmbeddingForward,
    "cudrop_embedding_backward_t": _structs.EmbeddingBackward,
}

# What a type of C may be to ctypes.
SCALARS = {"int": ctypes.c_int, "cudrop_status_t": ctypes.c_int, "cudrop_dtype_t": ctypes.c_int,
           "cudrop_backend_t": ctypes.c_int, "double": ctypes.c_double,
           "size_t": ctypes.c_size_t, "int64_t": ctypes.c_int64, "uint32_t": ctypes.c_uint32,
           "uint64_t": ctypes.c_uint64, "cudrop_stream_t": ctypes.c_void_p,
           "char*": ctypes.c_char_p, **STRUCTS}


def expected(kind: str):
    """The ctypes type of a type of C."""
    if kind in SCALARS:
        return SCALARS[kind]
    if kind.endswith("**"):
        return ctypes.POINTER(ctypes.c_void_p)
    return ctypes.POINTER(SCALARS[kind[:-1]]) if kind[:-1] in SCALARS else ctypes.c_void_p


def print_layout() -> str:
    """What a C program says of the structs: "name size" and "name member offset size"."""
    lines = []
    for name, members in header.find_structs(TEXT).items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        lines += [f'printf("{name} {member} %zu %zu\\n", offsetof({name}, {member}), '
                  f'sizeof((({name} *)0)->{member}));' for member in members]
    with tempfile.TemporaryDirectory() as folder:
        source, program = f"{folder}/layout.c", f"{folder}/layout"
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <stdio.h>\n#include <cudrop/cudrop.h>\nint main(void) {\n"
                       + "\n".join(lines) + "\nreturn 0;\n}\n")
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", f"-I{header.SOURCE}/include",
                        source, "-o", program], check=True)
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout


def describe_structs() -> str:
    """The same of ctypes' structs."""
    lines = []
    for name in header.find_structs(TEXT):
        structure = STRUCTS[name]
        lines.append(f"{name} {ctypes.sizeof(structure)}\n")
        for member, _ in structure._fields_:
            field = getattr(structure, member)
            lines.append(f"{name} {member} {field.offset} {field.size}\n")
    return "".join(lines)


class Layout(unittest.TestCase):
    maxDiff = None

    def test_every_struct_has_the_members_sizes_and_offsets_of_c(self):
        self.assertEqual(set(header.find_structs(TEXT)), set(STRUCTS))
        self.assertEqual(print_layout(), describe_structs())

    def test_every_call_has_the_arguments_of_the_header(self):
        calls = header.find_calls(TEXT)
        declared = {**{name: (ctypes.c_int, taken) for name, taken in _library.CHECKED.items()},
                    **_library.PLAIN}
        self.assertEqual(set(calls), set(declared))
        for name, (result, taken) in calls.items():
            with self.subTest(name):
                self.assertIs(declared[name][0], expected(result))
                self.assertEqual(declared[name][1], [expected(kind) for kind in taken])

    def test_calls_that_return_a_status_are_checked(self):
        returning = {name for name, (result, _) in header.find_calls(TEXT).items()
                     if result == "cudrop_status_t"}
        self.assertEqual(returning, set(_library.CHECKED))

    def test_a_library_without_a_call_is_refused(self):
        class Opened:
            """As much of a ctypes.CDLL as has a version."""

            def __init__(self):
                major, minor = _library.VERSION
                self.cudrop_version = lambda: major * 10000 + minor * 100

        with self.assertRaisesRegex(ImportError, "lacks cudrop_.*: install both from one checkout"):
            _library._declare(Opened())

    def test_the_enums_are_those_of_the_lists(self):
        lists, enums = header.find_lists(TEXT), header.find_enums(TEXT)
        for name, kind in (("STATUS", _structs.Status), ("DTYPE", _structs.DType),
                           ("ACTIVATION", _structs.Activation)):
            self.assertEqual({each.name: each.value for each in kind}, lists[name])
        for name, kind in (("cudrop_backend_t", _structs.Backend),
                           ("cudrop_norm_kind_t", _structs.Norm),
                           ("cudrop_causal_t", _structs.Causal)):
            self.assertEqual({each.name: each.value for each in kind}, enums[name])
        self.assertEqual({f"ACCUMULATE_{each.name}": each.value for each in _structs.Accumulate},
                         enums["cudrop_accumulate_t"])

    def test_versions_and_limits_are_those_of_the_header(self):
        numbers = [int(re.search(rf"CUDROP_VERSION_{part} (\d+)", TEXT).group(1))
                   for part in ("MAJOR", "MINOR", "PATCH")]
        self.assertEqual(cudrop.__version__, ".".join(map(str, numbers)))
        self.assertEqual(_library.VERSION, tuple(numbers[:2]))
        soversion = numbers[:2] if numbers[0] == 0 else numbers[:1]
        self.assertEqual(_library.SONAME, "libcudrop.so." + ".".join(map(str, soversion)))
        self.assertIn(f"CUDROP_MAX_RANK = {_structs.MAX_RANK} ", TEXT)
        self.assertIn(f"CUDROP_RESERVED = {_structs.RESERVED} ", TEXT)
        project = (header.SOURCE / "adapters/python/pyproject.toml").read_text()
        self.assertIn(f'version = "{cudrop.__version__}"', project)


if __name__ == "__main__":
    unittest.main()
