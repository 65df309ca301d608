"""Model-agnostic meta-learning.

Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks, ICML 2017,
arXiv 1703.03400.

Inner loop: theta' = theta - alpha * grad L_support(theta), `inner_steps` times (equation 1). All
weights are adapted, those of the normalisation too. Outer loop: theta follows the gradient of
L_query(theta') (equation 2), through the inner gradients unless `first_order`.

What differs: L is the mean cross-entropy. The authors' code sums over the ways, so its alpha of 0.4
at 5 ways is 2.0 here.

`per_layer_lr` and `multi_step_loss` follow Antoniou, Edwards, Storkey: How to train your MAML, ICLR
2019, arXiv 1810.09502. The first learns an alpha for each weight tensor and each inner step. The
second makes the outer loss sum_i v_i L_query(theta_i), where v moves from uniform weights to the
last step alone.
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
    Task,
    normalises_by_batch,
    query_loss,
    require_torch,
)
from workbench.functional import Weights, descend, each_task, each_with, recompute


class MAML(Learner):
    """Learn initial weights from which a few steps of gradient descent solve a task."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "gradient steps on the support in training", AtLeast(0)] = 1,
        inner_lr: Annotated[
            float, "alpha, the rate of the inner steps on the mean cross-entropy", AtLeast(0)
        ] = 0.4,
        test_steps: Annotated[
            int | None, "gradient steps at test; none: as in training", AtLeast(0)
        ] = None,
        first_order: Annotated[
            bool, "ignore second derivatives: no graph of the inner steps is built"
        ] = False,
        per_layer_lr: Annotated[
            bool, "learn an alpha per weight tensor and inner step, starting from inner_lr"
        ] = False,
        multi_step_loss: Annotated[
            int, "training tasks until only the loss after the last inner step counts", AtLeast(0)
        ] = 0,
        checkpoint: Annotated[
            bool, "recompute inner steps in the backward pass: less memory, more time"
        ] = False,
        inductive: Annotated[
            bool, "normalise each query with the support only, not with other queries"
        ] = False,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.test_steps = test_steps
        self.first_order = first_order
        self.per_layer_lr = per_layer_lr
        self.multi_step_loss = multi_step_loss
        if checkpoint:
            require_torch("maml:checkpoint=true", "use checkpoint=false")
        self.checkpoint = checkpoint
        self.inductive = inductive
        self.transductive = normalises_by_batch(backbone) and not inductive
        tensors = len(list(self.model.parameters()))
        rates = torch.full((max(inner_steps, 1), tensors), inner_lr)
        if per_layer_lr:
            self.rates = nn.Parameter(rates)
        else:
            self.register_buffer("rates", rates, persistent=False)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first inner step and after each inner step."""
        step = partial(recompute, self.inner_step) if self.checkpoint else self.inner_step
        weights = Weights(self.model.named_parameters())
        yield self.predictor(weights, support)
        for number in range(self.steps):
            rates = self.rates[min(number, len(self.rates) - 1)]  # extra steps use the last rates
            weights = step(weights, rates, support.x, support.y)
            yield self.predictor(weights, support)

    @property
    def steps(self) -> int:
        """The inner steps in the current mode, training or test."""
        if self.training or self.test_steps is None:
            return self.inner_steps
        return self.test_steps

    def inner_step(self, weights: Weights, rates: Tensor, x: Tensor, y: Tensor) -> Weights:
        """Return the weights after one step of gradient descent on the support (equation 1)."""

        def loss(weights: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, x), y)

        return descend(loss, weights, rates, first_order=self.first_order)

    def predictor(self, weights: Weights, support: Examples) -> Predictor:
        model = partial(functional_call, self.model, weights)  # (m, ...) to (m, ways)
        if self.inductive:
            return partial(each_with, model, support.x)
        return model

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            if source.tasks_drawn < self.multi_step_loss:
                yield self.loss_of_steps(tasks, source.tasks_drawn / self.multi_step_loss)
            else:
                yield query_loss(self, tasks)

    def loss_of_steps(self, tasks: Task, done: float) -> Tensor:
        """Return the weighted mean of the losses after each inner step.

        Args:
            done: 0: all steps have the same weight; 1: only the last step counts.
        """

        def of_one_task(support_x: Tensor, support_y: Tensor, x: Tensor, y: Tensor) -> Tensor:
            support = Examples(support_x, support_y, tasks.support.ways)
            _, *after_steps = self.predictors(support)
            losses = torch.stack([F.cross_entropy(predict(x), y) for predict in after_steps])
            return done * losses[-1] + (1 - done) * losses.mean()

        support, query = tasks.support, tasks.query
        stacks = (support.x, support.y, query.x, query.y)
        return each_task(of_one_task, *stacks, batched=self.batched).mean()
