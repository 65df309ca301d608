"""Full fine-tuning: for each task, tune a fresh copy of the trained backbone and a new head.

Dhillon, Chaudhari, Ravichandran, Soatto: A Baseline for Few-Shot Image Classification, ICLR 2020,
arXiv 1909.02729. Guo, Codella, Karlinsky, Codella, Smith, Saenko, Rosing, Feris: A Broader Study of
Cross-Domain Few-Shot Learning, ECCV 2020, arXiv 1912.07200; their "Ft all" is
`head=random, tuner=sgd, statistics=support`.

Head. `head=support` scores by w_k z / ||z|| + b_k. w_k starts as the mean of class k's z / ||z||,
divided by its length, and b = 0 (Dhillon et al., equations 5 and 6). Their z are the logits of the
pre-trained network after ReLU, `features=logits`. `head=random` scores by w_k z + b_k from random
initial values.

Optimiser. `tuner=adam` tunes all weights in the same way. `tuner=sgd` follows Guo et al.: plain SGD
on the backbone; momentum and dampening 0.9 and weight decay 0.001 on the head.

Loss. Cross-entropy of the support. With `entropy` it is CE(support) + entropy * H(queries), where H
is the mean Shannon entropy of the queries' predictions (Dhillon et al., equation 8). Tuning then
needs the queries.

Batch normalisation. `statistics=running` always uses the trained running averages. `support` uses
each batch's own statistics in tuning and updates the running averages with them; these normalise
the queries, so it is still inductive. `batch` uses each batch's own statistics, also for the
queries: transductive.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from mlw_transfer.heads import DAMPENING, MOMENTUM, WEIGHT_DECAY, first_rows
from mlw_transfer.tuning import by_batch, crop_and_flip, last_blocks, normalises
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, uses_batch_statistics
from workbench.functional import SGD, Adam, Weights, class_means, last

RENEWED = 0.1  # the share of a batch in the running averages, torch's default


class FineTune(Learner):
    """Tune the whole backbone, or its last blocks, and a new head on the support of each task."""

    # Not batched: on a CPU, stacks with separate weights per task took 1.6 to 4 times as long.
    episodic = False
    selects: ClassVar = {"tune_lr": (5e-5, 5e-4, 5e-3), "tune_epochs": (10, 25)}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        blocks: Annotated[
            int | None,
            "how many of the last blocks to tune; none: all weights. A block begins with each "
            "parameter of two or more dimensions (of a convolution or a matrix), in the order of "
            "named_parameters()",
        ] = None,
        head: Annotated[
            Literal["support", "random"], "initial weights: class means of unit length, or random"
        ] = "support",
        features: Annotated[
            Literal["backbone", "logits"],
            "input of the head: the backbone's features, or the logits of the training classes",
        ] = "backbone",
        tuner: Annotated[Literal["adam", "sgd"], "optimiser within a task"] = "adam",
        tune_lr: Annotated[float, "learning rate within a task", AtLeast(0)] = 5e-5,
        tune_epochs: Annotated[int, "passes over the support", AtLeast(0)] = 25,
        tune_batch: Annotated[
            int | None, "images per step; none: the whole support", AtLeast(1)
        ] = None,
        augmented: Annotated[
            int, "randomly cropped and flipped copies of the support to add", AtLeast(0)
        ] = 0,
        statistics: Annotated[
            Literal["running", "support", "batch"],
            "batch normalisation by the trained averages, by averages over support batches, "
            "or by each batch's own statistics",
        ] = "running",
        entropy: Annotated[
            float,
            "weight of the queries' entropy in the loss; above 0: transductive",
            AtLeast(0),
        ] = 0.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.blocks = blocks
        self.head = head
        self.features = features
        self.tuner = tuner
        self.tune_lr = tune_lr
        self.tune_epochs = tune_epochs
        self.tune_batch = tune_batch
        self.augmented = augmented
        self.statistics = statistics
        self.entropy = entropy
        if features == "logits":
            self.classifier = nn.Linear(backbone.dim, sum(classes))
        self.tuned = last_blocks(self, blocks)
        by_query_batch = statistics == "batch" and normalises(backbone)
        self.transductive = entropy > 0 or by_query_batch or uses_batch_statistics(backbone)

    def forward(self, images: Tensor) -> Tensor:
        """Return the input of the head: `(n, channels, height, width)` to `(n, dim)`."""
        z = self.backbone(images)
        if self.features == "logits":
            z = self.classifier(z).relu()
        if self.head == "support":
            z = F.normalize(z, dim=-1)
        return z

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        def of_these_queries(x: Tensor) -> Tensor:
            return last(self.tune(support, x))(x)

        if self.entropy:
            yield of_these_queries
        else:
            yield from self.tune(support)

    @torch.no_grad()
    def tune(self, support: Examples, queries: Tensor | None = None) -> Iterator[Predictor]:
        """Tune on the support, and on the entropy of the queries if given."""
        random = torch.Generator().manual_seed(0)
        support = self.with_copies(support, random)
        x, y = support.x, support.y
        noted: Weights = {}  # means and variances of the last batch
        net = self if self.statistics == "running" else by_batch(self, noted)

        def loss(body: Weights, head: Weights, batch: Tensor) -> tuple[Tensor, Weights]:
            uncertainty: Tensor | float = 0.0
            if queries is not None:
                uncertainty = mean_entropy(scores(net, body, head, queries))
            # The support comes after the queries: its statistics are the ones to note.
            fit = F.cross_entropy(scores(net, body, head, x[batch]), y[batch])
            return fit + self.entropy * uncertainty, dict(noted)

        gradient = grad(loss, argnums=(0, 1), has_aux=True)
        body: Weights = {name: self.get_parameter(name) for name in self.tuned}
        head = self.first_head(support, random)
        averages = self.running_averages()
        body_tuner, head_tuner = _tuners(self.tuner, self.tune_lr)
        body_state = head_state = None
        yield partial(scores, net, body, head)  # (m, ...) to (m, ways)
        for _ in range(self.tune_epochs):
            order = torch.randperm(len(y), generator=random).to(y.device)
            for batch in order.split(self.tune_batch or len(y)):
                (by_body, by_head), moments = gradient(body, head, batch)
                body, body_state = body_tuner.step(body, by_body, body_state)
                head, head_state = head_tuner.step(head, by_head, head_state)
                for name, moment in moments.items():
                    averages[name] = averages[name].lerp(moment, RENEWED)
                if self.statistics == "support":
                    yield partial(scores, self, body | averages, head)
                else:
                    yield partial(scores, net, body, head)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the backbone is already trained
        return iter(())

    def with_copies(self, support: Examples, random: torch.Generator) -> Examples:
        """Return the support and its augmented copies."""
        images = [support.x]
        for _ in range(self.augmented):
            images.append(crop_and_flip(support.x, random))
        y = support.y.repeat(1 + self.augmented)
        return Examples(torch.cat(images), y, support.ways)

    def first_head(self, support: Examples, random: torch.Generator) -> Weights:
        """Return the initial weight `(ways, dim)` and bias `(ways,)` of the head."""
        if self.head == "support":
            z = self(support.x)  # (n, dim)
            means = class_means(support._replace(x=z)).nan_to_num()  # 0: a class without images
            weight = F.normalize(means, dim=-1)
            return {"weight": weight, "bias": torch.zeros_like(weight[:, 0])}
        dim = self.backbone.dim
        if self.features == "logits":
            dim = self.classifier.out_features
        rows = first_rows(support.ways, dim + 1, dim**-0.5, random, support.x)
        return {"weight": rows[:, :-1], "bias": rows[:, -1]}

    def running_averages(self) -> Weights:
        averages = {}
        for name, value in self.named_buffers():
            if name.endswith(("_mean", "_var")):
                averages[name] = value
        return averages


def scores(net: nn.Module, body: Weights, head: Weights, x: Tensor) -> Tensor:
    """Return scores `(n, ways)` of images under these weights of the network and of the head."""
    features = functional_call(net, body, (x,))  # (n, dim)
    return F.linear(features, head["weight"], head["bias"])


def mean_entropy(scores: Tensor) -> Tensor:
    """Return the mean entropy in nats of predictions with these scores, `(m, ways)`."""
    return -(scores.softmax(-1) * scores.log_softmax(-1)).sum(-1).mean()


def _tuners(tuner: str, lr: float) -> tuple[Any, Any]:
    """Return the optimisers of the backbone and of the head."""
    if tuner == "adam":
        return Adam(lr), Adam(lr)
    return SGD(lr), SGD(lr, MOMENTUM, DAMPENING, WEIGHT_DECAY)
