"""What a data set is: images by class in splits. Nothing here reads a file."""

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

    name: str  # unique in its split; parts by "/", the coarsest first: "Greek/character01/rot090"
    images: NDArray[np.uint8]  # (n, channels, height, width)


class Groups(NamedTuple):
    """A hierarchy over the classes of a split, for samplers that draw related classes."""

    members: tuple[
        tuple[str, ...], ...
    ]  # names of classes, group by group: an alphabet's characters
    whole: bool  # a task takes all classes of a group, not a random number of them


class Dataset(ABC):
    """Images by class in splits. Options are keyword-only constructor parameters, stored unchanged.

    A data set whose images come from files names its entry in `datasets.toml` in `manifest`; the
    entry is looked up in the plugin's own package first, then in the workbench's.
    """

    manifest: ClassVar[str] = ""
    sources: ClassVar[
        tuple[str, ...]
    ] = ()  # files beside the module that decide, like its text, what it yields

    @abstractmethod
    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes of a split ("train", "val" or "test"; none is fine) in a fixed order.

        `files` maps the file names of the manifest entry to where they are: archives as downloaded,
        or folders of the archive's name without its suffix.
        """

    def groups(self, split: str) -> Groups | None:  # noqa: ARG002 - it is there for who overrides this
        """Return the groups of related classes of a split, if it has such; asked after `classes` of the split."""
        return None


def chosen_options(dataset: Dataset) -> dict[str, Any]:
    """Return the options of a data set by name: its keyword-only constructor parameters as stored."""
    parameters = inspect.signature(type(dataset).__init__).parameters.values()
    return {p.name: getattr(dataset, p.name) for p in parameters if p.kind is p.KEYWORD_ONLY}
