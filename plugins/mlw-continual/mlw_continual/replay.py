"""Experience replay: learn each image together with some that were kept.

Chaudhry, Rohrbach, Elhoseiny, Ajanthan, Dokania, Torr, Ranzato: On Tiny Episodic Memories in
Continual Learning, arXiv 1902.10486. The memory is a reservoir (Vitter: Random Sampling with a
Reservoir, ACM Transactions on Mathematical Software, 1985, algorithm R): after t images, each of
them is in a memory of M with probability M / t. A step is the mean cross-entropy of the new image
and of `replayed` images drawn from the memory.

What differs: only a linear head learns, on the features of a trained backbone, so that the
difference to `pretrain` is the memory alone. What is kept and drawn comes from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from mlw_continual.online import RATES, fit_head
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source


class Replay(Learner):
    """Learn a head online, from each image and from some of the images before it."""

    episodic = False
    selects: ClassVar = {"online_lr": RATES}

    def __init__(
        self,
        backbone: Backbone,
        *,
        online_lr: Annotated[float, "rate of the head, one step for each image", AtLeast(0)] = 0.01,
        memory: Annotated[int, "M, images that are kept", AtLeast(1)] = 200,
        replayed: Annotated[int, "images of the memory in each step", AtLeast(0)] = 10,
    ):
        super().__init__()
        self.backbone = backbone
        self.online_lr = online_lr
        self.memory = memory
        self.replayed = replayed

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first image, and after each."""
        steps = with_replay(len(support.x), self.memory, self.replayed)
        return fit_head(support, steps, self.online_lr)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the backbone is already trained
        return iter(())


def with_replay(n: int, memory: int, replayed: int) -> Iterator[list[int]]:
    """Yield the places of the images of each of n steps: the new image, then those drawn."""
    random = torch.Generator().manual_seed(0)

    def below(bound: int) -> int:
        return int(torch.randint(bound, (), generator=random))

    kept: list[int] = []
    for place in range(n):
        drawn = []
        if kept:
            drawn = [kept[below(len(kept))] for _ in range(replayed)]
        yield [place, *drawn]
        if len(kept) < memory:
            kept.append(place)
        else:
            slot = below(place + 1)
            if slot < memory:
                kept[slot] = place
