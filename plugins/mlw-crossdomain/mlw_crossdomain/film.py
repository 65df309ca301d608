"""Feature-wise modulation, adapted by gradient: FLUTE.

Triantafillou, Larochelle, Zemel, Dumoulin: Learning a Universal Template for Few-shot Dataset Generalization, ICML
2021, arXiv 2105.07029.

Training: all domains share the backbone; each has its own gamma and beta behind every normalisation, out =
gamma * h + beta, and its own cosine classifier with a learnt scale; the loss is the mean of their cross-entropies.
Test: only gamma and beta are tuned, by a few steps of Adam on the support's own nearest-centroid cross-entropy, with
logits scale * cos(f(x), c_k), c_k the mean feature of class k. They start from a convex combination of the domains',
whose weights are the softmax of a dataset classifier of the support set, the Blender.

What is ours: all domains go through the backbone in one pass, so that running averages are those of the mixture, in
training as at test, and FiLM learns what sets a domain apart (per domain where the backbone uses the batch's own
statistics at test too). The Blender has weights of its own, so it is trained on the same batches at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad

from mlw_crossdomain.centroids import centroid_loss, nearest_centroid
from mlw_crossdomain.modulation import SetEncoder, film_features, film_sites
from workbench import (
    Above,
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    uses_batch_statistics,
)
from workbench.functional import Adam, cosines


class Film(Learner):
    """Share a backbone among domains, and tune its scales and shifts to a task by gradient."""

    episodic = False
    selects: ClassVar = {"film_lr": (1e-3, 5e-3, 2e-2), "film_steps": (0, 6)}

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        image_shape: tuple[int, int, int],
        *,
        start: Annotated[
            Literal["blend", "mean", "identity"],
            "the film that a task starts from: the domains' mixed by the Blender, their mean, or the bare backbone",
        ] = "blend",
        film_steps: Annotated[int, "steps of Adam on the support", AtLeast(0)] = 6,
        film_lr: Annotated[float, "rate of those steps", AtLeast(0)] = 5e-3,
        scale: Annotated[
            float,
            "multiplies the cosines; where the learnt scales start, and that of a task",
            Above(0),
        ] = 10.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.sites = film_sites(backbone, image_shape)
        self.films = nn.Parameter(
            torch.zeros(len(classes), 2, sum(self.sites.values()))
        )  # of each domain
        self.heads = nn.ParameterList(
            torch.randn(count, backbone.dim) * backbone.dim**-0.5 for count in classes
        )
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
        """What the support's images say of the film `(2, channels)` to start from."""
        if self.start == "identity":
            return torch.zeros_like(self.films[0])
        if self.start == "mean":
            return self.films.mean(0)
        weights = self.blender(images).softmax(-1)  # (domains,)
        blend: Tensor = (weights[:, None, None] * self.films).sum(0)
        return blend

    def adapt(self, support: Examples) -> Predictor:
        def seen_through(film: Tensor) -> Examples:
            return support._replace(x=self.features(support.x, film))

        def loss(film: dict[str, Tensor]) -> Tensor:
            return centroid_loss(seen_through(film["film"]), self.scale)

        adam, moments, film = Adam(self.film_lr), None, {"film": self.first_film(support.x)}
        for _ in range(self.film_steps):
            film, moments = adam.step(film, grad(loss)(film), moments)
        predictor = nearest_centroid(seen_through(film["film"]), self.scale)
        return lambda x: predictor(self.features(x, film["film"]))  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for batches in source.domain_batches():
            domains = torch.arange(len(batches), device=self.films.device)
            of_each = zip(
                batches, self.domain_features(batches), self.heads, self.scales, strict=True
            )
            classified = [
                F.cross_entropy(s * cosines(f, head), batch.y) for batch, f, head, s in of_each
            ]
            blended = F.cross_entropy(
                torch.stack([self.blender(batch.x) for batch in batches]), domains
            )
            yield torch.stack(classified).mean() + blended

    def domain_features(self, batches: list[Examples]) -> tuple[Tensor, ...]:
        """The features of each domain's batch under its own film."""
        if self.transductive:
            return tuple(
                self.features(batch.x, film)
                for batch, film in zip(batches, self.films, strict=True)
            )
        sizes = [len(batch.y) for batch in batches]
        films = torch.cat(
            [film.expand(size, -1, -1) for film, size in zip(self.films, sizes, strict=True)]
        )
        together = self.features(torch.cat([batch.x for batch in batches]), films)
        return tuple(
            together[end - size : end] for end, size in zip(accumulate(sizes), sizes, strict=True)
        )
