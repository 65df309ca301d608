"""Data that is small enough to compute a whole contract on, and a source of tasks of it."""

from __future__ import annotations

import math

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.data.dataset import SPLITS
from workbench.data.opening import OpenDataset
from workbench.data.tables import Table
from workbench.learning.learner import Backbone
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData

SHAPE = (1, 16, 16)


class TinyBackbone(Backbone):
    """One layer, for methods without a recipe that names a backbone."""

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.dim = 16
        self.layer = nn.Linear(math.prod(image_shape), self.dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return features `(n, 16)` of images `(n, channels, height, width)`."""
        return F.relu(self.layer(images.flatten(1)))


def tiny_data(
    shape: tuple[int, int, int] = SHAPE,
    *,
    classes: int = 8,
    images: int = 12,
    name: str = "tiny",
) -> TrainingData:
    """Return a data set of noise around a random picture for each class, with three splits.

    Args:
        shape: (channels, height, width) of its images.
        classes: per split.
        images: per class.
    """
    random = np.random.default_rng(0)
    starts = np.arange(0, classes * images + 1, images)
    tables = {}
    for split in SPLITS:
        centres = random.integers(0, 200, (classes, 1, *shape))
        noise = random.integers(0, 55, (classes, images, *shape))
        rows = (centres + noise).astype(np.uint8).reshape(-1, *shape)
        names = tuple(f"{split}{number}" for number in range(classes))
        tables[split] = Table(rows, names, starts, name)
    return TrainingData((OpenDataset(name, name, tables),))


def tiny_source(
    ways: int = 3, shots: int = 2, queries: int = 4, *, stack: int = 3, split: str = "train"
) -> Source:
    """Return a source of tasks of `tiny_data`, `stack` at once, and of batches of 16 images."""
    protocol = WayShot(ways, shots, queries)
    return Source(tiny_data().domains(split), protocol, stack=stack, batch_size=16)
