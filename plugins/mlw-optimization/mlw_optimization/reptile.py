"""Reptile.

Nichol, Achiam, Schulman: On First-Order Meta-Learning Algorithms, 2018, arXiv 1803.02999.

Inner loop: a few steps of Adam with beta1 = 0 on mini-batches of a task's examples lead from theta
to phi. Outer loop: theta <- theta + epsilon mean(phi - theta) over a batch of tasks (algorithm 2).
The gradient of 1/2 ||theta - phi||^2 is theta - phi, so a step of SGD with rate epsilon on it is
exactly this update. epsilon falls from 1 to 0.

Adam's mean of squared gradients carries over from task to task, as in the authors' code.
Mini-batches go through the examples in a random order, then in a new random order.

What differs: Adam's mean of squares is averaged over a stack of tasks; in the authors' code the
tasks of a batch update it one after another. At test, queries are normalised together, or, with
`inductive`, each with the support alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, normalises_by_batch
from workbench.functional import Adam, Moments, Weights, each_task, each_with, flat, last, shaped


class Reptile(Learner):
    """Move the initial weights towards the weights that ordinary training on a task ends with."""

    batched = True
    cross_entropy = False  # half a squared distance of weights
    squares: Tensor  # Adam's mean of squared gradients, as one vector
    steps_taken: Tensor  # by Adam

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "k, steps of Adam per task in training", AtLeast(1)] = 5,
        inner_lr: Annotated[float, "learning rate of Adam", AtLeast(0)] = 1e-3,
        inner_batch: Annotated[int, "images per step in training", AtLeast(1)] = 10,
        test_steps: Annotated[int, "steps of Adam per task at test", AtLeast(0)] = 50,
        test_batch: Annotated[int, "images per step at test", AtLeast(1)] = 5,
        inductive: Annotated[
            bool, "normalise each query with the support only, not with other queries"
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
        self.transductive = normalises_by_batch(backbone) and not inductive
        self.register_buffer("squares", torch.zeros_like(flat(self.weights).detach()))
        self.register_buffer("steps_taken", torch.zeros(()))

    @property
    def weights(self) -> Weights:
        """theta."""
        return dict(self.model.named_parameters())

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        random = torch.Generator().manual_seed(0)
        batches = mini_batches(len(support.y), self.test_batch, self.test_steps, random)
        for phi, _ in self.path(support.x, support.y, batches):
            model = partial(functional_call, self.model, phi)  # (m, ...) to (m, ways)
            if self.inductive:
                model = partial(each_with, model, support.x)
            yield model

    @torch.no_grad()
    def path(self, x: Tensor, y: Tensor, batches: Tensor) -> Iterator[tuple[Weights, Moments]]:
        """Yield phi and the state of Adam, at first and after a step for each row of `batches`."""

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, x[batch]), y[batch])

        adam = Adam(self.inner_lr, betas=(0.0, 0.999))
        phi = self.weights
        any_mean = phi  # beta1 = 0 forgets the mean, whatever it is
        moments = Moments(self.steps_taken, any_mean, shaped(self.squares, phi))
        yield phi, moments
        for batch in batches.to(x.device):
            gradient = grad(loss)(phi, batch)
            phi, moments = adam.step(phi, gradient, moments)
            yield phi, moments

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            phi, squares = self.tuned_stack(tasks.support)
            self.squares.copy_(squares.mean(0))
            self.steps_taken += self.inner_steps
            yield (flat(self.weights) - phi).square().sum(1).mean() / 2

    def tuned_stack(self, support: Examples) -> tuple[Tensor, Tensor]:
        """Return phi and Adam's mean of squares per task, `(tasks, weights)` each."""
        n = support.y.shape[1]
        batches = mini_batches(n, self.inner_batch, self.inner_steps)

        def of_one_task(x: Tensor, y: Tensor) -> Tensor:
            phi, moments = last(self.path(x, y, batches))
            return torch.stack([flat(phi), flat(moments.square)])

        both = each_task(of_one_task, support.x, support.y, batched=self.batched)
        phi, squares = both.unbind(1)
        return phi, squares


def mini_batches(n: int, size: int, count: int, random: torch.Generator | None = None) -> Tensor:
    """Return mini-batches of the numbers 0 to n - 1, `(count, size)`, or `(count, n)` if n < size.

    Every number comes once before any number comes again. The numbers are drawn from `random`, or
    from torch's global generator if omitted.
    """
    size = min(size, n)
    numbers = torch.empty(0, dtype=torch.long)
    while len(numbers) < count * size:
        numbers = torch.cat([numbers, torch.randperm(n, generator=random)])
    return numbers[: count * size].view(count, size)
