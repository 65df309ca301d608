"""Prototypical networks.

Snell, Swersky, Zemel: Prototypical Networks for Few-shot Learning, NeurIPS 2017, arXiv 1703.05175.

The prototype of a class is the mean of its embedded support (equation 1). The probability of a
class is softmax(-distance) over the distances from the query to the prototypes (equation 2). The
distance is the squared Euclidean distance, or the cosine distance that section 2.7 compares it
with. The cosine distance is 1 - cosine; the 1 is left out, because it does not change a softmax.

What differs: the paper trains again on the training and validation classes together, for the number
of steps that validation chose. Here the weights with the best validation accuracy are kept. As in
the paper, training tasks may have more ways than test tasks (`train_ways`).
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
    equivariant = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        distance: Annotated[
            Literal["euclidean", "cosine"], "squared Euclidean distance, or cosine distance"
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

        def predict(x: Tensor) -> Tensor:
            if self.distance == "cosine":
                similarities = cosines(x, prototypes)
            else:
                similarities = -squared_distances(x, prototypes)
            return similarities / self.temperature  # (m, ways), equation 2

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)
