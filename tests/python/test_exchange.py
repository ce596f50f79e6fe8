"""Host arrays of other libraries, by way of DLPack."""
import sys
import unittest

import numpy as np

import cudrop
import stand_ins
from test_numpy import MASK, numbers


class DLPack(unittest.TestCase):
    def test_arrays_of_every_version_go_in_and_out(self):
        for knows_versions in (False, True):
            x, out = numbers(6, 8), np.zeros((8, 6), np.float32)
            taken = stand_ins.wrap(x.T[::-1], knows_versions=knows_versions)
            given = stand_ins.wrap(out, knows_versions=knows_versions)
            self.assertIs(cudrop.dropout(taken, MASK, out=given), given)
            np.testing.assert_array_equal(out, cudrop.dropout(x.T[::-1], MASK))
            self.assertEqual(taken.streams, [None])  # the host has none

    def test_byte_offsets_and_strides_of_null(self):
        x, out = numbers(24), np.zeros((4, 5), np.float32)
        taken = stand_ins.DLPackArray(x.ctypes.data, (4, 5), byte_offset=12)
        cudrop.dropout(taken, MASK, out=out)
        np.testing.assert_array_equal(out, cudrop.dropout(x[3:23].reshape(4, 5), MASK))

    def test_pinned_memory_is_of_the_host(self):
        x, out = numbers(24), np.zeros(24, np.float32)
        cudrop.dropout(stand_ins.wrap(x, device=(stand_ins.PINNED, 0)), MASK, out=out)
        np.testing.assert_array_equal(out, cudrop.dropout(x, MASK))

    def test_nothing_is_held_after_the_call(self):
        class Lent:
            """NumPy's own exchange, whose capsule holds the array until it is freed."""

            def __init__(self, array):
                self.__dlpack__ = lambda **_: array.__dlpack__()
                self.__dlpack_device__ = array.__dlpack_device__

        x, out = numbers(50), np.zeros(50, np.float32)
        before = sys.getrefcount(x), sys.getrefcount(out)
        for _ in range(10):
            cudrop.dropout(Lent(x), MASK, out=Lent(out))
            with self.assertRaises(cudrop.Error):
                cudrop.dropout(Lent(x), MASK, out=Lent(out[1:]))
        self.assertEqual((sys.getrefcount(x), sys.getrefcount(out)), before)
        np.testing.assert_array_equal(out, cudrop.dropout(x, MASK))

    def refuse(self, kind, text, **arguments):
        x, out = numbers(4), np.zeros(4, np.float32)
        with self.assertRaisesRegex(kind, text):
            cudrop.dropout(stand_ins.wrap(x, **arguments), MASK, out=out)
        np.testing.assert_array_equal(out, np.zeros(4, np.float32))

    def test_what_the_library_lacks_is_refused(self):
        self.refuse(TypeError, "kind 10, which cudrop cannot reach", device=(stand_ins.ROCM, 0))
        self.refuse(TypeError, "32 bits and 4 lanes", lanes=4)
        self.refuse(TypeError, "code 2, 8 bits", bits=8)
        self.refuse(TypeError, "DLPack 2, which", major=2)

    def test_read_only_outputs_are_refused(self):
        x = numbers(4)
        out = stand_ins.wrap(np.zeros(4, np.float32), flags=stand_ins.READ_ONLY)
        with self.assertRaisesRegex(ValueError, "out is an output, and read-only"):
            cudrop.dropout(x, MASK, out=out)

    def test_an_output_of_a_library_that_is_not_known_must_be_brought(self):
        with self.assertRaisesRegex(TypeError, "cannot make arrays of stand_ins's"):
            cudrop.dropout(stand_ins.wrap(numbers(4)), MASK)

    def test_arrays_of_jax_are_inputs_alone(self):
        try:
            import jax.numpy
        except ImportError:
            self.skipTest("there is no JAX")
        x, out = numbers(4, 5), np.zeros((4, 5), np.float32)
        theirs = jax.numpy.asarray(x)
        cudrop.dropout(theirs, MASK, out=out)
        np.testing.assert_array_equal(out, cudrop.dropout(x, MASK))
        with self.assertRaisesRegex(ValueError, "out is an output, and read-only"):
            cudrop.dropout(x, MASK, out=theirs)
        dx, dbias = np.empty_like(x), np.empty(5, np.float32)
        cudrop.fused_backward(theirs, mask=MASK, dx=dx, dbias=dbias)
        want = cudrop.fused_backward(x, mask=MASK)
        np.testing.assert_array_equal(dx, want.dx)
        np.testing.assert_array_equal(dbias, want.dbias)


if __name__ == "__main__":
    unittest.main()
