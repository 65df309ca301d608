"""Universal representation learning (URL).

Li, Liu, Bilen: Universal Representation Learning from Multiple Domains for Few-shot Classification,
ICCV 2021, arXiv 2103.13841.

Teachers: one classifier per training domain, `teachers=baseline`.

Training: one student f with a classifier h_d for each domain d minimises, summed over domains, the
cross-entropy and the distance to the teacher's features g_d and logits:

    w (1 - CKA(A_d f, g_d)) + w T^2 KL(softmax(teacher / T) || softmax(h_d f / T)),    T = 4

The adaptors A_d are linear maps and are discarded after training. The features are normalised, CKA
uses an RBF kernel, and w falls linearly to 0. Without teachers this is the paper's baseline MDL.

Test: features pass through a linear map that starts as the identity. It is fitted by 40 steps of
    Adadelta to the support's cross-entropy about the nearest centroid: the score of a class is ten
    times the cosine to the mean of its mapped support.

What differs:
- w is the same for all domains. In the paper it is larger and falls later for ImageNet, which also
  gets half of each batch.
- The rate of the map is chosen on validation classes. The paper chooses it by whether the test
  domain was trained on, `rates=oracle`.
- The student's optimiser trains the adaptors; in the authors' code they have their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad

from mlw_crossdomain.centroids import centroid_loss, nearest_centroid
from mlw_crossdomain.cka import cka, linear, rbf
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.errors import UsageError
from workbench.functional import Adadelta, Weights

LONGEST_STACKED = 256  # length of features; stacks of larger maps exceed the caches of a CPU


class URL(Learner):
    """Distil single-domain networks into one; at test, fit a linear map of its features."""

    episodic = False
    cross_entropy = False  # with the distances to the teachers
    selects: ClassVar[Mapping[str, tuple[Any, ...]]] = {"adapt_lr": (0.0, 0.1, 1.0)}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        teachers: tuple[Learner, ...],
        seen: bool | None,
        *,
        distil: Annotated[float, "w, weight of the teachers against the labels", AtLeast(0)] = 1.0,
        anneal: Annotated[
            int | None, "steps until w has fallen to 0; none: it does not fall", AtLeast(1)
        ] = None,
        kernel: Annotated[
            Literal["rbf", "linear"], "kernel of the CKA with the teachers' features"
        ] = "rbf",
        adapt_steps: Annotated[int, "steps of Adadelta on the map of a task", AtLeast(0)] = 40,
        adapt_lr: Annotated[float, "learning rate of Adadelta", AtLeast(0)] = 0.1,
        rates: Annotated[
            Literal["own", "oracle"],
            "own: adapt_lr; oracle: 0.1 in domains that were trained on, 1 in others",
        ] = "own",
    ):
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList()
        for count in classes:
            self.heads.append(nn.Linear(backbone.dim, count))
        self.adaptors = nn.ModuleList()
        for _ in classes:
            self.adaptors.append(nn.Linear(backbone.dim, backbone.dim, bias=False))
        self.teachers = teachers  # in a tuple, so they are not part of the state
        self.seen = seen
        self.distil = distil
        self.anneal = anneal
        self.kernel = kernel
        self.adapt_steps = adapt_steps
        self.adapt_lr = adapt_lr
        self.rates = rates
        self.oracle = rates == "oracle"
        self.batched = backbone.dim <= LONGEST_STACKED
        if teachers:
            _check_teachers(teachers, classes)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        def mapped(weights: Weights) -> Examples:
            return support._replace(x=F.linear(support.x, weights["map"]))

        def loss(weights: Weights) -> Tensor:
            return centroid_loss(mapped(weights))

        adadelta = Adadelta(self.rate)
        spreads = None
        x = support.x
        weights = {"map": torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)}
        for _ in range(self.adapt_steps):
            weights, spreads = adadelta.step(weights, grad(loss)(weights), spreads)
        predictor = nearest_centroid(mapped(weights))
        return lambda x: predictor(F.linear(x, weights["map"]))  # (m, ways)

    @property
    def rate(self) -> float:
        """The learning rate of the map in the current task."""
        if not self.oracle:
            return self.adapt_lr
        return 1.0 if self.seen is False else 0.1

    def losses(self, source: Source) -> Iterator[Tensor]:
        for batches in source.domain_batches():
            weight = self.distil * self.share_left(source.batches_drawn - 1)
            images = torch.cat([batch.x for batch in batches])  # normalised together
            features = self.embed(images).split([len(batch.y) for batch in batches])
            losses = []
            for domain, batch in enumerate(batches):
                losses.append(self.loss(domain, features[domain], batch, weight))
            yield torch.stack(losses).sum()

    def share_left(self, step: int) -> float:
        """Return the share of w that is left after so many steps."""
        if self.anneal is None:
            return 1.0
        return max(1 - step / self.anneal, 0.0)

    def loss(self, domain: int, features: Tensor, batch: Examples, weight: float) -> Tensor:
        """Return the loss of a domain's batch: its cross-entropy and the distance to its teacher.

        Args:
            features: the student's features of the batch, `(n, dim)`.
            weight: w.
        """
        logits = self.heads[domain](features)
        loss = F.cross_entropy(logits, batch.y)
        if not self.teachers or not weight:
            return loss
        teacher: Any = self.teachers[domain]
        with torch.no_grad():
            teacher_features = teacher.embed(batch.x)
            teacher_logits = teacher.classifier(teacher_features)
        kernel = rbf if self.kernel == "rbf" else linear
        ours = kernel(F.normalize(self.adaptors[domain](features)))
        theirs = kernel(F.normalize(teacher_features))
        divergence = softened_divergence(logits, teacher_logits)
        return loss + weight * (1 - cka(ours, theirs) + divergence)


def softened_divergence(logits: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Return T^2 KL(softmax(teacher / T) || softmax(logits / T)) of logits `(n, classes)`."""
    ours = F.log_softmax(logits / temperature, -1)
    theirs = F.log_softmax(teacher / temperature, -1)
    return temperature**2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def _check_teachers(teachers: tuple[Learner, ...], classes: tuple[int, ...]) -> None:
    """Raise `UsageError` unless every teacher is a linear classifier over its domain's classes."""
    for teacher, count in zip(teachers, classes, strict=True):
        classifier = getattr(teacher, "classifier", None)
        if getattr(classifier, "out_features", None) != count:
            raise UsageError(
                f"url needs teachers with a linear classifier over the {count} classes of their "
                f"training data set, and {type(teacher).__name__} has none. Use teachers=baseline."
            )
