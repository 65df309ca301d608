"""Prototypical networks.

Snell, Swersky, Zemel: Prototypical Networks for Few-shot Learning, NeurIPS 2017, arXiv 1703.05175.

A class is the mean of its embedded support, its prototype (equation 1); a query belongs to the
nearest prototype, with softmax(-distance) as probability (equation 2). The distance is the squared
Euclidean one, or the cosine distance that the paper compares it with in section 2.7; of that,
1 - cosine, the 1 does not change a softmax. Trained on tasks of more ways than at test. The paper
trains again on training + validation classes for as long as validation asked for; here the best
weights on validation are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from torch import Tensor

from workbench import Above, Backbone, Examples, Learner, Predictor, Source, query_loss
from workbench.functional import class_means, cosines, squared_distances


class ProtoNet(Learner):
    """Classify a query by its nearest class mean in an embedding space."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        distance: Annotated[
            Literal["euclidean", "cosine"], "squared Euclidean distance, or cosine"
        ] = "euclidean",
        temperature: Annotated[float, "divides the distances", Above(0)] = 1.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.distance = distance
        self.temperature = temperature

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        prototypes = class_means(support)  # (ways, dim), equation 1
        if self.distance == "cosine":
            return lambda x: cosines(x, prototypes) / self.temperature  # (n, ways)
        return lambda x: (
            -squared_distances(x, prototypes) / self.temperature
        )  # (n, ways), equation 2

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks) for tasks in source.tasks())
