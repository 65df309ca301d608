"""Fast context adaptation via meta-learning.

Zintgraf, Shiarlis, Kurin, Hofmann, Whiteson: Fast Context Adaptation via Meta-Learning, ICML 2019,
arXiv 1810.03642.

Inner loop: the context phi starts at 0 for each task and takes `inner_steps` steps
phi <- phi - alpha * grad_phi L_support(phi, theta) (equation 3).
Outer loop: the weights theta are shared by all tasks and learn only here (equation 4).

The context modulates the feature maps h of the third block, after normalisation and pooling and
before ReLU (section 5.2): h becomes gamma h + beta, where (gamma, beta) is one linear layer of phi.
With phi = 0 the layer gives its bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from workbench import (
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    normalises_by_batch,
    query_loss,
)
from workbench.errors import UsageError
from workbench.functional import Weights, descend


class FiLM(nn.Module):
    """Scale and shift feature maps `(n, channels, height, width)` depending on the context."""

    context: Tensor

    def __init__(self, size: int, channels: int):
        super().__init__()
        self.generate = nn.Linear(size, 2 * channels)
        # Not part of the state: every task starts with a context of zeros.
        self.register_buffer("context", torch.zeros(size), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        gamma, beta = self.generate(self.context)[:, None, None].chunk(2)  # (channels, 1, 1) each
        return torch.addcmul(beta, gamma, h)


class CAVIA(Learner):
    """Learn a network that a small context vector adapts; each task fits the vector from 0."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "gradient steps of the context", AtLeast(0)] = 2,
        inner_lr: Annotated[
            float, "alpha, the rate of the inner steps on the mean cross-entropy", AtLeast(0)
        ] = 1.0,
        context: Annotated[int, "length of the context vector", AtLeast(1)] = 100,
        block: Annotated[int, "the block of the backbone that the context modulates"] = 3,
        first_order: Annotated[bool, "ignore second derivatives"] = False,
    ):
        super().__init__()
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.context = context
        self.block = block
        self.first_order = first_order
        self.name = f"0.{_modulate(backbone, block, context)}.0.context"
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.transductive = normalises_by_batch(backbone)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        def loss(phi: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, phi, support.x), support.y)

        phi = {self.name: self.model.get_buffer(self.name)}  # zeros
        yield partial(functional_call, self.model, phi)  # (m, ...) to (m, ways)
        for _ in range(self.inner_steps):
            phi = descend(loss, phi, self.inner_lr, first_order=self.first_order)  # equation 3
            yield partial(functional_call, self.model, phi)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)


def _modulate(backbone: Backbone, block: int, context: int) -> str:
    """Insert FiLM before a block's ReLU and return the name of its module."""
    relus: list[str] = []
    channels: list[int] = []
    for name, part in backbone.named_modules():
        if isinstance(part, nn.ReLU):
            relus.append(name)
        elif isinstance(part, nn.Conv2d):
            channels.append(part.out_channels)
    if len(relus) != len(channels) or not 1 <= block <= len(relus):
        raise UsageError(
            f"cavia cannot modulate block {block}. It needs blocks with one convolution "
            f"and one ReLU each. This backbone has {len(channels)} convolutions and {len(relus)} "
            "ReLUs; use --backbone conv4:norm=batch."
        )
    place = relus[block - 1]
    film = FiLM(context, channels[block - 1])
    backbone.set_submodule(place, nn.Sequential(film, nn.ReLU()))
    return place
