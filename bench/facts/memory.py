#!/usr/bin/env python3
"""memory.py DEVICE [BATCH] - what PyTorch keeps of its masks in a step of GPT-2 124M.

The dropouts of GPT-2 124M, T = 1024, 37 a step: embedding, attention weights and two shortcuts a
layer, 12 layers. Tensors that autograd keeps are counted by their sizes, storage by storage. On
`cpu` the batch is 1 unless said otherwise, and 8 on `cuda`; masks grow with it.
"""
import torch

from command import read_command

LAYERS, HEADS, WIDTH, TIME = 12, 12, 768, 1024


def count_site(device, shape):
    """Bytes kept by one dropout whose input needs a gradient, beyond its output and input."""
    kept = {}

    def pack(tensor):
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    x = torch.ones(shape, device=device, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        torch.nn.functional.dropout(x, 0.1)
    kept.pop(x.data_ptr(), None)
    return sum(kept.values())


def main():
    arguments = read_command(__doc__, "batch")
    device = arguments.device
    batch = arguments.batch or (8 if device == "cuda" else 1)
    tokens, weights = (batch, TIME, WIDTH), (batch, HEADS, TIME, TIME)
    print(f"PyTorch {torch.__version__}, {device}, batch {batch}, float32")
    of_tokens, of_weights = count_site(device, tokens), count_site(device, weights)
    elements = (1 + 2 * LAYERS) * batch * TIME * WIDTH + LAYERS * batch * HEADS * TIME * TIME
    total = (1 + 2 * LAYERS) * of_tokens + LAYERS * of_weights
    print(f"a site of tokens [B, T, C]: {of_tokens} bytes; of weights [B, H, T, T]: {of_weights}")
    print(f"37 sites: {total} bytes, {total / elements:.2f} an element; "
          f"for a batch of 8: {8 * total // batch}")
    print(f"cudrop: {37 * 16} bytes, a seed and an offset for each site")
    print("seen: masks are kept" if total else "not seen: no mask is kept")


if __name__ == "__main__":
    main()
