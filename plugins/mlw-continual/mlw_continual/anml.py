"""A neuromodulated meta-learning algorithm (ANML).

Beaulieu, Frati, Miconi, Lehman, Stanley, Clune, Cheney: Learning to Continually Learn, ECAI 2020,
arXiv 2002.09571.

Two networks see each image: the prediction network, and a neuromodulatory network whose outputs in
0..1 gate the prediction network's features before its last layer:

    scores = head(gates(image) * features(image))

So an image reaches, and its steps change, few of the weights. In training a stream of one class is
learnt online, each image once, by steps of gradient descent on the prediction network; its row of
the head is drawn again before. The outer loss is the cross-entropy, at the weights after the
stream, of the stream's images and of other images of all training classes. It trains the initial
weights of both networks. At test only a new head learns, on gated features.

The authors' code takes the gradients of the inner steps as constants, as `first_order` does here.

What differs: the networks. The backbone is any; the authors' has three convolutions of 256
channels, and theirs of the gates 112 (`gate_width`), both with instance normalisation. The head
takes plain gradient descent at test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_continual.online import (
    RATES,
    features_of,
    fit_head,
    head_scores,
    learn_online,
    one_by_one,
    with_new_rows,
)
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, Task
from workbench.functional import Weights, last


class ANML(Learner):
    """Learn which features an image may use, so that online steps forget little."""

    episodic = False
    selects: ClassVar = {"online_lr": RATES}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        image_shape: tuple[int, int, int],
        *,
        gate_width: Annotated[
            int, "channels of the three convolutions of the neuromodulatory network", AtLeast(1)
        ] = 112,
        inner_lr: Annotated[float, "the online rate in training", AtLeast(0)] = 0.1,
        online_lr: Annotated[float, "rate of the head at test", AtLeast(0)] = 0.03,
        stream_classes: Annotated[int, "classes of a training stream", AtLeast(1)] = 1,
        stream_shots: Annotated[int, "images of each of them", AtLeast(1)] = 20,
        others: Annotated[
            int, "images of all classes in the outer loss, beside the stream's", AtLeast(0)
        ] = 64,
        first_order: Annotated[
            bool, "ignore second derivatives: no graph of the inner steps is built"
        ] = True,
    ):
        super().__init__()
        self.backbone = backbone
        self.gate_width = gate_width
        self.inner_lr = inner_lr
        self.online_lr = online_lr
        self.stream_classes = stream_classes
        self.stream_shots = stream_shots
        self.others = others
        self.first_order = first_order
        self.gates = neuromodulator(image_shape, gate_width, backbone.dim)
        self.head = nn.Linear(backbone.dim, sum(classes))

    def embed(self, images: Tensor) -> Tensor:
        gated: Tensor = self.gates(images) * self.backbone(images)
        return gated  # (n, dim)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first image, and after each."""
        return fit_head(support, one_by_one(len(support.x)), self.online_lr)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for task in source.streams(self.stream_classes, self.stream_shots, self.others):
            yield self.stream_loss(task)

    def stream_loss(self, task: Task) -> Tensor:
        """Learn a stream online; return the loss on its images and on others, a scalar."""
        images = torch.cat([task.support.x, task.query.x])
        y = torch.cat([task.support.y, task.query.y])  # (n + m,)
        gates = self.gates(images)  # (n + m, dim); they stay while the stream is learnt

        def scores(weights: Weights, places: Tensor) -> Tensor:
            """Return the scores of some of the images, given by their places."""
            features = features_of(self.backbone, weights, images[places])
            return head_scores(weights, gates[places] * features)

        places = torch.arange(len(y), device=y.device)
        stream = task.support._replace(x=places[: len(task.support.y)])
        weights = Weights(self.backbone.named_parameters(prefix="backbone"))
        weights |= with_new_rows(self.head, stream.y)
        steps = one_by_one(len(stream.y))
        inner = learn_online(
            scores, weights, stream, steps, self.inner_lr, first_order=self.first_order
        )
        return F.cross_entropy(scores(last(inner), places), y)


def neuromodulator(image_shape: tuple[int, int, int], width: int, dim: int) -> nn.Module:
    """Return a network from images to gates in 0..1, `(n, dim)`: three convolutions, and a layer.

    Each convolution of 3 x 3 is followed by instance normalisation, ReLU and 2 x 2 max pooling, as
    far as the maps are larger than a pixel.
    """
    channels, height, wide = image_shape
    layers: list[nn.Module] = []
    for _ in range(3):
        layers.append(nn.Conv2d(channels, width, 3, padding=1))
        if height * wide > 1:
            layers.append(nn.InstanceNorm2d(width, affine=True))
        layers.append(nn.ReLU())
        if min(height, wide) > 1:
            layers.append(nn.MaxPool2d(2))
            height, wide = height // 2, wide // 2
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * height * wide, dim), nn.Sigmoid())
