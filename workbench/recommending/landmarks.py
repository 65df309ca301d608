"""What a data set is like, in a few numbers on which the accuracy of methods may depend.

Simple measures of a data set, and how well a trivial learner does on it, tell similar data sets
from others: Pfahringer, Bensusan, Giraud-Carrier: Meta-Learning by Landmarking Various Learning
Algorithms, ICML 2000. All numbers are computed from images of 28 x 28, whatever their size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from workbench.data.tables import Table

SIDE = 28  # pixels of the images that are measured
MOST_CLASSES = 50  # that are measured, evenly spaced
MOST_IMAGES = 20  # of each, evenly spaced
TRIALS = 500  # of the trivial learner
WAYS = 5  # of each trial

Images = NDArray[np.float64]


class Landmarks(NamedTuple):
    """Numbers from 0 to about 1."""

    colour: float  # mean difference between the strongest and the weakest channel of a pixel
    brightness: float  # mean
    contrast: float  # standard deviation of the pixels of an image, mean over images
    detail: float  # difference between neighbouring pixels, divided by the contrast
    between: float  # share of the variance of pixels that lies between classes
    nearest: float  # how far above guessing the nearest of 5 images is right, of 1


def landmarks(table: Table) -> Landmarks:
    """Measure the images of a split. The same images give the same numbers everywhere."""
    images, labels = _sample(table)  # (n, channels, SIDE, SIDE), (n,)
    contrast = float(images.std((1, 2, 3)).mean())
    across = np.abs(np.diff(images, axis=-1)).mean() + np.abs(np.diff(images, axis=-2)).mean()
    return Landmarks(
        colour=float((images.max(1) - images.min(1)).mean()),
        brightness=float(images.mean()),
        contrast=contrast,
        detail=float(across) / 2 / max(contrast, 1e-6),
        between=_share_between(images.reshape(len(images), -1), labels),
        nearest=_nearest(images.reshape(len(images), -1), labels),
    )


def _sample(table: Table) -> tuple[Images, NDArray[np.int64]]:
    """Return some images of some classes, small and in 0..1, and their classes."""
    rows, labels = [], []
    for number, label in enumerate(_spaced(0, len(table.names), MOST_CLASSES)):
        chosen = _spaced(int(table.starts[label]), int(table.starts[label + 1]), MOST_IMAGES)
        rows += chosen
        labels += [number] * len(chosen)
    images = torch.from_numpy(table.images[rows]).double() / 255
    small = F.interpolate(images, size=(SIDE, SIDE), mode="area")
    return small.numpy(), np.array(labels)


def _spaced(first: int, end: int, most: int) -> list[int]:
    """Return up to `most` of the numbers from `first` to `end` - 1, evenly spaced."""
    count = min(end - first, most)
    return [first + (end - first) * place // count for place in range(count)]


def _share_between(pixels: Images, labels: NDArray[np.int64]) -> float:
    """Return which share of the variance of pixels `(n, pixels)` lies between the classes."""
    whole = pixels.var(0).sum()
    within = 0.0
    for label in np.unique(labels):
        members = pixels[labels == label]
        within += len(members) / len(pixels) * members.var(0).sum()
    return float(1 - within / max(whole, 1e-12))


def _nearest(pixels: Images, labels: NDArray[np.int64]) -> float:
    """Classify an image by the nearest of one image of each of 5 classes, in many trials."""
    random = np.random.Philox(key=[0, 0])
    names, counts = np.unique(labels, return_counts=True)
    names = names[counts > 1]
    ways = min(WAYS, len(names))
    if ways < 2:
        return 0.0
    hits = 0
    for _ in range(TRIALS):
        chosen = names[np.argsort(random.random_raw(len(names)))[:ways]]
        support = []
        for label in chosen:
            members = np.flatnonzero(labels == label)
            support.append(members[np.argsort(random.random_raw(len(members)))[:2]])
        known, asked = np.transpose(support)
        distances = np.square(pixels[asked[0]] - pixels[known]).sum(1)
        hits += int(distances.argmin() == 0)
    return (hits / TRIALS - 1 / ways) / (1 - 1 / ways)
