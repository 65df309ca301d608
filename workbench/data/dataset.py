"""The contract of a data set: images by class, in splits.

A plugin writes a subclass of `Dataset` that yields an `ImageClass` for each class of a split:

    class Noise(Dataset):
        "Ten classes of noise, to test the workbench with."

        def __init__(self, *, size: Annotated[int, "pixels per side"] = 28):
            self.size = size

        def classes(self, split, files):
            if split == "test":
                random = np.random.default_rng(0)
                for number in range(10):
                    images = random.integers(0, 256, (20, 1, self.size, self.size), np.uint8)
                    yield ImageClass(f"noise{number}", images)

The workbench calls `classes` once for each choice of options and keeps the images on disk, so a
data set needs no code for storing, loading or sampling images. Nothing here reads a file.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")


class ImageClass(NamedTuple):
    """All images of one class."""

    # Unique in its split. A name may have parts separated by "/", the coarsest first:
    # "Greek/character01/rot090".
    name: str
    images: NDArray[np.uint8]  # (n, channels, height, width), n > 0; one shape per split


class Groups(NamedTuple):
    """Groups of related classes in a split, for protocols that sample classes within a group."""

    members: tuple[tuple[str, ...], ...]  # class names per group: the characters of each alphabet
    whole: bool  # True: a task has all classes of a group; False: a random number of them


class Dataset(ABC):
    """Images by class, in splits.

    The options of a data set are the keyword-only parameters of its constructor, stored unchanged
    as attributes of the same names.

    Attributes:
        manifest: the name of the entry in `datasets.toml` that lists the files to download, for a
            data set that needs any. The plugin's own `datasets.toml` is searched first, then the
            workbench's.
        sources: further files that decide which images the data set yields, as paths relative to
            its module. Images are prepared again when the text of the module or of one of these
            files changes.
    """

    manifest: ClassVar[str] = ""
    sources: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes of a split in a fixed order.

        Args:
            split: "train", "val" or "test". Yield nothing for a split that the data set lacks.
            files: where each file of the manifest entry is, by file name. The path is an archive as
                it was downloaded, or a folder named like the archive without its suffix.
        """

    def groups(self, split: str) -> Groups | None:  # noqa: ARG002 - for subclasses
        """Return the groups of related classes of a split, or None if it has none.

        Called after `classes` has yielded all classes of the split.
        """
        return None


def chosen_options(dataset: Dataset) -> dict[str, Any]:
    """Return the options of a data set by name, as its constructor stored them."""
    options = {}
    for parameter in inspect.signature(type(dataset).__init__).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            options[parameter.name] = getattr(dataset, parameter.name)
    return options
