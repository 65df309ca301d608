"""Reptile.

Nichol, Achiam, Schulman: On First-Order Meta-Learning Algorithms, 2018, arXiv 1803.02999.

Inner loop: a few steps of Adam with beta1 = 0 on mini-batches of a task's examples take theta to phi.
Outer loop: theta <- theta + epsilon mean(phi - theta) over a batch of tasks (algorithm 2). The gradient
of 1/2 ||theta - phi||^2 is theta - phi, so SGD of rate epsilon on it *is* that step; epsilon falls from
1 to 0.

Adam's mean of squares lives on from task to task, as in the authors' code; here it is averaged over a
stack of tasks, there it goes through them one after the other. Mini-batches go through the examples in
a random order, then in a new one. At test a query is normalised together with all others, or `inductive`,
with the support alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from mlw_optimization.norms import by_batch
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import Adam, Moments, Weights, each_task, each_with, flat, shaped


class Reptile(Learner):
    """Move the initial weights towards those that plain training on a task ends with."""

    batched = True
    squares: Tensor  # Adam's mean of squared gradients, as one vector
    steps_taken: Tensor  # by Adam

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "k, steps of Adam on a task in training", AtLeast(1)] = 5,
        inner_lr: Annotated[float, "rate of those steps", AtLeast(0)] = 1e-3,
        inner_batch: Annotated[int, "images a step in training", AtLeast(1)] = 10,
        test_steps: Annotated[int, "steps of Adam on a task's support at test", AtLeast(0)] = 50,
        test_batch: Annotated[int, "images a step at test", AtLeast(1)] = 5,
        inductive: Annotated[
            bool, "normalise each query with the support alone, not with other queries"
        ] = False,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.inner_batch = inner_batch
        self.test_steps = test_steps
        self.test_batch = test_batch
        self.inductive = inductive
        self.transductive = by_batch(backbone) and not inductive
        self.register_buffer("squares", torch.zeros_like(flat(self.weights).detach()))
        self.register_buffer("steps_taken", torch.zeros(()))

    @property
    def weights(self) -> Weights:
        """theta."""
        return dict(self.model.named_parameters())

    def adapt(self, support: Examples) -> Predictor:
        order = _batches(
            len(support.y), self.test_batch, self.test_steps, torch.Generator().manual_seed(0)
        )
        model = partial(functional_call, self.model, self.tuned(support.x, support.y, order)[0])
        return partial(each_with, model, support.x) if self.inductive else model  # (m, ways)

    @torch.no_grad()
    def tuned(self, x: Tensor, y: Tensor, order: list[Tensor]) -> tuple[Weights, Moments]:
        """phi, the weights after the mini-batches of `order`, and what Adam remembers then."""

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, x[batch]), y[batch])

        adam, phi = Adam(self.inner_lr, betas=(0.0, 0.999)), self.weights
        moments = Moments(
            self.steps_taken, phi, shaped(self.squares, phi)
        )  # beta1 = 0 forgets any mean
        for batch in order:
            phi, moments = adam.step(phi, grad(loss)(phi, batch.to(x.device)), moments)
        return phi, moments

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            order = _batches(tasks.support.y.shape[1], self.inner_batch, self.inner_steps)

            def one(x: Tensor, y: Tensor, order: list[Tensor] = order) -> Tensor:
                phi, moments = self.tuned(x, y, order)
                return torch.stack([flat(phi), flat(moments.square)])

            phi, squares = each_task(one, *tasks.support[:2], batched=self.batched).unbind(
                1
            )  # (tasks, weights)
            self.squares.copy_(squares.mean(0))
            self.steps_taken += self.inner_steps
            yield (flat(self.weights) - phi).square().sum(1).mean() / 2


def _batches(n: int, size: int, count: int, random: torch.Generator | None = None) -> list[Tensor]:
    """`count` mini-batches of `size` of the numbers 0 to n - 1; each number comes once before any comes again."""
    size = min(size, n)
    passes = [torch.randperm(n, generator=random) for _ in range(-(-count * size // n))]
    return list(torch.cat(passes)[: count * size].split(size)) if passes else []
