"""Images and labels of a Python program as a data set: `mlw.compare(..., on=(images, labels))`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from workbench.data.arrays import as_pictures, content_of, shape_of
from workbench.data.dataset import Dataset, ImageClass
from workbench.data.image_folder.labels import ImagesByClass
from workbench.data.image_folder.splitting import LEAST_IMAGES, split_classes
from workbench.errors import DataError, UsageError
from workbench.plugin.options import AtLeast

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Given:
    """Images that a program has, the class of each, and what all of them are."""

    images: Any  # `images[i]` is an image; it has a length
    labels: Sequence[str]
    shapes: frozenset[Shape]  # (channels, height, width) that occur
    content: str  # a checksum of images and labels


def read_given(images: Any, labels: Iterable[Any]) -> Given:
    """Look at all images once.

    Args:
        images: n file names, PIL images, arrays or tensors; all in one array, or a list, or what
            returns the same image whenever it is asked for its number.
        labels: n classes, of any kind that can be written.

    Raises:
        UsageError: the numbers differ, there is one class only, or a class has one image.
        DataError: an image cannot be read.
    """
    texts = [_text(label) for label in labels]
    if len(images) != len(texts):
        raise UsageError(f"There are {len(images):,} images, and {len(texts):,} labels")
    _check_labels(texts)
    digest = hashlib.sha256()
    shapes = set()
    for number, label in enumerate(texts):
        image = images[number]
        shape = _shape(image, number)
        shapes.add(shape)
        digest.update(f"{label}\0{shape}\0".encode())
        digest.update(content_of(image))
    _check_repeatable(images)
    return Given(images, texts, frozenset(shapes), digest.hexdigest())


def _text(label: Any) -> str:
    """Return a label as text: 3 for a number of numpy or torch, and for 3.0."""
    if hasattr(label, "item"):
        label = label.item()
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label)


def _check_labels(labels: Sequence[str]) -> None:
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    if len(counts) < 2:
        raise UsageError("The images need labels of at least two classes")
    small = [label for label, count in counts.items() if count < LEAST_IMAGES]
    if small:
        named = ", ".join(small[:5])
        raise UsageError(
            f"{len(small):,} of {len(counts):,} classes have one image only ({named}); a task "
            "needs one to learn from and one to classify, so leave these out"
        )


def _shape(image: Any, number: int) -> Shape:
    try:
        return shape_of(image, number)
    except ValueError as error:
        raise DataError(str(error)) from error


def _check_repeatable(images: Any) -> None:
    """Raise `UsageError` if an image is another one when it is asked for again."""
    if content_of(images[0]) != content_of(images[0]):
        raise UsageError(
            "The images change whenever they are read, so they are augmented already; give them "
            "without random transforms (for training, see the setting augment)"
        )


class GivenImages(Dataset):
    """Images of a Python program."""

    sources = ("arrays.py", "image_folder/splitting.py")
    given: ClassVar[Given]  # of a class that is made for these images

    def __init__(
        self,
        *,
        size: Annotated[int | None, "pixels per side; none: as given", AtLeast(1)] = None,
        channels: Annotated[Literal[1, 3] | None, "1: grey, 3: colour; none: as given"] = None,
    ):
        self.size = size
        self.channels = channels

    def classes(
        self,
        split: str,
        files: Mapping[str, Path],  # noqa: ARG002 - the images are in memory
    ) -> Iterator[ImageClass]:
        """Yield the classes of a split by name; they are split as those of a folder are."""
        rows: ImagesByClass = {}
        for number, label in enumerate(self.given.labels):
            rows.setdefault(label, []).append(str(number))
        splits, _ = split_classes({"": rows})
        shape = self._shape()
        for label, numbers in splits.get(split, {}).items():
            images = [self.given.images[int(number)] for number in numbers]
            try:
                yield ImageClass(label, as_pictures(images, shape))
            except ValueError as error:
                raise DataError(str(error)) from error

    def _shape(self) -> Shape:
        """Return the shape that all images are brought to."""
        channels = self.channels or max(shape[0] for shape in self.given.shapes)
        if self.size is not None:
            return channels, self.size, self.size
        sizes = sorted({shape[1:] for shape in self.given.shapes})
        if len(sizes) == 1 and sizes[0][0] == sizes[0][1]:
            return channels, *sizes[0]
        found = " and ".join(f"{height} x {width}" for height, width in sizes[:2])
        more = f", and {len(sizes) - 2} more sizes" if len(sizes) > 2 else ""
        raise DataError(
            f"The images are of {found} pixels{more}, and must be squares of one size; choose it "
            'with a name: on={"NAME:size=84": images}'
        )
