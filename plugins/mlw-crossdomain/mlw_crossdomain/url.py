"""Universal representation learning (URL).

Li, Liu, Bilen: Universal Representation Learning from Multiple Domains for Few-shot Classification, ICCV 2021,
arXiv 2103.13841.

Teachers: a classifier for each training domain alone, `teachers=baseline`. Training: one student f
with a classifier h_d for each domain d learns, summed over domains, the cross-entropy, and from the teacher's
features g_d and logits

    w (1 - CKA(A_d f, g_d)) + w T^2 KL(softmax(teacher / T) || softmax(h_d f / T)),    T = 4

where the adaptors A_d are linear maps, thrown away afterwards, the features are normalised, CKA is that of an RBF
kernel, and w falls linearly to 0. At test features go through a linear map, the identity at first,
fitted by 40 steps of Adadelta to the support's cross-entropy about the nearest centroid: ten times the cosine to
the class means of the mapped support is a class's score. Without teachers this is the paper's baseline MDL.

w is one for all domains; the paper's is larger and falls later for ImageNet, which gets half of each batch. The
paper takes the map's rate by whether the test domain was trained on (`rates=oracle`); here it is chosen on
validation classes. The adaptors are trained by the student's optimiser; the authors' code gives them one of their own.
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

STACKED = 256  # longest features of which tasks are stacked; a stack of larger maps outgrows a CPU's caches


class URL(Learner):
    """Distil single-domain networks into one; at test fit a linear map of its features to the task."""

    episodic = False
    selects: ClassVar[Mapping[str, tuple[Any, ...]]] = {"adapt_lr": (0.0, 0.1, 1.0)}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        teachers: tuple[Learner, ...],
        seen: bool | None,
        *,
        distil: Annotated[
            float, "w, weight of what the teachers say beside the labels", AtLeast(0)
        ] = 1.0,
        anneal: Annotated[
            int | None, "steps until that weight has fallen to 0; none: it stays", AtLeast(1)
        ] = None,
        kernel: Annotated[
            Literal["rbf", "linear"], "of the alignment with the teachers' features"
        ] = "rbf",
        adapt_steps: Annotated[int, "steps of Adadelta on a task's map", AtLeast(0)] = 40,
        adapt_lr: Annotated[float, "rate of those steps", AtLeast(0)] = 0.1,
        rates: Annotated[
            Literal["own", "oracle"],
            "adapt_lr, or 0.1 in domains that were trained on and 1 in others",
        ] = "own",
    ):
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(nn.Linear(backbone.dim, count) for count in classes)
        self.adaptors = nn.ModuleList(
            nn.Linear(backbone.dim, backbone.dim, bias=False) for _ in classes
        )
        self.teachers = teachers  # in a tuple, so no part of the state
        self.seen = seen
        self.distil = distil
        self.anneal = anneal
        self.kernel = kernel
        self.adapt_steps = adapt_steps
        self.adapt_lr = adapt_lr
        self.rates = rates
        self.oracle = rates == "oracle"
        self.batched = backbone.dim <= STACKED
        for teacher, count in zip(teachers, classes, strict=bool(teachers)):
            if getattr(getattr(teacher, "classifier", None), "out_features", None) != count:
                raise UsageError(
                    f"url learns from a linear classifier over the {count} classes of each training data set, and "
                    f"{type(teacher).__name__} has none; type teachers=baseline"
                )

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        def loss(weights: Weights) -> Tensor:
            return centroid_loss(support._replace(x=F.linear(support.x, weights["map"])))

        rate = (1.0 if self.seen is False else 0.1) if self.oracle else self.adapt_lr
        adadelta, spreads, weights = (
            Adadelta(rate),
            None,
            {"map": torch.eye(support.x.shape[-1]).to(support.x)},
        )
        for _ in range(self.adapt_steps):
            weights, spreads = adadelta.step(weights, grad(loss)(weights), spreads)
        predictor = nearest_centroid(support._replace(x=F.linear(support.x, weights["map"])))
        return lambda x: predictor(F.linear(x, weights["map"]))  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for batches in source.domain_batches():
            fallen = (source.batches_drawn - 1) / self.anneal if self.anneal else 0.0
            weight = self.distil * max(1 - fallen, 0.0)
            images = torch.cat([batch.x for batch in batches])  # normalised together
            features = self.embed(images).split([len(batch.y) for batch in batches])
            yield torch.stack(
                [self.loss(d, features[d], batch, weight) for d, batch in enumerate(batches)]
            ).sum()

    def loss(self, domain: int, features: Tensor, batch: Examples, weight: float) -> Tensor:
        """What the student's features `(n, dim)` of a domain's batch lose to its labels and to its teacher."""
        logits = self.heads[domain](features)
        loss = F.cross_entropy(logits, batch.y)
        if not self.teachers or not weight:
            return loss
        teacher: Any = self.teachers[domain]
        with torch.no_grad():
            known = teacher.embed(batch.x)
            told = teacher.classifier(known)
        kernel = rbf if self.kernel == "rbf" else linear
        alike = cka(
            *(kernel(F.normalize(each)) for each in (self.adaptors[domain](features), known))
        )
        return loss + weight * (1 - alike + softened_divergence(logits, told))


def softened_divergence(logits: Tensor, told: Tensor, temperature: float = 4.0) -> Tensor:
    """T^2 KL(softmax(told / T) || softmax(logits / T)), the mean over rows `(n, classes)`."""
    ours, theirs = (F.log_softmax(each / temperature, -1) for each in (logits, told))
    return temperature**2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
