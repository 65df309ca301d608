"""Model-agnostic meta-learning.

Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks, ICML 2017,
arXiv 1703.03400.

Inner loop: theta' = theta - alpha * grad L_support(theta), `inner_steps` times (equation 1). Outer
loop: theta moves along the gradient of L_query(theta') (equation 2), through the inner gradients
unless `first_order`. L is the mean cross-entropy; the authors' code sums over the ways, so their
alpha of 0.4 at 5 ways is 2.0 here. All weights are adapted, those of the normalisation too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from workbench import Backbone, Examples, Learner, Predictor, Source, query_loss, uses_batch_statistics
from workbench.functional import Weights


class MAML(Learner):
    """Learn initial weights from which a few steps of gradient descent solve a task."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "gradient steps on the support in training"] = 1,
        inner_lr: Annotated[float, "alpha, the rate of those steps on the mean cross-entropy"] = 0.4,
        test_steps: Annotated[int | None, "gradient steps at test; none: as in training"] = None,
        first_order: Annotated[bool, "leave the second derivatives out: no graph of the inner steps is built"] = False,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.test_steps = test_steps
        self.first_order = first_order
        self.transductive = uses_batch_statistics(backbone)

    def adapt(self, support: Examples) -> Predictor:
        def support_loss(weights: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, support.x), support.y)

        weights = Weights(self.model.named_parameters())
        steps = self.inner_steps if self.training or self.test_steps is None else self.test_steps
        for _ in range(steps):
            with torch.no_grad() if self.first_order else nullcontext():
                gradient = grad(support_loss)(weights)
            weights = {name: weight - self.inner_lr * gradient[name] for name, weight in weights.items()}
        return lambda x: functional_call(self.model, weights, x)  # (n, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks) for tasks in source.tasks())
