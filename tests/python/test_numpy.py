"""Masks, and dropout of NumPy's arrays."""
import pickle
import threading
import unittest

import numpy as np

import cudrop

MASK = cudrop.Mask(seed=42, offset=3, p=0.3)


def numbers(*shape, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def drop(x, mask, dtype=np.float32):
    """The formula, from a mask that is written out."""
    keep = cudrop.export_bytes(mask, np.empty(x.shape, np.uint8))
    scale = dtype(1) if mask.p == 1 else dtype(1 / (1 - mask.p))
    return np.where(keep == 1, x.astype(dtype) * scale, dtype(0)).astype(x.dtype)


class Masks(unittest.TestCase):
    def test_the_bits_are_those_of_the_contract(self):
        for seed, offset, p, dropped in (  # of 64 elements; bit 1 is dropped
                (42, 0, 0.5, "bc6b374af73b40a7"), (42, 0, 0.1, "2002000231000004"),
                (42, 0, 1 / 3, "346b1002f7104004"), (42, 1, 0.1, "4000010009000100")):
            bits = cudrop.export_bits(cudrop.Mask(seed, offset, p), (64,))
            self.assertEqual(bytes(~bits).hex(), dropped)
        mask = cudrop.Mask(0x123456789abcdef0, 0xfedcba9876543210, 0.1, index_base=2**40 + 8)
        self.assertEqual(bytes(~cudrop.export_bits(mask, (8, 8))).hex(), "0040180012000408")

    def test_seeds_and_offsets_are_those_of_the_library(self):
        self.assertEqual([cudrop.child_seed(42, k) for k in range(2)],
                         [0x989b3f130a063869, 0x290db4bf2570ded7])
        self.assertEqual(cudrop.offset(step=5, site=1, sites=3, microbatch=2, microbatches=4),
                         (5 * 4 + 2) * 3 + 1)
        with self.assertRaises(cudrop.Error) as caught:
            cudrop.offset(step=1, site=3, sites=3)
        self.assertEqual(caught.exception.status, cudrop.Status.ERROR_INVALID_ARGUMENT)

    def test_what_does_not_fit_in_64_bits_is_refused(self):
        for wrong in ({"seed": -1}, {"seed": 2**64}, {"offset": 2**64}, {"index_base": -1}):
            with self.assertRaises(ValueError):
                cudrop.Mask(**{"seed": 1, "offset": 1, "p": 0.5, **wrong})
        with self.assertRaises(TypeError):
            cudrop.Mask(1.5, 0, 0.5)
        with self.assertRaises(ValueError):
            cudrop.child_seed(1, 2**64)
        x = np.ones(4, np.float32)
        for call in (lambda n: cudrop.dropout(x, MASK.shard((n,), (0,))),
                     lambda n: cudrop.dropout(x, MASK.shard((100,), (-n,))),
                     lambda n: cudrop.dropout(x, cudrop.Mask(1, 2, 0.5, index_stride=(n,))),
                     lambda n: cudrop.count_kept(MASK, (n,)), cudrop.set_threads,
                     lambda n: cudrop.device_name(cudrop.Backend.HOST, n),
                     lambda n: cudrop.attention(numbers(2, 2), cudrop.Attention(query_offset=n))):
            with self.assertRaisesRegex(ValueError, f"{2**64 + 4} is outside"):
                call(2**64 + 4)
        largest = cudrop.Mask(2**64 - 1, 2**64 - 1, 0.5).resolve(())
        self.assertEqual((largest.seed, largest.offset), (2**64 - 1, 2**64 - 1))

    def test_numbers_of_numpy_are_numbers(self):
        mask = cudrop.Mask(np.uint64(42), np.int64(3), np.float64(0.3))
        x = numbers(50)
        np.testing.assert_array_equal(cudrop.dropout(x, mask), cudrop.dropout(x, MASK))

    def test_a_mask_is_a_value(self):
        self.assertEqual(MASK, cudrop.Mask(42, 3, 0.3))
        self.assertEqual(pickle.loads(pickle.dumps(MASK.share(1))), MASK.share(1))
        self.assertEqual(len({MASK, cudrop.Mask(42, 3, 0.3), MASK.share(0)}), 2)

    def test_shards_together_are_the_whole(self):
        x = numbers(10, 12)
        whole = cudrop.dropout(x, MASK)
        parts = np.zeros_like(x)
        for row, col in ((0, 0), (0, 5), (4, 0), (4, 5)):
            rows = slice(row, 4 if row == 0 else 10)
            cols = slice(col, 5 if col == 0 else 12)
            part = MASK.shard(x.shape, (row, col))
            cudrop.dropout(x[rows, cols], part, out=parts[rows, cols])
        np.testing.assert_array_equal(parts, whole)

    def test_a_shard_that_sticks_out_is_refused(self):
        x = numbers(4, 5)
        for start in ((0, 8), (7, 0), (7, 8)):
            with self.assertRaisesRegex(ValueError, "is not inside whole = .10, 12."):
                cudrop.dropout(x, MASK.shard((10, 12), start))
        with self.assertRaisesRegex(ValueError, "not as many dimensions"):
            cudrop.dropout(x, MASK.shard((100,), (0,)))
        cudrop.dropout(x, MASK.shard((10, 12), (6, 7)))  # the last that is inside

    def test_shared_dimensions_are_dropped_together(self):
        x = np.ones((8, 16, 3, 5), np.float32)
        channels = cudrop.dropout(x, MASK.share(2, 3))
        np.testing.assert_array_equal(channels, channels[:, :, :1, :1] * x)
        np.testing.assert_array_equal(channels[:, :, 0, 0],
                                      cudrop.dropout(x[:, :, 0, 0], MASK))
        np.testing.assert_array_equal(channels, cudrop.dropout(x, MASK.share(-1, -2)))
        np.testing.assert_array_equal(channels, cudrop.dropout(x, MASK.share(2, 3, -2)))
        by_hand = cudrop.Mask(42, 3, 0.3, index_stride=(16, 1, 0, 0))
        np.testing.assert_array_equal(channels, cudrop.dropout(x, by_hand))
        half = MASK.share(2, 3).shard(x.shape, (4, 0, 0, 0))
        np.testing.assert_array_equal(channels[4:], cudrop.dropout(x[4:], half))

    def test_maps_that_contradict_each_other_are_refused(self):
        for wrong in ({"whole": (4,)}, {"start": (0,)}, {"whole": (4,), "start": (0, 0)},
                      {"index_stride": (1,), "shared": (0,)},
                      {"whole": (1,) * 9, "start": (0,) * 9},
                      {"index_base": 8, "shared": (0,)}):
            with self.assertRaises(ValueError):
                cudrop.Mask(1, 2, 0.5, **wrong)
        with self.assertRaisesRegex(ValueError, "shared has dimension 2 of 2"):
            cudrop.dropout(numbers(2, 2), MASK.share(2))


class Dropout(unittest.TestCase):
    def test_every_type_and_layout_is_the_formula(self):
        views = {"dense": lambda x: x, "transposed": lambda x: x.T, "reversed": lambda x: x[::-1],
                 "sliced": lambda x: x[1:, ::3], "empty": lambda x: x[:0],
                 "scalar": lambda x: x[0, 0, ...],
                 "repeated": lambda x: np.broadcast_to(x[:1], x.shape)}
        for dtype in (np.float32, np.float64, np.float16):
            for name, see in views.items():
                for p in (0, 0.3, 1):
                    with self.subTest(dtype=dtype, layout=name, p=p):
                        x = see(numbers(30, 24, dtype=dtype))
                        mask = cudrop.Mask(42, 3, p)
                        computed = np.float64 if dtype == np.float64 else np.float32
                        y = cudrop.dropout(x, mask)
                        np.testing.assert_array_equal(y, drop(x, mask, computed))
                        self.assertEqual(y.dtype, x.dtype)

    def test_bfloat16_and_float8_of_ml_dtypes_are_types(self):
        try:
            import ml_dtypes
        except ImportError:
            self.skipTest("there is no ml_dtypes")
        for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2):
            x = numbers(500).astype(dtype)
            y = cudrop.dropout(x, MASK)
            self.assertEqual(y.dtype, x.dtype)
            np.testing.assert_array_equal(y.astype(np.float32), drop(x, MASK).astype(np.float32))

    def test_backward_drops_what_forward_dropped(self):
        x, dy = numbers(7, 9), numbers(7, 9, seed=2)
        y, dx = cudrop.dropout(x, MASK), cudrop.dropout_backward(dy, MASK)
        np.testing.assert_array_equal(y == 0, dx == 0)
        np.testing.assert_array_equal(dx, drop(dy, MASK))
        total = x.copy()
        self.assertIs(cudrop.dropout_backward(dy, MASK, out=total, accumulate=True), total)
        np.testing.assert_array_equal(total, x + drop(dy, MASK))
        with self.assertRaisesRegex(ValueError, "out, which is not given"):
            cudrop.dropout_backward(dy, MASK, accumulate=True)

    def test_in_place_is_the_same(self):
        x = numbers(33, 5)
        y = cudrop.dropout(x, MASK)
        self.assertIs(cudrop.dropout(x, MASK, out=x), x)
        np.testing.assert_array_equal(x, y)

    def test_the_layout_of_a_new_output_is_that_of_the_input(self):
        self.assertTrue(cudrop.dropout(numbers(4, 6).T, MASK).flags.f_contiguous)

    def test_alpha_dropout_is_its_formula(self):
        x, alpha = numbers(40, 30), -1.7580993408473766
        a = ((1 - 0.3) * (1 + 0.3 * alpha**2)) ** -0.5
        keep = cudrop.export_bytes(MASK, np.empty(x.shape, bool))
        want = np.float32(a) * np.where(keep, x, np.float32(alpha)) + np.float32(-a * alpha * 0.3)
        np.testing.assert_allclose(cudrop.alpha_dropout(x, MASK), want, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(cudrop.alpha_dropout_backward(x, MASK),
                                      np.where(keep, np.float32(a) * x, np.float32(0)))

    def test_masks_go_out_and_come_in(self):
        x = numbers(9, 7)
        want = cudrop.dropout(x, MASK)
        keep = cudrop.export_bytes(MASK, np.empty(x.shape, bool))
        bits = cudrop.export_bits(MASK, x.shape)
        self.assertEqual(bits.shape, (8,))
        np.testing.assert_array_equal(np.packbits(keep, bitorder="little"), bits)
        np.testing.assert_array_equal(cudrop.apply_bytes(x, keep, 0.3), want)
        np.testing.assert_array_equal(cudrop.apply_bits(x, bits, 0.3), want)
        scale = cudrop.export_scale(MASK, np.empty_like(x))
        np.testing.assert_array_equal(x * scale, want)
        self.assertEqual(cudrop.count_kept(MASK, x.shape), int(keep.sum()))

    def test_threads_have_contexts_of_their_own(self):
        x = numbers(100_000)
        want, results = cudrop.dropout(x, MASK), {}

        def work(number):
            cudrop.set_threads(number + 1)
            results[number] = cudrop.dropout(x, MASK)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(4):
            np.testing.assert_array_equal(results[number], want)


if __name__ == "__main__":
    unittest.main()
