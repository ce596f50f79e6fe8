"""with_torch.py - PyTorch's dropout and what stands around it, eager and compiled."""
import statistics
from dataclasses import replace

from peer import Missing, Result, look_at, measure_host_peak, take_module, time_steps


def make_tensors(torch, task):
    """The inputs that have gradients, and the gradients that come in."""
    device = "cuda" if task.backend == "cuda" else "cpu"
    dtype = {"F32": torch.float32, "BF16": torch.bfloat16}[task.dtype]

    def make(*shape):
        return (torch.rand(*shape, device=device) + 0.5).to(dtype)

    if task.is_attend:
        tensors = [torch.randn(1, *task.shape, device=device).to(dtype) for _ in range(4)]
        return [tensor.requires_grad_() for tensor in tensors[:3]], tensors[3:], make
    inputs = {"dropout": 1, "fused": 2, "norm": 5, "attention": 1}[task.operator]
    shapes = [task.shape, task.shape[-1:], task.shape, task.shape[-1:], task.shape[-1:]]
    tensors = [make(*shape).requires_grad_() for shape in shapes[:inputs]]
    gradients = [make(*task.shape) for _ in range(2 if task.operator == "norm" else 1)]
    return tensors, gradients, make


def make_function(torch, task, make):
    functional = torch.nn.functional
    p = task.p
    if task.operator == "dropout":
        return lambda x: (functional.dropout(x, p, True),)
    if task.operator == "fused":
        residual = make(*task.shape)
        return lambda x, bias: (
            residual + functional.dropout(functional.gelu(x + bias), p, True),)
    if task.operator == "norm":
        def norm(x, bias, residual, gamma, beta):
            h = residual + functional.dropout(x + bias, p, True)
            return functional.layer_norm(h, h.shape[-1:], gamma, beta), h
        return norm
    if task.is_attend:
        is_causal = task.operator == "attend_causal"
        return lambda q, k, v: (functional.scaled_dot_product_attention(
            q, k, v, dropout_p=p, is_causal=is_causal),)
    queries, keys = task.shape[1:]
    unseen = torch.ones(queries, keys, dtype=torch.bool, device=make(1).device).triu(
        1 + keys - queries)
    return lambda scores: (functional.dropout(torch.softmax(
        (scores * 0.125).masked_fill(unseen, -torch.inf), -1), p, True),)


def count_saved(torch, function, tensors):
    """Bytes that autograd keeps, each storage once; what is a parameter's or an input's, too."""
    storages = {}

    def pack(tensor):
        if tensor.dtype.is_floating_point or tensor.numel() > 1:
            storages[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = function(*tensors)
    return outputs, sum(storages.values())


class Step:
    def __init__(self, torch, task, compiles):
        self.tensors, self.gradients, make = make_tensors(torch, task)
        function = make_function(torch, task, make)
        self.function = torch.compile(function) if compiles else function
        self.torch = torch
        self.outputs = self.grads = None

    def forward(self):
        self.outputs = self.function(*self.tensors)

    def backward(self):
        self.grads = self.torch.autograd.grad(self.outputs, self.tensors, self.gradients)

    def both(self):
        self.forward()
        self.backward()

    def count_kept(self, task):
        # Of attention the result itself, whose weights are none of them zero where it sees.
        looked_at = self.outputs[0] if task.operator == "attention" else self.grads[0]
        return float((looked_at != 0).double().mean()) / task.visible_share


def time_on_gpu(torch, repeats, forward, backward):
    """Median nanoseconds of both, between events; ten steps are asked for before the first ends."""
    steps = 10
    times = ([], [])
    for _ in range(repeats):
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2 * steps + 1)]
        events[0].record()
        for k, event in enumerate(events[1:]):
            (backward if k % 2 else forward)()
            event.record()
        events[-1].synchronize()
        for k in range(2 * steps):
            times[k % 2].append(events[k].elapsed_time(events[k + 1]) * 1e6)
    return [statistics.median(series) for series in times]


def measure_peak(torch, step):
    torch.cuda.synchronize()
    step.outputs = step.grads = None
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step.both()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def count_window(torch, step, task):
    """The share of kept weights of attend: what is not 0, with a window of the identity for V."""
    q, k, v = (tensor.detach() for tensor in step.tensors)
    _, tokens, columns = task.shape
    keys = min(tokens // 2, columns)  # of the window
    window = torch.eye(tokens, columns, dtype=v.dtype, device=v.device)
    outputs = step.function(q, k, window.expand_as(v).contiguous())[0]
    # If causal, the later half of the queries sees all of the window.
    outputs = outputs[..., tokens // 2:, :keys]
    return float((outputs != 0).double().mean())


def run(task, compiles):
    torch = take_module("torch")
    if task.backend == "cuda" and not torch.cuda.is_available():
        raise Missing("PyTorch sees no GPU")
    if compiles and not hasattr(torch, "compile"):
        raise Missing(f"PyTorch {torch.__version__} has no torch.compile")
    torch.set_num_threads(task.threads)
    torch.manual_seed(42)
    step = Step(torch, task, compiles)
    step.both()
    look_at(task, count_window(torch, step, task) if task.is_attend else step.count_kept(task))
    step.outputs, saved = count_saved(torch, step.function, step.tensors)
    if task.backend == "cuda":
        times = time_on_gpu(torch, task.repeats, step.forward, step.backward)
        return Result(*times, saved, measure_peak(torch, step))
    peak = None
    if task.is_attend:
        step.outputs = step.grads = None
        peak = measure_host_peak(step.both)
        made = 4 * step.tensors[0].numel() * step.tensors[0].element_size()  # o, dq, dk, dv
        peak = None if peak is None else max(0, peak - made)
    return Result(*time_steps(task.repeats, step.forward, step.backward), saved, peak)


def run_without_dropout(task):
    """What PyTorch's attention takes where nothing is dropped."""
    return run(replace(task, p=0.0), False)


def list_peers(task):
    peers = [("PyTorch", lambda task: run(task, False)),
             ("torch.compile", lambda task: run(task, True))]
    return peers + ([("PyTorch, p = 0", run_without_dropout)] if task.is_attend else [])
