"""Models of transformers and timm, small and with random weights, trained with cudrop's dropout."""
import contextlib
import math
import unittest
from unittest import mock

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")
if not hasattr(torch.library, "register_vmap"):
    raise unittest.SkipTest(f"PyTorch {torch.__version__} has no vmap of operators: it takes 2.5")
try:
    import transformers
except ImportError:
    transformers = None
try:
    import timm
    from timm.layers import drop as timm_drop
except ImportError:
    timm = None
if transformers is None and timm is None:
    raise unittest.SkipTest("there is no transformers, and there is no timm")

import cudrop.torch
from test_torch_dropin import count

P = 0.2
STEPS, COMPILED_STEPS = 20, 4
BACKEND = "aot_eager"  # traces as inductor does, and takes no minutes to compile
WORDS, TOKENS, BATCH, IMAGE = 50, 16, 4, 32


def seeded(*shape, below=WORDS):
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(3))


def make_gpt2(attention):
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_positions=TOKENS, n_embd=32, n_layer=2, n_head=2, resid_pdrop=P,
        embd_pdrop=P, attn_pdrop=P, bos_token_id=0, eos_token_id=0, use_cache=False,
        attn_implementation=attention)
    return transformers.GPT2LMHeadModel(config)


def make_bert(attention):
    config = transformers.BertConfig(
        vocab_size=WORDS, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=TOKENS, hidden_dropout_prob=P,
        attention_probs_dropout_prob=P, attn_implementation=attention)
    return transformers.BertForMaskedLM(config)


def make_vit(attention):
    model = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, img_size=IMAGE, patch_size=8, embed_dim=32,
        depth=2, num_heads=2, num_classes=10, drop_rate=P, proj_drop_rate=P, attn_drop_rate=P,
        drop_path_rate=P, pos_drop_rate=P)
    for block in model.blocks:  # sdpa or a matrix of weights
        block.attn.fused_attn = attention == "sdpa"
    return model


def language_loss(model, padded=False):
    ids = seeded(BATCH, TOKENS)
    if not padded:
        return model(input_ids=ids, labels=ids).loss
    seen = torch.arange(TOKENS) < torch.tensor([[TOKENS], [5], [12], [9]])
    return model(input_ids=ids, labels=ids.where(seen, -100), attention_mask=seen.long()).loss


def image_loss(model, padded=False):
    assert not padded
    images = torch.randn(BATCH, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(3))
    return functional.cross_entropy(model(images), seeded(BATCH, below=10))


def checkpoint_transformers(model):
    model.gradient_checkpointing_enable({"use_reentrant": False})


def checkpoint_timm(model):
    model.set_grad_checkpointing(True)


def scale_of(like, p):
    """The mask that cudrop draws for a tensor, as numbers to multiply by: cudrop of ones."""
    mask, state = cudrop.torch._generators.draw_mask(like, p)
    return cudrop.torch.dropout(torch.ones_like(like), mask, state).detach()


def plain_dropout(x, p=0.5, training=True, inplace=False):
    return x * scale_of(x, p) if training and p != 0 else x


def plain_drop_path(x, drop_prob=0.0, training=False, scale_by_keep=True):
    assert scale_by_keep
    if not training or drop_prob == 0:
        return x
    return x * scale_of(x.new_ones(x.shape[:1] + (1,) * (x.dim() - 1)), drop_prob)


@contextlib.contextmanager
def plain_pytorch():
    """Where PyTorch's and timm's functions multiply by a mask of cudrop's, in plain operations."""
    with mock.patch.object(functional, "dropout", plain_dropout):
        if timm is None:
            yield
            return
        with mock.patch.object(timm_drop, "drop_path", plain_drop_path):
            yield


class Checks:
    """What holds of each model; a class below says which."""

    modules = 0  # that replace_dropout() finds
    paths = 0  # of them DropPaths, which an override does not reach
    masks = {}  # by attention, that a step draws with replace_dropout() and with an override
    paddings = (False, True)

    def make(self, attention="eager", replace=False):
        torch.manual_seed(1)
        model = self.build(attention).train()
        if replace:
            self.assertEqual(cudrop.torch.replace_dropout(model), self.modules)
        return model

    def train(self, model, steps, compiled=False):
        step = lambda: self.loss(model)
        if compiled:
            step = torch.compile(step, backend=BACKEND)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        torch.manual_seed(2)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = step()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        self.assertTrue(all(map(math.isfinite, losses)), losses)
        return losses

    def differentiate(self, model, seed=2, **options):
        """The loss and all gradients of a step."""
        model.zero_grad()
        torch.manual_seed(seed)
        loss = self.loss(model, **options)
        loss.backward()
        return [loss.detach(), *(each.grad.clone() for each in model.parameters()
                                 if each.grad is not None)]

    def assert_near(self, got, want, rtol=1e-5):
        """That every tensor is near, by the largest element of it or 1e-3 of the largest of all."""
        self.assertEqual(len(got), len(want))
        least = 1e-3 * max(each.abs().max() for each in want[1:])
        for mine, theirs in zip(got, want):
            far = (mine - theirs).abs().max() / torch.maximum(theirs.abs().max(), least)
            self.assertLess(far.item(), rtol)

    def test_all_sites_are_replaced_and_draw(self):
        for attention, (replaced, overridden) in self.masks.items():
            with self.subTest(attention=attention):
                model = self.make(attention)
                self.assertEqual(count(lambda: self.loss(model)), 0)
                with cudrop.torch.override_dropout():
                    self.assertEqual(count(lambda: self.loss(model)), overridden - self.paths)
                    cudrop.torch.replace_dropout(model)
                    self.assertEqual(count(lambda: self.loss(model)), overridden)
                self.assertEqual(count(lambda: self.loss(model)), replaced)

    def test_evaluation_is_to_the_bit_what_it_was(self):
        for attention in self.masks:
            with torch.no_grad():
                want = self.loss(self.make(attention).eval())
                model = self.make(attention, replace=True).eval()
                self.assertTrue(torch.equal(self.loss(model), want))
                with cudrop.torch.override_dropout():
                    self.assertTrue(torch.equal(self.loss(model), want))

    def test_losses_fall(self):
        for attention in self.masks:
            for override in (False, True):
                with self.subTest(attention=attention, override=override):
                    model = self.make(attention, replace=True)
                    with cudrop.torch.override_dropout() if override else contextlib.nullcontext():
                        losses = self.train(model, STEPS)
                    self.assertLess(sum(losses[-5:]), sum(losses[:5]))

    def test_compiled_steps_are_those_of_eager_mode(self):
        for attention in self.masks:
            with self.subTest(attention=attention), cudrop.torch.override_dropout():
                want = self.train(self.make(attention, replace=True), COMPILED_STEPS)
                got = self.train(self.make(attention, replace=True), COMPILED_STEPS, compiled=True)
                self.assertGreater(len(set(got)), 1)
                for mine, theirs in zip(got, want):
                    self.assertAlmostEqual(mine, theirs, delta=1e-5 * theirs)

    def test_checkpointing_gives_the_same_gradients(self):
        for attention in self.masks:
            with self.subTest(attention=attention), cudrop.torch.override_dropout():
                model = self.make(attention, replace=True)
                want = self.differentiate(model)
                self.checkpoint(model)
                calls = count(lambda: self.loss(model).backward())
                self.assertGreater(calls, self.masks[attention][1])  # it does compute again
                self.assertTrue(all(map(torch.equal, self.differentiate(model), want)))
                self.train(model, STEPS)

    def test_gradients_are_those_of_plain_pytorch_with_the_same_masks(self):
        for attention, (_, masks) in self.masks.items():
            for padded in self.paddings:
                with self.subTest(attention=attention, padded=padded):
                    self.compare_with_plain_pytorch(attention, masks, padded)

    def compare_with_plain_pytorch(self, attention, masks, padded):
        plain = self.make()
        with plain_pytorch():
            self.assertEqual(count(lambda: self.loss(plain, padded=padded)), masks)
            want = self.differentiate(plain, padded=padded)
            other = self.differentiate(plain, seed=3, padded=padded)
        with cudrop.torch.override_dropout():
            got = self.differentiate(self.make(attention, replace=True), padded=padded)
        self.assert_near(got, want)
        with self.assertRaises(AssertionError):
            self.assert_near(got, other)
        with self.assertRaises(AssertionError):  # PyTorch's own masks
            self.assert_near(got, self.differentiate(self.make(), padded=padded))


@unittest.skipIf(transformers is None, "there is no transformers")
class GPT2(Checks, unittest.TestCase):
    build, loss = staticmethod(make_gpt2), staticmethod(language_loss)
    checkpoint = staticmethod(checkpoint_transformers)
    modules = 7
    masks = {"eager": (5, 7), "sdpa": (5, 7)}


@unittest.skipIf(transformers is None, "there is no transformers")
class Bert(Checks, unittest.TestCase):
    build, loss = staticmethod(make_bert), staticmethod(language_loss)
    checkpoint = staticmethod(checkpoint_transformers)
    modules = 7
    masks = {"eager": (5, 7), "sdpa": (5, 7)}


@unittest.skipIf(timm is None, "there is no timm")
class ViT(Checks, unittest.TestCase):
    build, loss = staticmethod(make_vit), staticmethod(image_loss)
    checkpoint = staticmethod(checkpoint_timm)
    modules, paths = 12, 2
    masks = {"eager": (12, 12), "sdpa": (10, 12)}
    paddings = (False,)


if __name__ == "__main__":
    unittest.main()
