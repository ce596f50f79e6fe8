"""What is refused before the library is called, and how what the library refuses is said."""
import pickle
import unittest

import numpy as np

import cudrop
from test_numpy import MASK, numbers


class Refusals(unittest.TestCase):
    def refuse(self, kind, text, call, *arguments, **named):
        with self.assertRaisesRegex(kind, text):
            call(*arguments, **named)

    def test_the_library_says_what_is_wrong(self):
        x = numbers(4, 6)
        with self.assertRaises(cudrop.Error) as caught:
            cudrop.apply_bytes(x, np.ones(x.shape, bool), 1.5)
        self.assertEqual(caught.exception.status, cudrop.Status.ERROR_INVALID_ARGUMENT)
        self.assertEqual(caught.exception.detail, "cudrop_apply_bytes: p = 1.5 is outside [0, 1]")
        self.assertEqual(str(pickle.loads(pickle.dumps(caught.exception))), str(caught.exception))
        for status, arguments in ((cudrop.Status.ERROR_SHAPE, (x, MASK, numbers(6, 4))),
                                  (cudrop.Status.ERROR_DTYPE, (x, MASK, x.astype(np.float64))),
                                  (cudrop.Status.ERROR_OVERLAP, (x[:, :4], MASK, x[:, 1:5]))):
            with self.assertRaises(cudrop.Error) as caught:
                cudrop.dropout(*arguments)
            self.assertEqual(caught.exception.status, status)

    def test_what_is_no_array_is_refused(self):
        self.refuse(TypeError, "x is a list, and not an array", cudrop.dropout, [1.0], MASK,
                    numbers(1))
        for wrong in ([1.0], 1.0):
            self.refuse(TypeError, "x is a (list|float), and not an", cudrop.dropout, wrong, MASK)
            self.refuse(TypeError, "x is a (list|float), and not an", cudrop.fused, wrong)
            self.refuse(TypeError, "dy is a (list|float), and not", cudrop.fused_backward, wrong)
        self.refuse(TypeError, "out is a float, and not an array", cudrop.dropout, numbers(1),
                    MASK, 1.0)

    def test_what_is_no_mask_is_refused(self):
        x = numbers(4)
        for call in (cudrop.dropout, cudrop.fused):
            self.refuse(TypeError, "mask is a float, and not a cudrop.Mask", call, x, mask=0.5)
        for p in (-0.1, 1.5, float("nan")):
            self.refuse(ValueError, "p = .* is outside", cudrop.Mask, 1, 2, p)
        for wrong in ({"shared": 1}, {"shared": True}, {"whole": [4], "start": [0]}):
            self.refuse(TypeError, "is not a tuple", cudrop.Mask, 1, 2, 0.5, **wrong)

    def test_choices_are_listed(self):
        x = numbers(4)
        self.refuse(ValueError, "'gelu' is not a valid Activation: it is one of "
                    "Activation.IDENTITY, Activation.RELU, Activation.GELU, Activation.GELU_TANH, "
                    "Activation.SILU$", cudrop.fused, x, activation="gelu")
        self.refuse(ValueError, "9 is not a valid Norm: it is one of Norm.LAYER_NORM, "
                    "Norm.RMS_NORM$", lambda: cudrop.norm(x, kind=9))
        self.refuse(ValueError, "'last' is not a valid Causal: it is one of Causal.NOT_CAUSAL, "
                    "Causal.CAUSAL, Causal.CAUSAL_LAST$", cudrop.attention, numbers(4, 4),
                    cudrop.Attention(causal="last"))

    def test_numbers_of_the_wrong_kind_are_refused_by_name(self):
        x, ids = numbers(4, 6), np.zeros((2, 3), np.int32)
        for name in ("seed", "offset", "index_base"):
            self.refuse(TypeError, f"{name} = 1.5 is a float, and not an integer", cudrop.Mask,
                        **{"seed": 1, "offset": 0, "p": 0.5, name: 1.5})
        self.refuse(TypeError, "step = None is a NoneType, and not an integer", cudrop.offset, None)
        self.refuse(TypeError, "id = '3' is a str, and not an integer", cudrop.child_seed, 1, "3")
        self.refuse(TypeError, "shape = 2.5 is a float, and not an", cudrop.count_kept, MASK,
                    (2.5,))
        self.refuse(TypeError, "threads = 2.0 is a float, and not an", cudrop.set_threads, 2.0)
        self.refuse(TypeError, "query_offset = 0.5 is a float, and not an", cudrop.attention, x,
                    cudrop.Attention(causal=True, query_offset=0.5))
        self.refuse(TypeError, "vocabulary = 9.0 is a float, and not an", cudrop.embedding_backward,
                    ids, numbers(2, 3, 4), vocabulary=9.0, dtokens=numbers(9, 4))
        for wrong in ("0.5", None, [0.5]):
            text = "p = .* is a (str|NoneType|list), and not a number"
            self.refuse(TypeError, text, cudrop.Mask, 1, 2, wrong)
            self.refuse(TypeError, text, cudrop.apply_bytes, x, np.ones(x.shape, bool), wrong)
            self.refuse(TypeError, text, cudrop.apply_bits, x, np.ones(3, np.uint8), wrong)
        self.refuse(TypeError, "epsilon = '1' is a str, and not a number", cudrop.norm, x,
                    epsilon="1")
        self.refuse(TypeError, "scale = 'x' is a str, and not a number", cudrop.attention, x,
                    cudrop.Attention(scale="x"))

    def test_integers_of_16_bits_are_refused_with_the_types_that_are_right(self):
        ids, text = np.zeros((2, 3), np.int16), "ids and lengths are int32 or int64"
        self.refuse(TypeError, f"ids has dtype int16, .*: {text}", cudrop.embedding, ids,
                    numbers(9, 4))
        self.refuse(TypeError, f"lengths has dtype int16, .*: {text}",
                    cudrop.attention, numbers(2, 4, 6), cudrop.Attention(lengths=ids[:, 0]))

    def test_all_names_are_listed(self):
        imported = {name for name, value in vars(cudrop).items()
                    if getattr(value, "__module__", "").startswith("cudrop.")}
        self.assertEqual(set(cudrop.__all__), imported)

    def test_missing_elements_are_refused(self):
        self.refuse(TypeError, "x has a mask of missing elements", cudrop.dropout,
                    np.ma.masked_less(numbers(4), 0), MASK)

    def test_types_that_the_library_lacks_are_refused(self):
        for dtype in (np.int16, np.complex64, ">f4", "O", "U3"):
            self.refuse(TypeError, "x has dtype .*, which cudrop does not have", cudrop.dropout,
                        np.zeros(4, dtype), MASK)

    def test_read_only_outputs_are_refused(self):
        x, out = numbers(4), np.zeros(4, np.float32)
        out.flags.writeable = False
        self.refuse(ValueError, "out is an output, and read-only", cudrop.dropout, x, MASK, out)
        np.testing.assert_array_equal(cudrop.dropout(out, MASK), out)  # as an input it will do

    def test_strides_between_elements_are_refused(self):
        records = np.zeros(4, [("a", "u1"), ("b", "<f4")])
        self.refuse(TypeError, "not whole elements", cudrop.dropout, records["b"], MASK)
        self.refuse(ValueError, "9 dimensions", cudrop.dropout, numbers(*(1,) * 9), MASK)

    def test_bits_are_of_the_right_size(self):
        x, text = numbers(9, 7), "bits is not a dense vector of 8 uint8"
        for wrong in (np.zeros(7, np.uint8), np.zeros(9, np.uint8), np.zeros((2, 4), np.uint8),
                      np.zeros(16, np.uint8)[::2], np.zeros(8, np.float32)):
            self.refuse(ValueError, text, cudrop.apply_bits, x, wrong, 0.3)
        self.refuse(ValueError, "out is not a dense", cudrop.export_bits, MASK, (64,),
                    np.zeros(7, np.uint8))


if __name__ == "__main__":
    unittest.main()
