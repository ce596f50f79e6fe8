"""Dropout and its neighbours in a transformer, each in one pass: sections 12 to 17.

The headers have the formulas. Everywhere `mask=None` keeps every element (inference), arguments
that are None are off, and an output may be given, or be True: made like the first array, or False:
left out; what is added to (accumulate_...) is given or left out. A workspace, where one is needed,
is allocated by the call. A row is the last dimension, and dense: its stride is 1. Attention by keep
bits, the count of ids that are out of range and prepared masks are left to C.
"""
from typing import Any, NamedTuple, Optional, Union

from . import _structs
from ._arrays import require_array
from ._rows import Call, made, require_given
from ._structs import Accumulate, Activation, Causal, DType, Norm
from .mask import Mask, require_int, require_number

Array = Any


def _accumulates(data: bool, parameters: bool) -> int:
    return (Accumulate.DATA if data else 0) | (Accumulate.PARAMETERS if parameters else 0)


# ---- 13. Bias, activation, dropout and residual -------------------------------------------


def fused(x: Array, *, bias=None, activation: Activation = Activation.IDENTITY,
          mask: Optional[Mask] = None, residual=None, y=True) -> Array:
    """y = residual + drop(act(x + bias))"""
    require_array(x, "x")
    y = made(y, x)
    call = Call("cudrop_fused_forward", _structs.FusedForward)
    call.read(x=x, residual=residual)
    call.write(y=y)
    call.share("fused", _structs.Fused(activation=Activation(activation)), mask, "x", bias=bias)
    call.run()
    return y


class FusedGradients(NamedTuple):
    """What fused_backward() returns; the residual's gradient is dy itself."""

    dx: Array
    dbias: Array


def fused_backward(dy: Array, *, x=None, bias=None,
                   activation: Activation = Activation.IDENTITY, mask: Optional[Mask] = None,
                   dx=True, dbias=True, accumulate_data: bool = False,
                   accumulate_parameters: bool = False) -> FusedGradients:
    """dx = act'(x + bias) * drop(dy), dbias = its sum over all rows

    x and bias are those of fused(), and needed for an activation alone. A dbias that is made has
    bias's type, or without a bias dy's.
    """
    require_array(dy, "dy")
    require_given(accumulate_data, dx=dx)
    require_given(accumulate_parameters, dbias=dbias)
    dx = made(dx, dy)
    dbias = made(dbias, dy if bias is None else bias, dy.shape[-1:])
    call = Call("cudrop_fused_backward", _structs.FusedBackward)
    call.read(dy=dy, x=x)
    call.write(dx=dx, dbias=dbias)
    call.share("fused", _structs.Fused(activation=Activation(activation)), mask, "dy", bias=bias)
    call.set(accumulate=_accumulates(accumulate_data, accumulate_parameters))
    call.run(like=None if dbias is None else dy)
    return FusedGradients(dx, dbias)


# ---- 14. Bias, dropout, residual and a norm -----------------------------------------------


class NormResult(NamedTuple):
    """What norm() returns; h, mean and rstd are what norm_backward() needs."""

    y: Array
    h: Array
    mean: Array
    rstd: Array


def norm(x: Array, *, bias=None, mask: Optional[Mask] = None, residual=None,
         kind: Norm = Norm.LAYER_NORM, gamma=None, beta=None, epsilon: float = 1e-5, y=True,
         h=True, mean=True, rstd=True) -> NormResult:
    """h = residual + drop(x + bias), y = LayerNorm(h) or RMSNorm(h); mean and rstd are F32, and
    RMSNorm has no mean."""
    require_array(x, "x")
    y, h = made(y, x), made(h, x)
    mean = made(mean and kind == Norm.LAYER_NORM if mean is True else mean, x, x.shape[:-1],
                DType.F32)
    rstd = made(rstd, x, x.shape[:-1], DType.F32)
    call = Call("cudrop_norm_forward", _structs.NormForward)
    call.read(x=x, residual=residual)
    call.write(h=h, y=y, mean=mean, rstd=rstd)
    struct = _structs.NormStruct(kind=Norm(kind), epsilon=require_number("epsilon", epsilon))
    call.share("norm", struct, mask, "x", bias=bias, gamma=gamma, beta=beta)
    call.run()
    return NormResult(y, h, mean, rstd)


class NormGradients(NamedTuple):
    """What norm_backward() returns."""

    dx: Array
    dresidual: Array
    dbias: Array
    dgamma: Array
    dbeta: Array


def norm_backward(dy: Array, *, h, rstd, mean=None, dh=None, gamma=None,
                  kind: Norm = Norm.LAYER_NORM, mask: Optional[Mask] = None, dx=True,
                  dresidual=True, dbias=True, dgamma=True, dbeta=True,
                  accumulate_data: bool = False,
                  accumulate_parameters: bool = False) -> NormGradients:
    """The gradients of all that went into norm(), from dy and the dh of the next residual.

    Those of parameters that are made have gamma's type, or without a gamma dy's.
    """
    require_array(dy, "dy")
    require_given(accumulate_data, dx=dx, dresidual=dresidual)
    require_given(accumulate_parameters, dbias=dbias, dgamma=dgamma, dbeta=dbeta)
    like, cols = dy if gamma is None else gamma, dy.shape[-1:]
    data = {"dx": made(dx, dy), "dresidual": made(dresidual, dy)}
    parameters = {"dbias": made(dbias, like, cols), "dgamma": made(dgamma, like, cols),
                  "dbeta": made(dbeta, like, cols)}
    call = Call("cudrop_norm_backward", _structs.NormBackward)
    call.read(dy=dy, dh=dh, h=h, mean=mean, rstd=rstd)
    call.write(**data, **parameters)
    call.share("norm", _structs.NormStruct(kind=Norm(kind)), mask, "dy", gamma=gamma)
    call.set(accumulate=_accumulates(accumulate_data, accumulate_parameters))
    call.run(like=dy)
    return NormGradients(**data, **parameters)


# ---- 15. Attention weights ----------------------------------------------------------------


class Attention(NamedTuple):
    """Who sees whom, and what is dropped: what attention() and its gradient share.

    scale         by which scores are multiplied before the softmax
    causal        whether query q sees the keys up to q + query_offset alone; CAUSAL_LAST has
                  keys - queries for the offset, so that the last query sees all keys
    query_offset  how many keys come before the first query, as those of a cache
    window        if causal, how many keys a query sees at most, the last of which is its own; 0: all
    lengths       how many keys are seen, an int32 or int64 for each sequence, of the shape that the
                  first dimensions have, one or more of them; None: all
    mask          of the weights, [..., queries, keys]
    """

    scale: float = 1.0
    causal: Union[Causal, bool] = Causal.NOT_CAUSAL
    query_offset: int = 0
    window: int = 0
    lengths: Optional[Array] = None
    mask: Optional[Mask] = None


def _share_attention(call: Call, options: Attention, full) -> None:
    struct = _structs.Attention(scale=require_number("scale", options.scale),
                                causal=Causal(options.causal),
                                query_offset=require_int("query_offset", options.query_offset),
                                window=require_int("window", options.window))
    call.share("attention", struct, options.mask, full, lengths=options.lengths)


def _run_attention(name: str, structure, full: str, inputs, outputs,
                   options: Attention) -> None:
    call = Call(name, structure)
    call.read(**inputs)
    call.write(**outputs)
    _share_attention(call, options, full)
    call.run()


class AttentionResult(NamedTuple):
    """What attention() returns; weights are what backward needs, and y is theirs, dropped."""

    y: Array
    weights: Array


def attention(scores: Array, options: Attention, *, weights=True, y=True) -> AttentionResult:
    """P = softmax(scale * scores), y = drop(P), over [..., queries, keys]

    Weights of keys that are not seen are 0 where they are made, and where they are given what was
    there: the library does not write them, nor read them in backward.
    """
    has_unseen = weights is True and (options.causal or options.lengths is not None)
    weights, y = made(weights, scores), made(y, scores)
    if has_unseen:
        weights[...] = 0
    _run_attention("cudrop_attention_forward", _structs.AttentionForward, "scores",
                   {"scores": scores}, {"weights": weights, "y": y}, options)
    return AttentionResult(y, weights)


def attention_reapply(weights: Array, options: Attention, *, y=True) -> Array:
    """The y of attention() from its weights, so that only they need be kept."""
    y = made(y, weights)
    _run_attention("cudrop_attention_reapply", _structs.AttentionReapply, "weights",
                   {"weights": weights}, {"y": y}, options)
    return y


def attention_backward(dy: Array, weights: Array, options: Attention, *, dscores=True) -> Array:
    """The gradient of scores, with the weights and the options of attention()."""
    dscores = made(dscores, dy)
    _run_attention("cudrop_attention_backward", _structs.AttentionBackward, "dy",
                   {"dy": dy, "weights": weights}, {"dscores": dscores}, options)
    return dscores


# ---- 16. Embedding ------------------------------------------------------------------------


def embedding(ids: Array, tokens: Array, *, positions=None, mask: Optional[Mask] = None,
              y=True) -> Array:
    """y = drop(tokens[id] + positions[t]), a row for each id, an int32 or int64; one that is out of
    range, such as -1 for padding, gives zeros. positions has a row for each t, the last dimension
    of ids."""
    y = made(y, tokens, tuple(ids.shape) + tuple(tokens.shape[-1:]))
    call = Call("cudrop_embedding_forward", _structs.EmbeddingForward)
    call.read(ids=ids, tokens=tokens, positions=positions)
    call.write(y=y)
    call.set_mask(mask, "y")
    call.run()
    return y


class EmbeddingGradients(NamedTuple):
    """What embedding_backward() returns."""

    dtokens: Array
    dpositions: Array


def embedding_backward(ids: Array, dy: Array, *, vocabulary: int = 0,
                       mask: Optional[Mask] = None, dtokens=True, dpositions=True,
                       accumulate_parameters: bool = False) -> EmbeddingGradients:
    """The sums of drop(dy) by id and by position; a dtokens that is made has `vocabulary` rows."""
    require_given(accumulate_parameters, dtokens=dtokens, dpositions=dpositions)
    if dtokens is True and not vocabulary:
        raise ValueError("dtokens has as many rows as the vocabulary: give vocabulary, or dtokens")
    cols = tuple(dy.shape[-1:])
    dtokens = made(dtokens, dy, (vocabulary,) + cols)
    dpositions = made(dpositions, dy, tuple(ids.shape[-1:]) + cols)
    call = Call("cudrop_embedding_backward", _structs.EmbeddingBackward)
    call.read(ids=ids, dy=dy)
    call.write(dtokens=dtokens, dpositions=dpositions)
    call.set_mask(mask, "dy")
    call.set(vocabulary=require_int("vocabulary", vocabulary),
             accumulate=_accumulates(False, accumulate_parameters))
    call.run(like=dy)
    return EmbeddingGradients(dtokens, dpositions)


# ---- 17. Attention ------------------------------------------------------------------------


def _share_attend(call: Call, options: Attention, q: Array, k: Array) -> None:
    _share_attention(call, options, tuple(q.shape[:-1]) + tuple(k.shape[-2:-1]))


class AttendResult(NamedTuple):
    """What attend() returns; backward needs both."""

    o: Array
    lse: Array


def attend(q: Array, k: Array, v: Array, options: Attention, *, o=True, lse=True) -> AttendResult:
    """O = drop(softmax(scale * Q K^T)) V, without a matrix of weights in memory

    q is [..., heads, queries, D]; k and v are [..., shared heads, keys, D], where the shared heads
    divide the heads; D is a multiple of 8 up to 256. `options` are those of attention() for scores
    of the shape [..., heads, queries, keys]. lse is float32, [..., heads, queries].
    """
    require_array(q, "q")
    require_array(k, "k")
    o, lse = made(o, q), made(lse, q, tuple(q.shape[:-1]), DType.F32)
    call = Call("cudrop_attend_forward", _structs.AttendForward)
    call.read(q=q, k=k, v=v)
    call.write(o=o, lse=lse)
    _share_attend(call, options, q, k)
    call.run()
    return AttendResult(o, lse)


class AttendGradients(NamedTuple):
    """What attend_backward() returns."""

    dq: Array
    dk: Array
    dv: Array


def attend_backward(dout: Array, q: Array, k: Array, v: Array, o: Array, lse: Array,
                    options: Attention, *, dq=True, dk=True, dv=True,
                    accumulate_data: bool = False) -> AttendGradients:
    """The gradients of q, k and v, with the inputs, the results and the options of attend()"""
    require_array(q, "q")
    require_array(k, "k")
    require_given(accumulate_data, dq=dq, dk=dk, dv=dv)
    dq, dk, dv = made(dq, q), made(dk, k), made(dv, v)
    call = Call("cudrop_attend_backward", _structs.AttendBackward)
    call.read(q=q, k=k, v=v, o=o, lse=lse, dout=dout)
    call.write(dq=dq, dk=dk, dv=dv)
    _share_attend(call, options, q, k)
    call.set(accumulate=_accumulates(accumulate_data, False))
    call.run(like=q, leader="q")
    return AttendGradients(dq, dk, dv)
