"""Images in random order: an upper bound of what a stream allows, not a method for streams.

Where classes arrive one after another, each image pulls the head away from the classes before it.
`iid` sees the same images in random order, `passes` times. The difference to `pretrain`, which has
the same features and takes as many steps, is what the order costs. Beaulieu et al. (Learning to
Continually Learn, ECAI 2020, arXiv 2002.09571) call such a training an oracle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from mlw_continual.online import RATES, fit_head
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source


class IID(Learner):
    """Upper bound: learn a head from the images of a stream in random order."""

    episodic = False
    selects: ClassVar = {"online_lr": RATES}

    def __init__(
        self,
        backbone: Backbone,
        *,
        online_lr: Annotated[float, "rate of the head, one step for each image", AtLeast(0)] = 0.01,
        passes: Annotated[int, "how often each image is seen", AtLeast(1)] = 1,
    ):
        super().__init__()
        self.backbone = backbone
        self.online_lr = online_lr
        self.passes = passes

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first image, and after each."""
        random = torch.Generator().manual_seed(0)
        steps = []
        for _ in range(self.passes):
            order = torch.randperm(len(support.x), generator=random)
            steps += [[place] for place in order.tolist()]
        return fit_head(support, steps, self.online_lr)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the backbone is already trained
        return iter(())
