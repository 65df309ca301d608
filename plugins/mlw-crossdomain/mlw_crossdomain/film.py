"""FLUTE: feature-wise modulation adapted by gradient.

Triantafillou, Larochelle, Zemel, Dumoulin: Learning a Universal Template for Few-shot Dataset
Generalization, ICML 2021, arXiv 2105.07029.

Training: all domains share the backbone. Each domain has its own gamma and beta after every
    normalisation, out = gamma * h + beta, and its own cosine classifier with a learnt scale. The
    loss is the mean of their cross-entropies.

Test: only gamma and beta are tuned, by a few steps of Adam on the support's own nearest-centroid
    cross-entropy with logits scale * cos(f(x), c_k), where c_k is the mean feature of class k. They
    start from a convex combination of the domains' gamma and beta. Its weights are the softmax of
    the Blender, a classifier that predicts the domain of a support set.

What differs: all domains pass through the backbone in one batch, so running averages are those of
the mixture, in training as at test, and FiLM learns what distinguishes a domain. If the backbone
uses the batch's own statistics at test, each domain passes separately. The Blender shares no
weights with the rest, so it is trained on the same batches at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad

from mlw_crossdomain.centroids import centroid_loss, nearest_centroid
from mlw_crossdomain.set_encoder import SetEncoder
from workbench import (
    Above,
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    film_features,
    film_sites,
    uses_batch_statistics,
)
from workbench.functional import Adam, cosines


class Film(Learner):
    """Share a backbone among domains, and tune its scales and shifts to a task by gradient."""

    episodic = False
    cross_entropy = False  # of classes and of domains together
    selects: ClassVar = {"film_lr": (1e-3, 5e-3, 2e-2), "film_steps": (0, 6)}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        image_shape: tuple[int, int, int],
        *,
        start: Annotated[
            Literal["blend", "mean", "identity"],
            "initial film of a task: the domains' films mixed by the Blender, their mean, "
            "or the unmodulated backbone",
        ] = "blend",
        film_steps: Annotated[int, "steps of Adam on the support", AtLeast(0)] = 6,
        film_lr: Annotated[float, "learning rate of Adam", AtLeast(0)] = 5e-3,
        scale: Annotated[
            float,
            "factor of the cosines in a task; the learnt scales of the domains start from it",
            Above(0),
        ] = 10.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.sites = film_sites(backbone, image_shape)
        channels = sum(self.sites.values())
        self.films = nn.Parameter(torch.zeros(len(classes), 2, channels))  # one per domain
        self.heads = nn.ParameterList()
        for count in classes:
            self.heads.append(torch.randn(count, backbone.dim) * backbone.dim**-0.5)
        self.scales = nn.Parameter(torch.full((len(classes),), scale))
        self.blender = SetEncoder(image_shape[0], len(classes))
        self.start = start
        self.film_steps = film_steps
        self.film_lr = film_lr
        self.scale = scale
        self.transductive = uses_batch_statistics(backbone)

    def features(self, images: Tensor, film: Tensor) -> Tensor:
        return film_features(self.backbone, self.sites, film, images)  # (n, dim)

    def first_film(self, images: Tensor) -> Tensor:
        """Return the film `(2, channels)` to start from, given the images of a support set."""
        if self.start == "identity":
            return torch.zeros_like(self.films[0])
        if self.start == "mean":
            return self.films.mean(0)
        weights = self.blender(images).softmax(-1)  # (domains,)
        blend: Tensor = (weights[:, None, None] * self.films).sum(0)
        return blend

    def adapt(self, support: Examples) -> Predictor:
        def embedded(film: Tensor) -> Examples:
            return support._replace(x=self.features(support.x, film))

        def loss(weights: dict[str, Tensor]) -> Tensor:
            return centroid_loss(embedded(weights["film"]), self.scale)

        adam = Adam(self.film_lr)
        moments = None
        weights = {"film": self.first_film(support.x)}
        for _ in range(self.film_steps):
            weights, moments = adam.step(weights, grad(loss)(weights), moments)
        film = weights["film"]
        predictor = nearest_centroid(embedded(film), self.scale)
        return lambda x: predictor(self.features(x, film))  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for batches in source.domain_batches():
            yield self.classification_loss(batches) + self.blender_loss(batches)

    def classification_loss(self, batches: list[Examples]) -> Tensor:
        """Return the mean of the domains' cross-entropies."""
        features = self.domain_features(batches)
        losses = []
        for domain, batch in enumerate(batches):
            cosine = cosines(features[domain], self.heads[domain])  # (n, classes)
            losses.append(F.cross_entropy(self.scales[domain] * cosine, batch.y))
        return torch.stack(losses).mean()

    def blender_loss(self, batches: list[Examples]) -> Tensor:
        """Return the cross-entropy of the Blender, which predicts the domain of each batch."""
        logits = torch.stack([self.blender(batch.x) for batch in batches])  # (domains, domains)
        return F.cross_entropy(logits, torch.arange(len(batches), device=logits.device))

    def domain_features(self, batches: list[Examples]) -> tuple[Tensor, ...]:
        """Return the features `(n, dim)` of each domain's batch under the film of the domain."""
        pairs = list(zip(batches, self.films, strict=True))
        if self.transductive:
            return tuple(self.features(batch.x, film) for batch, film in pairs)
        sizes = [len(batch.y) for batch in batches]
        images = torch.cat([batch.x for batch in batches])
        films = torch.cat([film.expand(len(batch.y), -1, -1) for batch, film in pairs])
        together: tuple[Tensor, ...] = self.features(images, films).split(sizes)
        return together
