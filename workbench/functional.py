"""What methods share. Every function works under `torch.vmap` and inside `torch.func.grad`.

Letters: n examples, m queries, ways, dim of a feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from itertools import repeat
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad, vjp

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
    "lstm_cell",
    "one_hot",
    "recompute",
    "shaped",
    "squared_distances",
]

Weights = dict[str, Tensor]


def one_hot(y: Tensor, ways: int) -> Tensor:
    """Labels `(n,)` to `(n, ways)`, by comparison: `F.one_hot` does not run inside a gradient under vmap."""
    return (y[..., None] == torch.arange(ways, device=y.device)).to(torch.get_default_dtype())


def class_means(support: Examples) -> Tensor:
    """The mean of each class's features, `(n, dim)` to `(ways, dim)`."""
    members = one_hot(support.y, support.ways).to(support.x.dtype).mT  # (ways, n)
    return members @ support.x / members.sum(-1, keepdim=True)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances, `(m, dim)` and `(ways, dim)` to `(m, ways)`.

    By ||x||^2 - 2xy + ||y||^2, which needs no `(m, ways, dim)`; never negative. In float32 at least: in bfloat16 the
    rounding of ||x||^2 is larger than most distances.
    """
    x, y = (each.to(torch.promote_types(each.dtype, torch.float32)) for each in (x, y))
    with torch.autocast(x.device.type, enabled=False):
        return (x.square().sum(-1)[:, None] - 2 * x @ y.mT + y.square().sum(-1)[None, :]).clamp_min(
            0
        )


def cosines(x: Tensor, y: Tensor) -> Tensor:
    """Cosines of the angles between rows, `(m, dim)` and `(n, dim)` to `(m, n)`; 0 where a row is 0."""
    return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).mT


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise `(n, channels, height, width)` by the batch's own statistics, then scale and shift.

    Our own arithmetic, because vmap over second-order gradients through torch's batch normalisation
    with batch statistics is silently wrong (torch 2.13 and 2.15). The statistics are float32 at least.
    """
    centred = x - x.mean((0, 2, 3), keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    variance = centred.square().mean((0, 2, 3))  # four times as fast as torch.var on a CPU
    scale = weight * torch.rsqrt(variance + eps)
    return torch.addcmul(bias[:, None, None], centred, scale[:, None, None])


def lstm_cell(
    weights: nn.LSTMCell, x: Tensor, state: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory: inputs `(n, inputs)` and state (h, c) to the next state, `(n, dim)` each.

    As torch does it, but vmap refuses nn.LSTM and nn.LSTMCell, which only hold the weights here.
    """
    h, c = state
    gates = F.linear(x, weights.weight_ih, weights.bias_ih) + F.linear(
        h, weights.weight_hh, weights.bias_hh
    )
    enter, forget, new, out = gates.chunk(4, -1)
    c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
    return out.sigmoid() * c.tanh(), c


class SGD(NamedTuple):
    """Stochastic gradient descent as torch does it, for weights inside `adapt`: pure and differentiable."""

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0

    def step(
        self, weights: Weights, gradient: Weights, velocity: Weights | None
    ) -> tuple[Weights, Weights]:
        """The next weights and velocity; `velocity` is None before the first step."""
        decayed = {
            name: gradient[name] + self.weight_decay * weight for name, weight in weights.items()
        }
        if velocity is None or self.momentum == 0:
            velocity = (
                decayed  # like torch: the first gradient, and one without momentum, is not dampened
            )
        else:
            velocity = {
                k: self.momentum * velocity[k] + (1 - self.dampening) * g
                for k, g in decayed.items()
            }
        return {
            name: weight - self.lr * velocity[name] for name, weight in weights.items()
        }, velocity


class Moments(NamedTuple):
    """What `Adam` remembers."""

    steps: Tensor  # taken so far, a scalar
    mean: Weights  # of the gradients
    square: Weights  # mean of their squares


class Adam(NamedTuple):
    """Adam as torch does it, for weights inside `adapt`: pure and differentiable."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def step(
        self, weights: Weights, gradient: Weights, moments: Moments | None
    ) -> tuple[Weights, Moments]:
        """The next weights and moments; `moments` is None before the first step."""
        if moments is None:
            none = {name: torch.zeros_like(weight) for name, weight in weights.items()}
            moments = Moments(next(iter(none.values())).new_zeros(()), none, none)
        first, second = self.betas
        steps = moments.steps + 1
        mean = {k: first * moments.mean[k] + (1 - first) * g for k, g in gradient.items()}
        square = {k: second * moments.square[k] + (1 - second) * g * g for k, g in gradient.items()}
        rate, spread = self.lr / (1 - first**steps), (1 - second**steps).sqrt()
        moved = {
            k: w - rate * mean[k] / (square[k].sqrt() / spread + self.eps)
            for k, w in weights.items()
        }
        return moved, Moments(steps, mean, square)


class Spreads(NamedTuple):
    """What `Adadelta` remembers: running means of squares."""

    gradients: Weights
    moves: Weights


class Adadelta(NamedTuple):
    """Adadelta as torch does it, for weights inside `adapt`: pure and differentiable.

    Zeiler: ADADELTA: An Adaptive Learning Rate Method, 2012, arXiv 1212.5701, algorithm 1, its moves times `lr`.
    """

    lr: float | Mapping[str, float] = 1.0  # for all weights, or by name
    rho: float = 0.9
    eps: float = 1e-6

    def step(
        self, weights: Weights, gradient: Weights, spreads: Spreads | None
    ) -> tuple[Weights, Spreads]:
        """The next weights and spreads; `spreads` is None before the first step."""
        if spreads is None:
            none = {name: torch.zeros_like(weight) for name, weight in weights.items()}
            spreads = Spreads(none, none)
        rho, eps = self.rho, self.eps
        gradients = {k: rho * spreads.gradients[k] + (1 - rho) * g * g for k, g in gradient.items()}
        move = {
            k: g * ((spreads.moves[k] + eps) / (gradients[k] + eps)).sqrt()
            for k, g in gradient.items()
        }
        moves = {k: rho * spreads.moves[k] + (1 - rho) * m * m for k, m in move.items()}
        lr = self.lr if isinstance(self.lr, Mapping) else dict.fromkeys(weights, self.lr)
        return {k: weight - lr[k] * move[k] for k, weight in weights.items()}, Spreads(
            gradients, moves
        )


def descend(
    loss: Callable[[Weights], Tensor],
    weights: Weights,
    rates: float | Iterable[Tensor],
    *,
    first_order: bool = False,
) -> Weights:
    """One step of gradient descent, differentiable through the gradient unless `first_order`.

    Args:
        rates: one for all, or one for each of the weights in their order, a scalar or of the weight's shape.
    """
    with torch.no_grad() if first_order else nullcontext():
        gradient = grad(loss)(weights)
    each = repeat(rates) if isinstance(rates, float) else rates
    return {
        name: weight - rate * gradient[name]
        for (name, weight), rate in zip(weights.items(), each, strict=False)
    }


def recompute(step: Callable[..., Weights], weights: Weights, *data: Tensor) -> Weights:
    """`step(weights, *data)` that keeps nothing but its arguments, and is computed again in the backward pass.

    What torch's checkpoint is for, which does not work round `torch.func.grad`. All tensors that `step`
    depends on and that are differentiated, or differ from task to task, have to be among its arguments.
    """
    names = list(weights)

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        after = step(dict(zip(names, tensors, strict=False)), *tensors[len(names) :])
        return tuple(after[name] for name in names)

    return dict(zip(names, _Recomputed.apply(run, *weights.values(), *data), strict=True))


class _Recomputed(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(run: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            return run(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        ctx.run = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        device = inputs[1].device.type
        ctx.precision = torch.autocast(
            device,
            torch.get_autocast_dtype(device),
            torch.is_autocast_enabled(device),
            cache_enabled=False,
        )  # as it was on the way forward

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tensors, wanted = ctx.saved_tensors, ctx.needs_input_grad[1:]

        def of_wanted(*some: Tensor) -> Any:
            given = iter(some)
            return ctx.run(
                *(
                    next(given) if want else tensor
                    for tensor, want in zip(tensors, wanted, strict=True)
                )
            )

        with ctx.precision:
            pull = vjp(
                of_wanted, *(tensor for tensor, want in zip(tensors, wanted, strict=True) if want)
            )[1]
            pulled = iter(pull(gradients))
        return None, *(next(pulled) if want else None for want in wanted)


def conjugate_gradient(product: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """Solve `product(x) = b`, a symmetric positive definite linear map of vectors, from x = 0.

    Hestenes, Stiefel: Methods of Conjugate Gradients for Solving Linear Systems, 1952.
    """
    x, residual, direction, size = torch.zeros_like(b), b, b, b.dot(b)
    for _ in range(steps):
        image = product(direction)
        length = _ratio(size, direction.dot(image))
        x, residual = x + length * direction, residual - length * image
        before, size = size, residual.dot(residual)
        direction = residual + _ratio(size, before) * direction
    return x


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0: there is nothing left to solve."""
    return torch.where(b == 0, 0, a / torch.where(b == 0, 1, b))


def flat(weights: Weights) -> Tensor:
    """All weights as one vector."""
    return torch.cat([weight.flatten() for weight in weights.values()])


def shaped(vector: Tensor, like: Weights) -> Weights:
    """The weights of a vector that `flat` made of weights of these shapes."""
    parts = vector.split([weight.numel() for weight in like.values()])
    return {name: part.reshape(like[name].shape) for name, part in zip(like, parts, strict=True)}


def each_task(one: Callable[..., Tensor], *stacks: Tensor, batched: bool) -> Tensor:
    """What `one` makes of each task's tensors, stacked: under `torch.vmap` if `batched`, else one after the other."""
    if batched and len(stacks[0]) > 1:
        stacked: Tensor = torch.vmap(one, randomness="same")(*stacks)
        return stacked
    return torch.stack([one(*task) for task in zip(*stacks, strict=True)])


def each_with(
    model: Callable[[Tensor], Tensor], support: Tensor, x: Tensor, at_once: int = 8
) -> Tensor:
    """`model` of each query in a batch with the whole support, and no other query: `(m, ...)` to `(m, ways)`.

    Where a model normalises by the batch, this makes its predictions independent of the other queries.
    """
    alone = torch.vmap(
        lambda query: model(torch.cat([support, query[None]]))[-1],
        chunk_size=at_once,
        randomness="same",
    )
    predicted: Tensor = alone(x)
    return predicted
