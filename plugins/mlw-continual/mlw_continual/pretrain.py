"""Pretraining: features of a trained classifier, and a linear head that learns online.

The baseline of Javed, White: Meta-Learning Representations for Continual Learning, NeurIPS 2019,
arXiv 1905.12588, and of Beaulieu et al.: Learning to Continually Learn, ECAI 2020, arXiv
2002.09571. The backbone is trained by cross-entropy over all training classes; it stays as it is.

The head takes one step of gradient descent for each image, in the order in which they arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from torch import Tensor

from mlw_continual.online import RATES, fit_head, one_by_one
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source


class Pretrain(Learner):
    """Learn a head online, image by image, on the features of a trained backbone."""

    episodic = False
    selects: ClassVar = {"online_lr": RATES}

    def __init__(
        self,
        backbone: Backbone,
        *,
        online_lr: Annotated[float, "rate of the head, one step for each image", AtLeast(0)] = 0.01,
    ):
        super().__init__()
        self.backbone = backbone
        self.online_lr = online_lr

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first image, and after each."""
        return fit_head(support, one_by_one(len(support.x)), self.online_lr)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the backbone is already trained
        return iter(())
