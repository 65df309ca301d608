"""Arithmetic that methods share. Every function works under `torch.vmap` and `torch.func.grad`.

Letters: n examples, m queries, ways, dim of a feature.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from itertools import repeat
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad, vjp

from workbench.optimizers import SGD, Adadelta, Adam, Moments, Spreads, Weights
from workbench.tasks.task import Examples

__all__ = [
    "Adadelta",
    "Adam",
    "Moments",
    "SGD",
    "Spreads",
    "Weights",
    "batch_norm",
    "class_means",
    "conjugate_gradient",
    "cosines",
    "descend",
    "each_task",
    "each_with",
    "flat",
    "last",
    "log_sign",
    "lstm_cell",
    "one_hot",
    "recompute",
    "shaped",
    "squared_distances",
]

_T = TypeVar("_T")


# --- features and labels


def one_hot(y: Tensor, ways: int) -> Tensor:
    """Turn labels `(n,)` into `(n, ways)`.

    By comparison, because `F.one_hot` does not run inside a gradient under vmap.
    """
    return (y[..., None] == torch.arange(ways, device=y.device)).to(torch.get_default_dtype())


def class_means(support: Examples) -> Tensor:
    """Return the mean feature of each class, `(n, dim)` to `(ways, dim)`; NaN without examples."""
    members = one_hot(support.y, support.ways).to(support.x.dtype).mT  # (ways, n)
    return members @ support.x / members.sum(-1, keepdim=True)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return squared Euclidean distances, `(m, dim)` and `(ways, dim)` to `(m, ways)`.

    Computed as ||x||^2 - 2xy + ||y||^2, which needs no `(m, ways, dim)`, and never negative. In
    float32 at least, because in bfloat16 the rounding of ||x||^2 is larger than most distances.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    y = y.to(torch.promote_types(y.dtype, torch.float32))
    with torch.autocast(x.device.type, enabled=False):
        # in this order: where x is y, autograd sums the gradients of the three terms in it
        distances = x.square().sum(-1)[:, None] - 2 * x @ y.mT
        return (distances + y.square().sum(-1)[None, :]).clamp_min(0)


def cosines(x: Tensor, y: Tensor) -> Tensor:
    """Return the cosines between rows, `(m, dim)` and `(n, dim)` to `(m, n)`; 0 for a row of 0."""
    return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).mT


# --- layers


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise `(n, channels, height, width)` by batch statistics, then scale and shift.

    Ioffe, Szegedy: Batch Normalization, ICML 2015, arXiv 1502.03167, algorithm 1. Not by torch,
    because vmap over second-order gradients through its batch normalisation with batch statistics
    is silently wrong (torch 2.13 and 2.15). The statistics are float32 at least.

    Args:
        weight: `(channels,)`.
        bias: `(channels,)`.
    """
    centred = x - x.mean((0, 2, 3), keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    variance = centred.square().mean((0, 2, 3))  # four times as fast as torch.var on a CPU
    scale = weight * torch.rsqrt(variance + eps)
    return torch.addcmul(bias[:, None, None], centred, scale[:, None, None])


def lstm_cell(
    weights: nn.LSTMCell, x: Tensor, state: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the next state (h, c) of a long short-term memory, `(n, dim)` each.

    The same as torch's. `nn.LSTM` and `nn.LSTMCell` do not run under vmap, so an `nn.LSTMCell` only
    holds the weights here.

    Args:
        x: inputs, `(n, inputs)`.
        state: (h, c), `(n, dim)` each.
    """
    h, c = state
    from_x = F.linear(x, weights.weight_ih, weights.bias_ih)
    from_h = F.linear(h, weights.weight_hh, weights.bias_hh)
    enter, forget, new, out = (from_x + from_h).chunk(4, -1)
    c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
    return out.sigmoid() * c.tanh(), c


def log_sign(x: Tensor, p: float = 10.0) -> Tensor:
    """Return size and sign of numbers, for a network that reads numbers of very different sizes.

    Andrychowicz et al.: Learning to learn by gradient descent by gradient descent, NeurIPS 2016,
    arXiv 1606.04474, appendix A: `(log|x| / p, sign(x))` where `|x| >= exp(-p)`, and
    `(-1, exp(p) x)` elsewhere.

    Args:
        x: `(*shape)`.
        p: the logarithms from -p to p become -1 to 1.

    Returns:
        `(*shape, 2)`.
    """
    smallest = math.exp(-p)
    size = x.abs().clamp_min(smallest).log() / p  # never of 0, whose slope is infinite
    sign = torch.where(x.abs() >= smallest, x.sign(), x / smallest)
    return torch.stack([size, sign], -1)


# --- gradients


def descend(
    loss: Callable[[Weights], Tensor],
    weights: Weights,
    rates: float | Iterable[Tensor],
    *,
    first_order: bool = False,
) -> Weights:
    """Return the weights after one step of gradient descent.

    Args:
        rates: one learning rate for all weights, or one for each in their order, a scalar or of the
            weight's shape.
        first_order: treat the gradient as a constant, instead of differentiating through it.
    """
    with torch.no_grad() if first_order else nullcontext():
        gradient = grad(loss)(weights)
    each: Iterable[float | Tensor] = repeat(rates) if isinstance(rates, float) else rates
    moved = {}
    for (name, weight), rate in zip(weights.items(), each, strict=False):
        moved[name] = weight - rate * gradient[name]
    return moved


def recompute(step: Callable[..., Weights], weights: Weights, *data: Tensor) -> Weights:
    """Return `step(weights, *data)`; keep only the arguments, and recompute in the backward pass.

    Does what `torch.utils.checkpoint` does, which does not work around `torch.func.grad`. All
    tensors that `step` depends on must be arguments if they are differentiated or differ between
    tasks.
    """
    names = list(weights)

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        after = step(dict(zip(names, tensors, strict=False)), *tensors[len(names) :])
        return tuple(after[name] for name in names)

    return dict(zip(names, _Recomputed.apply(run, *weights.values(), *data), strict=True))


class _Recomputed(torch.autograd.Function):
    """`run(*tensors)`, which saves no intermediate tensors."""

    generate_vmap_rule = True

    @staticmethod
    def forward(run: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            return run(*tensors)

    @staticmethod
    def setup_context(
        ctx: Any,
        inputs: tuple[Any, ...],
        output: tuple[Tensor, ...],  # noqa: ARG004 - part of the signature
    ) -> None:
        ctx.run = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        device = inputs[1].device.type
        # the backward pass runs with the precision of the forward pass
        ctx.precision = torch.autocast(
            device,
            torch.get_autocast_dtype(device),
            torch.is_autocast_enabled(device),
            cache_enabled=False,
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:]  # which tensors are differentiated

        def of_wanted(*some: Tensor) -> Any:
            return ctx.run(*_replaced(tensors, wanted, some))

        differentiated = []
        for tensor, want in zip(tensors, wanted, strict=True):
            if want:
                differentiated.append(tensor)
        with ctx.precision:
            pull = vjp(of_wanted, *differentiated)[1]
            pulled = pull(gradients)
        return None, *_replaced([None] * len(wanted), wanted, pulled)


def _replaced(
    values: Sequence[_T], wanted: Sequence[bool], replacements: Iterable[_T]
) -> tuple[_T, ...]:
    """Return the values, with those that are wanted replaced in order."""
    remaining = iter(replacements)
    result = []
    for value, want in zip(values, wanted, strict=True):
        result.append(next(remaining) if want else value)
    return tuple(result)


def conjugate_gradient(product: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """Solve `product(x) = b` approximately, from x = 0.

    Hestenes, Stiefel: Methods of Conjugate Gradients for Solving Linear Systems, 1952.

    Args:
        product: a symmetric positive definite linear map of vectors `(n,)`.
        b: `(n,)`.
    """
    x, residual, direction = torch.zeros_like(b), b, b
    size = b.dot(b)
    for _ in range(steps):
        image = product(direction)
        length = _ratio(size, direction.dot(image))
        x = x + length * direction
        residual = residual - length * image
        size_before = size
        size = residual.dot(residual)
        direction = residual + _ratio(size, size_before) * direction
    return x


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b, and 0 where b is 0, because nothing is left to solve."""
    return torch.where(b == 0, 0, a / torch.where(b == 0, 1, b))


# --- weights as vectors, and functions of tasks and queries


def flat(weights: Weights) -> Tensor:
    """Return all weights as one vector."""
    return torch.cat([weight.flatten() for weight in weights.values()])


def shaped(vector: Tensor, like: Weights) -> Weights:
    """Turn a vector made by `flat` back into weights of the names and shapes of `like`."""
    parts = vector.split([weight.numel() for weight in like.values()])
    weights = {}
    for (name, weight), part in zip(like.items(), parts, strict=True):
        weights[name] = part.reshape(weight.shape)
    return weights


def each_task(one: Callable[..., Tensor], *stacks: Tensor, batched: bool) -> Tensor:
    """Return `one` of the tensors of each task, stacked.

    Args:
        stacks: tensors with a leading dimension of tasks.
        batched: run all tasks at once under `torch.vmap`, instead of one after another. They run
            one after another also where a stack would be computed in another precision.
    """
    if batched and len(stacks[0]) > 1 and _keeps_precision(stacks[0].device.type):
        stacked: Tensor = torch.vmap(one, randomness="same")(*stacks)
        return stacked
    return torch.stack([one(*task) for task in zip(*stacks, strict=True)])


def last(items: Iterable[_T]) -> _T:
    """Return the last item, of at least one, and hold one at a time."""
    (item,) = deque(items, maxlen=1)
    return item


def each_with(
    model: Callable[[Tensor], Tensor], support: Tensor, x: Tensor, at_once: int = 8
) -> Tensor:
    """Return `model` of each query, in a batch with the support and no other query.

    If a model normalises by batch statistics, its predictions become independent of the other
    queries.

    Args:
        support: images, `(n, *shape)`.
        x: queries, `(m, *shape)`.
        at_once: queries that are predicted in parallel, each in a batch of its own.

    Returns:
        Scores, `(m, ways)`.
    """

    def alone(query: Tensor) -> Tensor:
        return model(torch.cat([support, query[None]]))[-1]

    if not _keeps_precision(x.device.type):
        return torch.stack([alone(query) for query in x])
    predicted: Tensor = torch.vmap(alone, chunk_size=at_once, randomness="same")(x)
    return predicted


def _keeps_precision(device: str) -> bool:
    """Return whether `torch.vmap` computes as precisely here as a loop over tasks.

    In the reduced precision of `torch.autocast`, a CPU's convolutions under vmap are float32, but
    not those in a gradient within it (torch 2.13): a method would adapt in one precision and
    predict in another, depending on the stack size.
    """
    return not torch.is_autocast_enabled(device) or _autocast_reaches_stacks(device)


@cache
def _autocast_reaches_stacks(device: str) -> bool:
    images, weights = torch.zeros(2, 1, 1, 1, 1, device=device), torch.zeros(1, 1, 1, 1)
    with torch.autocast(device, torch.bfloat16):
        maps = torch.vmap(F.conv2d, in_dims=(0, None))(images, weights.to(device))
    return maps.dtype == torch.bfloat16
