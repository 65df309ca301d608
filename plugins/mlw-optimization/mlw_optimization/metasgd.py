"""Meta-SGD.

Li, Zhou, Chen, Li: Meta-SGD: Learning to Learn Quickly for Few-Shot Learning, 2017, arXiv
1707.09835.

Inner loop: theta' = theta - alpha o grad L_support(theta), one step, with a rate for each weight
(equation 2; o multiplies element by element). Outer loop: theta and alpha follow the gradient of
L_query(theta') (equation 3). alpha starts uniform between `alpha_low` and `alpha_high`. It may
become negative, because it also gives the direction of the step.

What differs: `inner_steps` allows more than the paper's one step.
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
from workbench.functional import Weights, descend


class MetaSGD(Learner):
    """Learn initial weights, and for each weight the rate and direction of its step on a task."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "gradient steps on the support", AtLeast(0)] = 1,
        alpha_low: Annotated[
            float, "smallest initial alpha, a rate on the mean cross-entropy"
        ] = 0.005,
        alpha_high: Annotated[float, "largest initial alpha"] = 0.1,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.inner_steps = inner_steps
        self.alpha_low = alpha_low
        self.alpha_high = alpha_high
        self.alpha = nn.ParameterList()
        for weight in self.model.parameters():
            self.alpha.append(torch.empty_like(weight).uniform_(alpha_low, alpha_high))
        self.transductive = normalises_by_batch(backbone)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        def loss(weights: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, support.x), support.y)

        weights = Weights(self.model.named_parameters())
        yield partial(functional_call, self.model, weights)  # (m, ...) to (m, ways)
        for _ in range(self.inner_steps):
            weights = descend(loss, weights, self.alpha)  # equation 2
            yield partial(functional_call, self.model, weights)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)
