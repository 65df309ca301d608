"""From scratch: a network that was never trained learns the stream, all of its weights.

The baseline of Javed, White: Meta-Learning Representations for Continual Learning, NeurIPS 2019,
arXiv 1905.12588, and of Beaulieu et al.: Learning to Continually Learn, ECAI 2020, arXiv
2002.09571. The initial weights are those of the training seed, and each image is one step of
gradient descent on the whole network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from torch import Tensor

from mlw_continual.online import (
    among_met,
    features_of,
    head_scores,
    learn_online,
    new_head,
    one_by_one,
)
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, normalises_by_batch
from workbench.functional import Weights


class Scratch(Learner):
    """Learn a whole network online, image by image, from random weights."""

    episodic = False
    selects: ClassVar = {"online_lr": (0.03, 0.01, 0.003)}

    def __init__(
        self,
        backbone: Backbone,
        *,
        online_lr: Annotated[
            float, "rate of all weights, one step for each image", AtLeast(0)
        ] = 0.01,
    ):
        super().__init__()
        self.backbone = backbone
        self.online_lr = online_lr
        self.transductive = normalises_by_batch(backbone)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first image, and after each."""
        weights = Weights(self.backbone.named_parameters(prefix="backbone"))
        head = new_head(support.ways, self.backbone.dim, support.x)
        steps = one_by_one(len(support.x))
        for after in learn_online(self.scores, weights | head, support, steps, self.online_lr):
            yield among_met(self.scores, support, after)

    def scores(self, weights: Weights, x: Tensor) -> Tensor:
        """Return the scores `(m, ways)` of images by a network and a head."""
        return head_scores(weights, features_of(self.backbone, weights, x))

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - nothing is trained
        return iter(())
