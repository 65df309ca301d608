"""Online-aware meta-learning (OML).

Javed, White: Meta-Learning Representations for Continual Learning, NeurIPS 2019, arXiv 1905.12588,
algorithm 2.

A representation network, the backbone, and a prediction network W of two layers. Online, W takes
one step of gradient descent for each image, and the representation stays:

    W <- W - alpha * grad_W L(image, W)

Training learns both so that this does not forget. A stream of a few classes is learnt online, each
image once; the rows of W of these classes are drawn again before. The outer loss is the
cross-entropy, at the weights after the stream, of the stream's images and of other images of all
training classes (the remember set): it is small if the new classes were learnt and the old ones
were kept. Its gradient goes through all steps of the stream.

At test the last layer is new, and the first starts from what was learnt. `online=last` keeps the
first too (OML-OLFT of Beaulieu et al., arXiv 2002.09571).

What differs: steps are plain gradient descent at test too, where the authors' code uses Adam. The
outer loss has images of the stream itself, not others of its classes. The first published code had
wrong meta-gradients, which the authors corrected in July 2020; a test here compares them with
finite differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_continual.online import (
    RATES,
    among_met,
    fit_head,
    head_scores,
    new_head,
    one_by_one,
    with_new_rows,
)
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, Task
from workbench.functional import Weights, last, one_hot


class OML(Learner):
    """Learn a representation in which online steps of gradient descent forget little."""

    episodic = False
    selects: ClassVar = {"online_lr": RATES}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        hidden: Annotated[int, "units of the prediction network's first layer", AtLeast(1)] = 256,
        inner_lr: Annotated[float, "alpha, the online rate in training", AtLeast(0)] = 0.03,
        online_lr: Annotated[float, "the online rate at test", AtLeast(0)] = 0.03,
        online: Annotated[
            Literal["both", "last"], "layers of the prediction network that learn at test"
        ] = "both",
        stream_classes: Annotated[int, "classes of a training stream", AtLeast(1)] = 3,
        stream_shots: Annotated[int, "images of each of them", AtLeast(1)] = 5,
        others: Annotated[
            int, "images of all classes in the outer loss, beside the stream's", AtLeast(0)
        ] = 64,
    ):
        super().__init__()
        self.backbone = backbone
        self.hidden = hidden
        self.inner_lr = inner_lr
        self.online_lr = online_lr
        self.online = online
        self.stream_classes = stream_classes
        self.stream_shots = stream_shots
        self.others = others
        self.first = nn.Linear(backbone.dim, hidden)
        self.last = nn.Linear(hidden, sum(classes))

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first image, and after each."""
        if self.online == "last":
            within = support._replace(x=self.first(support.x).relu())  # (n, hidden)
            for predict in fit_head(within, one_by_one(len(support.x)), self.online_lr):
                yield partial(self.after_first_layer, predict)
            return
        weights = Weights(self.first.named_parameters(prefix="first"))
        weights |= new_head(support.ways, self.hidden, support.x)
        yield among_met(two_layers, support, weights)
        for after in self.learn_online(weights, support, self.online_lr):
            yield among_met(two_layers, support, after)

    def after_first_layer(self, predict: Predictor, x: Tensor) -> Tensor:
        """Return the scores `(m, ways)` of features by a predictor of the first layer's outputs."""
        return predict(self.first(x).relu())

    def learn_online(self, weights: Weights, stream: Examples, rate: float) -> Iterator[Weights]:
        """Yield the weights after each image of a stream of features `(n, dim)`."""
        labels = one_hot(stream.y, stream.ways).to(stream.x)
        for x, label in zip(stream.x[:, None], labels[:, None], strict=True):  # (1, dim), (1, ways)
            weights = descend_two_layers(weights, x, label, rate)
            yield weights

    def losses(self, source: Source) -> Iterator[Tensor]:
        for task in source.streams(self.stream_classes, self.stream_shots, self.others):
            yield self.stream_loss(task)

    def stream_loss(self, task: Task) -> Tensor:
        """Learn a stream online; return the loss on its images and on others, a scalar."""
        x = self.embed(torch.cat([task.support.x, task.query.x]))  # (n + m, dim)
        y = torch.cat([task.support.y, task.query.y])
        stream = task.support._replace(x=x[: len(task.support.y)])
        weights = Weights(self.first.named_parameters(prefix="first"))
        weights |= with_new_rows(self.last, stream.y)
        weights = last(self.learn_online(weights, stream, self.inner_lr))
        return F.cross_entropy(two_layers(weights, x), y)


def two_layers(weights: Weights, x: Tensor) -> Tensor:
    """Return the scores `(m, ways)` of features `(m, dim)`."""
    within = F.linear(x, weights["first.weight"], weights["first.bias"]).relu()  # (m, hidden)
    return head_scores(weights, within)


def descend_two_layers(weights: Weights, x: Tensor, label: Tensor, rate: float) -> Weights:
    """Return the weights after a step of gradient descent on the cross-entropy of an image.

    The gradient is written out: a stream of 600 classes has 9,000 steps, and this is several times
    as fast as `torch.func.grad` of so small a network. It is differentiable.

    Args:
        x: features `(1, dim)`.
        label: one-hot, `(1, ways)`.
    """
    first, first_bias, head, head_bias = weights.values()
    within = F.linear(x, first, first_bias).relu()  # (1, hidden)
    errors = F.linear(within, head, head_bias).softmax(-1) - label  # (1, ways)
    before = (errors @ head) * (within > 0)  # (1, hidden)
    moved = (
        torch.addmm(first, before.mT, x, alpha=-rate),
        first_bias - rate * before[0],
        torch.addmm(head, errors.mT, within, alpha=-rate),
        head_bias - rate * errors[0],
    )
    return dict(zip(weights, moved, strict=True))
