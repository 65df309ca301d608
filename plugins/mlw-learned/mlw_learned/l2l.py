"""Learning to learn by gradient descent by gradient descent.

Andrychowicz, Denil, Gomez, Hoffman, Pfau, Schaul, Shillingford, de Freitas, NeurIPS 2016, arXiv
1606.04474.

A network with fresh weights is trained on the support of a task in `inner_steps` steps theta <-
theta + rate m(gradient, memory), where m is a small recurrent network that all weights share
(equation 3 and section 2.1). It learns from the losses after all steps (equation 2, with equal
weights). As in the paper, gradients count as constants in the outer gradient unless `second_order`,
and the outer gradient passes back through `unroll` steps at most.

`rule=sgd|momentum|rmsprop|adam` are rules that nobody learns, with the same steps from the
same first weights. Their rate, and that of the learned rules, is chosen on validation tasks.

What differs: the paper learns from the loss that is optimised (`objective=support`) and reports
loss curves. Here the default is the loss on the queries, because few-shot methods are evaluated on
them. In training, fresh weights are the constructor's, shuffled within each tensor, which is
another draw where a network draws them independently. At test, all tasks start from the
constructor's. With `first=learnt` the first weights are learnt too. The last layer of m starts
small, so that the first moves are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.utils._pytree import tree_map

from mlw_learned.rules import LSTM, Rule, Transformer, by_hand
from workbench import (
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    Task,
    normalises_by_batch,
)
from workbench.functional import Weights, each_task


class L2L(Learner):
    """Learn an optimiser that trains a network on the support of a task, or compare one by hand."""

    batched = True
    cross_entropy = False  # a mean over all steps, the first ones too
    selects: ClassVar[Mapping[str, tuple[Any, ...]]] = {"rate": (1e-3, 1e-2, 1e-1, 1.0)}

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        rule: Annotated[
            Literal["lstm", "transformer", "sgd", "momentum", "rmsprop", "adam"],
            "how a weight follows its gradients: learned, or by hand",
        ] = "lstm",
        inner_steps: Annotated[int, "steps on the support", AtLeast(0)] = 10,
        test_steps: Annotated[
            int | None, "steps on the support at test; none: as in training", AtLeast(0)
        ] = None,
        unroll: Annotated[int, "steps that an outer gradient passes back", AtLeast(1)] = 20,
        rate: Annotated[float, "factor of all moves", AtLeast(0)] = 0.1,
        units: Annotated[int, "units of each layer of a learned rule", AtLeast(1)] = 20,
        history: Annotated[int, "gradients that the transformer sees", AtLeast(1)] = 8,
        objective: Annotated[
            Literal["query", "support"], "the loss after each step that the rule learns from"
        ] = "query",
        first: Annotated[
            Literal["random", "learnt"], "first weights of the network: fresh ones, or learnt"
        ] = "random",
        second_order: Annotated[bool, "differentiate through the inner gradients"] = False,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.model.requires_grad_(first == "learnt")
        self.rule = rule
        self.inner_steps = inner_steps
        self.test_steps = test_steps
        self.unroll = unroll
        self.rate = rate
        self.units = units
        self.history = history
        self.objective = objective
        self.first = first
        self.second_order = second_order
        if rule == "lstm":
            self.learned: nn.Module = LSTM(rate, units)
        elif rule == "transformer":
            self.learned = Transformer(rate, units, history)
        self.transductive = normalises_by_batch(backbone)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        for weights in self.path(support, Weights(self.model.named_parameters())):
            yield partial(functional_call, self.model, weights)  # (m, ...) to (m, ways)

    @property
    def steps(self) -> int:
        """The steps in the current mode, training or test."""
        if self.training or self.test_steps is None:
            return self.inner_steps
        return self.test_steps

    def path(self, support: Examples, weights: Weights) -> Iterator[Weights]:
        """Yield the weights before the first step and after each."""

        def loss(weights: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, support.x), support.y)

        rule: Rule = getattr(self, "learned", None) or by_hand(self.rule, self.rate)
        state = None
        yield weights
        for step in range(self.steps):
            if step > 0 and step % self.unroll == 0:
                weights, state = tree_map(torch.Tensor.detach, (weights, state))
            with nullcontext() if self.second_order else torch.no_grad():
                gradient = grad(loss)(weights)
            weights, state = rule.step(weights, gradient, state)
            yield weights

    def losses(self, source: Source) -> Iterator[Tensor]:
        if not any(parameter.requires_grad for parameter in self.parameters()):
            return  # a rule by hand from fresh weights: there is nothing to learn
        for tasks in source.tasks():
            yield self.loss_of_steps(tasks, self.first_weights())

    def loss_of_steps(self, tasks: Task, first: Weights) -> Tensor:
        """Return the mean loss after all steps from these first weights, of a stack of tasks."""

        def of_one_task(x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor) -> Tensor:
            support = Examples(x, y, tasks.support.ways)
            asked = Examples(query_x, query_y, support.ways)
            if self.objective == "support":
                asked = support
            losses = []
            for weights in self.path(support, first):
                predicted = functional_call(self.model, weights, asked.x)
                losses.append(F.cross_entropy(predicted, asked.y))
            return torch.stack(losses[1:] or losses).mean()

        stacks = (tasks.support.x, tasks.support.y, tasks.query.x, tasks.query.y)
        return each_task(of_one_task, *stacks, batched=self.batched).mean()

    def first_weights(self) -> Weights:
        """Return the first weights of a training step, fresh or learnt."""
        weights = Weights(self.model.named_parameters())
        if self.first == "learnt":
            return weights
        fresh = {}
        for name, weight in weights.items():
            order = torch.randperm(weight.numel()).to(weight.device)
            fresh[name] = weight.flatten()[order].view_as(weight)
        return fresh
