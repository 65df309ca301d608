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
loss curves. Here the default is the loss on the queries, because few-shot tasks are judged on them.
In training, fresh weights are the constructor's, shuffled within each tensor, which is another draw
where a network draws them independently. At test, all tasks start from the constructor's. With
`first=learnt` the first weights are learnt too. The last layer of m starts small, so that the first
moves are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from mlw_learned.rules import BY_HAND, LSTM, Rule, Transformer
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
from workbench.functional import Weights, each_task, flat, shaped

SMALL = 0.01  # of the last layer's first weights, as a share of torch's


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
        self.unroll = unroll
        self.rate = rate
        self.units = units
        self.history = history
        self.objective = objective
        self.first = first
        self.second_order = second_order
        self.update = _rule(rule, units, history)
        self.transductive = normalises_by_batch(backbone)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        theta = flat(Weights(self.model.named_parameters()))
        for weights in self.path(support, theta):
            yield partial(functional_call, self.model, weights)  # (m, ...) to (m, ways)

    def path(self, support: Examples, theta: Tensor) -> Iterator[Weights]:
        """Yield the weights before the first step and after each; theta is `(weights,)`."""

        def loss(weights: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, support.x), support.y)

        names = Weights(self.model.named_parameters())
        memory = theta.new_zeros(len(theta), self.update.remembered)
        yield shaped(theta, names)
        for step in range(self.inner_steps):
            if step > 0 and step % self.unroll == 0:
                theta, memory = theta.detach(), memory.detach()
            gradient = flat(grad(loss)(shaped(theta, names)))
            if not self.second_order:
                gradient = gradient.detach()
            move, memory = self.update(gradient, memory)
            theta = theta + self.rate * move
            yield shaped(theta, names)

    def losses(self, source: Source) -> Iterator[Tensor]:
        if not any(parameter.requires_grad for parameter in self.parameters()):
            return  # a rule by hand from fresh weights: there is nothing to learn
        for tasks in source.tasks():
            yield self.loss_of_steps(tasks, self.first_weights())

    def loss_of_steps(self, tasks: Task, theta: Tensor) -> Tensor:
        """Return the mean loss after all steps from theta `(weights,)`, of a stack of tasks."""

        def of_one_task(x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor) -> Tensor:
            support = Examples(x, y, tasks.support.ways)
            asked = Examples(query_x, query_y, support.ways)
            if self.objective == "support":
                asked = support
            losses = []
            for weights in self.path(support, theta):
                predicted = functional_call(self.model, weights, asked.x)
                losses.append(F.cross_entropy(predicted, asked.y))
            return torch.stack(losses[1:] or losses).mean()

        stacks = (tasks.support.x, tasks.support.y, tasks.query.x, tasks.query.y)
        return each_task(of_one_task, *stacks, batched=self.batched).mean()

    def first_weights(self) -> Tensor:
        """Return the first weights of a training step, fresh or learnt, as one vector."""
        weights = Weights(self.model.named_parameters())
        if self.first == "learnt":
            return flat(weights)
        fresh = {}
        for name, weight in weights.items():
            order = torch.randperm(weight.numel()).to(weight.device)
            fresh[name] = weight.flatten()[order]
        return flat(fresh)


def _rule(name: str, units: int, history: int) -> Rule:
    if name in BY_HAND:
        return BY_HAND[name]()
    if name == "lstm":
        lstm = LSTM(units)
        _make_small(lstm.move)
        return lstm
    transformer = Transformer(units, history)
    _make_small(transformer.move)
    return transformer


@torch.no_grad()
def _make_small(last: nn.Linear) -> None:
    last.weight.mul_(SMALL)
    last.bias.zero_()
