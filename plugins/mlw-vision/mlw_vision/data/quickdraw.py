"""Quick, Draw!: 345 things in some 50 million drawings by the players of a game, 28 x 28 bitmaps.

Ha, Eck: A Neural Representation of Sketch Drawings, 2017, arXiv 1704.03477.
https://github.com/googlecreativelab/quickdraw-dataset

Meta-Dataset uses all drawings. Here `images` of each class are kept, evenly spaced over its file.
Tasks hold at most 500 images, so whether a class holds 1,000 or 100,000 matters only to the
sampler, which weights a class by its number of images; here all weights are equal. `images=0` keeps
all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import Channels, Size, evenly, resize, split_lists
from workbench import Dataset, ImageClass
from workbench.errors import DataError


class QuickDraw(Dataset):
    """241 things to train on, 52 to validate, 52 to test, as in Meta-Dataset.

    Strokes are white on black.
    """

    manifest = "quickdraw"
    sources = ("reading.py", "../splits/quickdraw.toml")

    def __init__(
        self,
        *,
        images: Annotated[
            int, "at most this many drawings per class, evenly spaced over its file; 0: all"
        ] = 1000,
        size: Size = 28,
        channels: Channels = 1,
    ):
        self.images = images
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's things, sorted."""
        for name in split_lists("quickdraw")[split]:
            path = files.get(f"{name}.npy")
            if path is None:
                continue
            bitmaps = _bitmaps(path)
            rows = np.asarray(evenly(range(len(bitmaps)), self.images))
            drawings = bitmaps[rows].reshape(-1, 28, 28)
            yield ImageClass(name, resize(drawings, self.size, self.channels))


def _bitmaps(path: Path) -> NDArray[np.uint8]:
    """Map a file of bitmaps (n, 784). Raises `DataError` if it is something else."""
    try:
        bitmaps = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a file of numpy, or it is damaged: {error}.") from error
    if bitmaps.dtype != np.uint8 or bitmaps.shape[1:] != (784,) or not len(bitmaps):
        raise DataError(
            f"{path} holds {bitmaps.dtype} {bitmaps.shape}, not bitmaps (n, 784) of uint8."
        )
    rows: NDArray[np.uint8] = bitmaps
    return rows
