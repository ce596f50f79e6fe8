"""Arrays on a GPU, with the CUDA array interface and with DLPack, beside the same on the host.

There is no library of a GPU's arrays here: memory is cudrop_alloc()'s, and what offers it stands in
for Numba, CuPy and the like. The emulated library runs the tests everywhere.
"""
import unittest

import numpy as np

import cudrop
import device
import stand_ins
from test_numpy import MASK, numbers

device.require_gpu()


class CudaArrayInterface(unittest.TestCase):
    def test_every_type_and_layout_gives_the_bytes_of_the_host(self):
        views = (lambda x: x, lambda x: x.T, lambda x: x[::-1], lambda x: x[1:, ::3])
        for dtype in (np.float32, np.float16, np.float64):
            for see in views:
                x, y = numbers(20, 12, dtype=dtype), np.zeros((20, 12), dtype)
                out = device.place(y, see)
                self.assertIs(cudrop.dropout(device.place(x, see), MASK, out=out), out)
                np.testing.assert_array_equal(device.fetch(out), cudrop.dropout(see(x), MASK))

    def test_dense_arrays_may_leave_out_their_strides(self):
        x, out = numbers(50), device.place(np.zeros(50, np.float32))
        memory = device.Memory(x)
        dense = stand_ins.CudaArray(memory.address, (50,))
        cudrop.dropout(dense, MASK, out=out)
        np.testing.assert_array_equal(device.fetch(out), cudrop.dropout(x, MASK))

    def test_masks_go_out_and_come_in(self):
        x, out = numbers(9, 7), device.place(np.zeros((9, 7), np.float32))
        bits, keep = device.place(np.zeros(8, np.uint8)), device.place(np.zeros((9, 7), bool))
        cudrop.export_bits(MASK, (9, 7), out=bits)
        np.testing.assert_array_equal(device.fetch(bits), cudrop.export_bits(MASK, (9, 7)))
        cudrop.apply_bits(device.place(x), bits, 0.3, out=out)
        np.testing.assert_array_equal(device.fetch(out), cudrop.dropout(x, MASK))
        cudrop.export_bytes(MASK, keep)
        cudrop.apply_bytes(device.place(x), keep, 0.3, out=out)
        np.testing.assert_array_equal(device.fetch(out), cudrop.dropout(x, MASK))

    def test_the_work_is_on_the_stream_that_the_array_names(self):
        x, stream = numbers(50), device.make_stream()
        taken = device.place(x, stream=stream)
        out = device.place(np.zeros(50, np.float32), stream=stream)
        with device.captured(stream) as graph:
            cudrop.dropout(taken, MASK, out=out)
        np.testing.assert_array_equal(device.fetch(out), np.zeros(50))
        graph.run()
        np.testing.assert_array_equal(device.fetch(out), cudrop.dropout(x, MASK))

    def test_the_default_stream_is_one_whatever_its_number(self):
        x = numbers(50)
        with device.fake_cupy(stream=0):  # as CUDA counts it, and 1 as the interface does
            out = device.CupyArray(np.zeros(50, np.float32))
            cudrop.dropout(device.place(x, stream=1), MASK, out=out)
            np.testing.assert_array_equal(out.memory.read(), cudrop.dropout(x, MASK))

    def test_an_array_may_say_on_which_device_it_is(self):
        if cudrop.device_count(cudrop.Backend.CUDA) < 2:
            self.skipTest("one GPU")
        x = numbers(50)
        out = device.place(np.zeros(50, np.float32), device=1)
        cudrop.dropout(device.place(x, device=1), MASK, out=out)
        np.testing.assert_array_equal(device.fetch(out), cudrop.dropout(x, MASK))


class Refusals(unittest.TestCase):
    def refuse(self, kind, text, x, out=None):
        out = device.place(np.zeros(50, np.float32)) if out is None else out
        before = device.fetch(out)
        with self.assertRaisesRegex(kind, text):
            cudrop.dropout(x, MASK, out=out)
        np.testing.assert_array_equal(device.fetch(out), before)

    def test_two_places_and_two_streams_are_refused(self):
        x = numbers(50)
        self.refuse(ValueError, "x is on the host and out is on GPU 0", x)
        first, second = 0x7f0010, 0x7f0020  # which nobody looks at
        out = device.place(np.zeros(50, np.float32), stream=second)
        self.refuse(ValueError, "out is on stream 0x7f0020 and others on 0x7f0010",
                    device.place(x, stream=first), out)

    def test_memory_that_is_not_the_devices_is_refused(self):
        x = numbers(50)
        with self.assertRaises(cudrop.Error) as caught:
            cudrop.dropout(stand_ins.CudaArray(x.ctypes.data, (50,)), MASK,
                           out=device.place(np.zeros(50, np.float32)))
        self.assertEqual(caught.exception.status, cudrop.Status.ERROR_WRONG_MEMORY)

    def test_what_the_interface_can_say_and_the_library_cannot_do_is_refused(self):
        x = numbers(50)
        placed = device.place(x)
        for text, described in (("typestr '>f4'", {"typestr": ">f4"}),
                                ("a mask of", {"mask": placed}),
                                ("not whole elements", {"strides": (6,)})):
            self.refuse(TypeError, text,
                        stand_ins.CudaArray(placed.memory.address, (50,), **described))
        out = device.place(np.zeros(50, np.float32), is_read_only=True)
        self.refuse(ValueError, "out is an output, and read-only", placed, out)


class DLPack(unittest.TestCase):
    def test_an_array_is_asked_to_be_ready_on_the_default_stream(self):
        x, out = numbers(6, 8), device.place(np.zeros((6, 8), np.float32))
        memory = device.Memory(x)
        taken = stand_ins.DLPackArray(memory.address, x.shape, device=(stand_ins.CUDA, 0))
        cudrop.dropout(taken, MASK, out=out)
        self.assertEqual(taken.streams, [1])
        np.testing.assert_array_equal(device.fetch(out), cudrop.dropout(x, MASK))

    def test_the_current_stream_of_its_library_is_used(self):
        x, stream = numbers(50), device.make_stream()
        with device.fake_cupy(stream):
            taken, out = device.CupyArray(x), device.CupyArray(np.zeros_like(x))
            with device.captured(stream) as graph:
                cudrop.dropout(taken, MASK, out=out)
            self.assertEqual(taken.streams, [stream])
            np.testing.assert_array_equal(out.memory.read(), np.zeros(50))
            graph.run()
            np.testing.assert_array_equal(out.memory.read(), cudrop.dropout(x, MASK))

    def test_outputs_and_workspaces_are_made_by_the_library_of_the_input(self):
        dy, bias = numbers(30, 20), numbers(20, seed=2)
        want = cudrop.fused_backward(dy, mask=MASK)
        with device.fake_cupy():
            before = device.FakeDevice.entered
            got = cudrop.fused_backward(device.CupyArray(dy), bias=device.CupyArray(bias),
                                        mask=MASK)
            self.assertEqual(device.FakeDevice.entered - before, 3)  # dx, dbias and a workspace
            self.assertIsInstance(got.dx, device.CupyArray)
            np.testing.assert_array_equal(got.dx.memory.read(), want.dx)
            np.testing.assert_array_equal(got.dbias.memory.read(), want.dbias)
            before = device.FakeDevice.entered
            cudrop.fused_backward(device.CupyArray(dy), mask=MASK, dbias=False)
            self.assertEqual(device.FakeDevice.entered - before, 1)  # dx: there is nothing to sum


if __name__ == "__main__":
    unittest.main()
