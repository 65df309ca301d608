"""Full fine-tuning: for each task a fresh copy of the trained backbone, tuned with a new head on the support.

Dhillon, Chaudhari, Ravichandran, Soatto: A Baseline for Few-Shot Image Classification, ICLR 2020, arXiv
1909.02729. Guo, Codella, Karlinsky, Codella, Smith, Saenko, Rosing, Feris: A Broader Study of Cross-Domain
Few-Shot Learning, ECCV 2020, arXiv 1912.07200, whose "Ft all" is `head=random, tuner=sgd, statistics=support`.

`head=support` scores by w_k z / ||z|| + b_k, from w_k = the mean of class k's z / ||z||, divided by its length,
and b = 0 (Dhillon et al., equations 5 and 6). Their z are the pre-trained network's logits after ReLU,
`features=logits`. `head=random` scores by w_k z + b_k, from random first values. `tuner=adam` moves all weights
alike; `tuner=sgd` is, as in Guo et al., plain on the backbone, and on the head has momentum and dampening 0.9
and weight decay 0.001. With `entropy` the loss is CE(support) + entropy * H(queries), H being the mean Shannon
entropy of their predictions (Dhillon et al., equation 8): tuning then waits for the queries.

Batch normalisation is by `statistics`: `running`, the trained averages, all the time; `support`, the batch's
own while tuning, from which the averages go on, and by these for the queries, so still inductive; `batch`, the
batch's own, that of the queries too, which is transductive.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from mlw_transfer.tuning import by_batch, crop_and_flip, last_blocks, normalises
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, uses_batch_statistics
from workbench.functional import SGD, Adam, Weights, class_means

MOMENTUM = 0.1  # of running averages, torch's own


class FineTune(Learner):
    """Tune the whole backbone, or its last blocks, and a new head on the support of each task."""

    # one by one: on a CPU a stack, with weights of its own for each task, took 1.6 to 4 times as long
    episodic = False
    selects: ClassVar = {"tune_lr": (5e-5, 5e-4, 5e-3), "tune_epochs": (10, 25)}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        blocks: Annotated[
            int | None,
            "tune the last so many blocks; none: all weights. A block begins with each parameter of two or more "
            "dimensions, a convolution's or matrix's, and ends before the next; in the order of named_parameters()",
        ] = None,
        head: Annotated[
            Literal["support", "random"], "first weights: class means of unit length, or random"
        ] = "support",
        features: Annotated[
            Literal["backbone", "logits"],
            "what the head reads: features, or the logits of the training classes",
        ] = "backbone",
        tuner: Annotated[Literal["adam", "sgd"], "optimiser of a task"] = "adam",
        tune_lr: Annotated[float, "its learning rate", AtLeast(0)] = 5e-5,
        tune_epochs: Annotated[int, "passes over the support", AtLeast(0)] = 25,
        tune_batch: Annotated[
            int | None, "images a step; none: all of the support", AtLeast(1)
        ] = None,
        augmented: Annotated[
            int, "copies of the support, randomly cropped and flipped, that join it", AtLeast(0)
        ] = 0,
        statistics: Annotated[
            Literal["running", "support", "batch"],
            "batch normalisation by the trained averages, by averages of support batches, or by each batch itself",
        ] = "running",
        entropy: Annotated[
            float, "weight of the queries' entropy in the loss; above 0: transductive", AtLeast(0)
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
        self.transductive = (
            entropy > 0
            or (normalises(backbone) and statistics == "batch")
            or uses_batch_statistics(backbone)
        )

    def forward(self, images: Tensor) -> Tensor:
        """What the head reads: `(n, channels, height, width)` to `(n, dim)`."""
        z = (
            self.classifier(self.backbone(images)).relu()
            if self.features == "logits"
            else self.backbone(images)
        )
        return F.normalize(z, dim=-1) if self.head == "support" else z

    def adapt(self, support: Examples) -> Predictor:
        if self.entropy:
            return lambda x: self.tune(support, x)(x)
        return self.tune(support)

    @torch.no_grad()
    def tune(self, support: Examples, queries: Tensor | None = None) -> Predictor:
        """A predictor with the weights tuned on a task, and on the entropy of queries where these are given."""
        random = torch.Generator().manual_seed(0)
        x = torch.cat(
            [support.x, *(crop_and_flip(support.x, random) for _ in range(self.augmented))]
        )
        y = support.y.repeat(1 + self.augmented)
        noted: Weights = {}  # means and variances of the last batch, named as the running averages are
        net = self if self.statistics == "running" else by_batch(self, noted)

        def scores(body: Weights, head: Weights, x: Tensor, net: nn.Module = net) -> Tensor:
            return F.linear(
                functional_call(net, body, (x,)), head["weight"], head["bias"]
            )  # (n, ways)

        def loss(body: Weights, head: Weights, batch: Tensor) -> tuple[Tensor, Weights]:
            uncertainty = 0.0 if queries is None else _entropy(scores(body, head, queries))
            return F.cross_entropy(
                scores(body, head, x[batch]), y[batch]
            ) + self.entropy * uncertainty, dict(noted)

        body: Weights = {name: self.get_parameter(name) for name in self.tuned}
        head = _first_head(self, Examples(x, y, support.ways), random)
        averages = {
            name: value for name, value in self.named_buffers() if name.endswith(("_mean", "_var"))
        }
        (move_body, of_body), (move_head, of_head) = _optimisers(self.tuner, self.tune_lr)
        for _ in range(self.tune_epochs):
            for batch in (
                torch.randperm(len(y), generator=random)
                .to(y.device)
                .split(self.tune_batch or len(y))
            ):
                (d_body, d_head), moments = grad(loss, argnums=(0, 1), has_aux=True)(
                    body, head, batch
                )
                body, of_body = move_body.step(body, d_body, of_body)
                head, of_head = move_head.step(head, d_head, of_head)
                averages |= {
                    name: averages[name].lerp(now, MOMENTUM) for name, now in moments.items()
                }
        if self.statistics == "support":
            return partial(scores, body | averages, head, net=self)
        return partial(scores, body, head)  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the backbone is trained already
        return iter(())


def _first_head(net: FineTune, support: Examples, random: torch.Generator) -> Weights:
    z = net(support.x)  # (n, dim)
    if net.head == "support":
        weight = F.normalize(
            class_means(support._replace(x=z)).nan_to_num(), dim=-1
        )  # 0: a class not met yet
        return {"weight": weight, "bias": torch.zeros_like(weight[:, 0])}
    first = (torch.rand(support.ways, z.shape[1] + 1, generator=random) * 2 - 1).to(z) * z.shape[
        1
    ] ** -0.5
    return {"weight": first[:, :-1], "bias": first[:, -1]}  # spread as torch's own


def _optimisers(tuner: str, lr: float) -> Any:
    """For the backbone and for the head, each with what it remembers at first."""
    if tuner == "adam":
        return (Adam(lr), None), (Adam(lr), None)
    return (SGD(lr), None), (SGD(lr, momentum=0.9, dampening=0.9, weight_decay=0.001), None)


def _entropy(scores: Tensor) -> Tensor:
    """The mean entropy of the predictions, `(m, ways)`, in nats."""
    return -(scores.softmax(-1) * scores.log_softmax(-1)).sum(-1).mean()
