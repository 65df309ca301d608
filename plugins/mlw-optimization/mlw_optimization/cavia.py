"""Fast context adaptation via meta-learning.

Zintgraf, Shiarlis, Kurin, Hofmann, Whiteson: Fast Context Adaptation via Meta-Learning, ICML 2019,
arXiv 1810.03642.

Inner loop: phi = -alpha * grad_phi L_support(phi, theta), from phi = 0 for each task, `inner_steps` times
(equation 3); the weights theta are shared and learn in the outer loop alone (equation 4). The context phi
modulates the third block's feature maps h after normalisation and pooling, before ReLU (section 5.2):
gamma h + beta, where (gamma, beta) is one linear layer of phi. With phi = 0 it gives its bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from mlw_optimization.norms import by_batch
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, query_loss
from workbench.errors import UsageError
from workbench.functional import Weights, descend


class FiLM(nn.Module):
    """Scale and shift feature maps `(n, channels, height, width)` as the context says."""

    context: Tensor

    def __init__(self, size: int, channels: int):
        super().__init__()
        self.generate = nn.Linear(size, 2 * channels)
        self.register_buffer(
            "context", torch.zeros(size), persistent=False
        )  # what each task begins with

    def forward(self, h: Tensor) -> Tensor:
        gamma, beta = self.generate(self.context)[:, None, None].chunk(2)
        return torch.addcmul(beta, gamma, h)


class CAVIA(Learner):
    """Learn a network that a small context vector, fitted to each task from 0, adapts."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "gradient steps of the context", AtLeast(0)] = 2,
        inner_lr: Annotated[
            float, "alpha, the rate of those steps on the mean cross-entropy", AtLeast(0)
        ] = 1.0,
        context: Annotated[int, "numbers in the context", AtLeast(1)] = 100,
        block: Annotated[int, "the block of the backbone that the context modulates"] = 3,
        first_order: Annotated[bool, "leave the second derivatives out"] = False,
    ):
        super().__init__()
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.context = context
        self.block = block
        self.first_order = first_order
        self.name = f"0.{_modulate(backbone, block, context)}.0.context"
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.transductive = by_batch(backbone)

    def adapt(self, support: Examples) -> Predictor:
        def loss(phi: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, phi, support.x), support.y)

        phi = {self.name: self.model.get_buffer(self.name)}  # zeros
        for _ in range(self.inner_steps):
            phi = descend(loss, phi, self.inner_lr, first_order=self.first_order)
        return lambda x: functional_call(self.model, phi, x)  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks) for tasks in source.tasks())


def _modulate(backbone: Backbone, block: int, context: int) -> str:
    """Put FiLM before a block's ReLU; return the name of the place."""
    relus = [name for name, part in backbone.named_modules() if isinstance(part, nn.ReLU)]
    channels = [part.out_channels for part in backbone.modules() if isinstance(part, nn.Conv2d)]
    if len(relus) != len(channels) or not 1 <= block <= len(relus):
        raise UsageError(
            f"cavia modulates the maps of block {block} before their ReLU, and this backbone has {len(channels)} "
            f"convolutions and {len(relus)} ReLUs; type --backbone conv4:norm=batch"
        )
    name: str = relus[block - 1]
    backbone.set_submodule(name, nn.Sequential(FiLM(context, channels[block - 1]), nn.ReLU()))
    return name
