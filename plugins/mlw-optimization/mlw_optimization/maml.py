"""Model-agnostic meta-learning.

Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks, ICML 2017,
arXiv 1703.03400.

Inner loop: theta' = theta - alpha * grad L_support(theta), `inner_steps` times (equation 1). Outer
loop: theta moves along the gradient of L_query(theta') (equation 2), through the inner gradients
unless `first_order`. L is the mean cross-entropy; the authors' code sums over the ways, so their
alpha of 0.4 at 5 ways is 2.0 here. All weights are adapted, those of the normalisation too.

`per_layer_lr` and `multi_step_loss` are after Antoniou, Edwards, Storkey: How to train your MAML, ICLR
2019, arXiv 1810.09502: a learnt alpha for each tensor of weights and each inner step, and the outer
loss sum_i v_i L_query(theta_i), whose v goes from uniform to the last step alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from mlw_optimization.norms import by_batch
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, Task, query_loss
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
            float, "alpha, the rate of those steps on the mean cross-entropy", AtLeast(0)
        ] = 0.4,
        test_steps: Annotated[
            int | None, "gradient steps at test; none: as in training", AtLeast(0)
        ] = None,
        first_order: Annotated[
            bool, "leave the second derivatives out: no graph of the inner steps is built"
        ] = False,
        per_layer_lr: Annotated[
            bool, "learn an alpha for each tensor of weights and step, from inner_lr on"
        ] = False,
        multi_step_loss: Annotated[
            int, "training tasks until the loss after the last step counts alone", AtLeast(0)
        ] = 0,
        checkpoint: Annotated[
            bool, "keep no inner step's graph, compute it again: less memory, more time"
        ] = False,
        inductive: Annotated[
            bool, "normalise each query with the support alone, not with other queries"
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
        self.checkpoint = checkpoint
        self.inductive = inductive
        self.transductive = by_batch(backbone) and not inductive
        rates = torch.full((max(inner_steps, 1), len(list(self.model.parameters()))), inner_lr)
        if per_layer_lr:
            self.rates = nn.Parameter(rates)  # a step beyond the last takes the last one's
        else:
            self.register_buffer("rates", rates, persistent=False)

    def adapt(self, support: Examples) -> Predictor:
        *_, last = self.predictors(support)
        return last

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Before the first inner step, and after each."""

        def inner_step(weights: Weights, rates: Tensor, x: Tensor, y: Tensor) -> Weights:
            def loss(weights: Weights) -> Tensor:
                return F.cross_entropy(functional_call(self.model, weights, x), y)

            return descend(loss, weights, rates, first_order=self.first_order)

        def predictor(weights: Weights) -> Predictor:
            model = partial(functional_call, self.model, weights)
            return partial(each_with, model, support.x) if self.inductive else model  # (m, ways)

        weights = Weights(self.model.named_parameters())
        yield predictor(weights)
        for number in range(
            self.inner_steps if self.training or self.test_steps is None else self.test_steps
        ):
            rates = self.rates[min(number, len(self.rates) - 1)]
            step = partial(recompute, inner_step) if self.checkpoint else inner_step
            weights = step(weights, rates, support.x, support.y)
            yield predictor(weights)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            done = source.tasks_drawn / self.multi_step_loss if self.multi_step_loss else 1.0
            yield query_loss(self, tasks) if done >= 1 else self.loss_of_steps(tasks, done)

    def loss_of_steps(self, tasks: Task, done: float) -> Tensor:
        """The weighted mean of the losses after each inner step, `done` of the way to the last one alone."""

        def one(support_x: Tensor, support_y: Tensor, x: Tensor, y: Tensor) -> Tensor:
            _, *after = self.predictors(Examples(support_x, support_y, tasks.support.ways))
            losses = torch.stack([F.cross_entropy(predictor(x), y) for predictor in after])
            return done * losses[-1] + (1 - done) * losses.mean()

        return each_task(one, *tasks.support[:2], *tasks.query[:2], batched=self.batched).mean()
