"""MNIST, EMNIST and KMNIST: handwritten digits, letters and Japanese characters of 28 x 28 pixels.

LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86, 1998.
Cohen, Afshar, Tapson, van Schaik: EMNIST, IJCNN 2017, arXiv 1702.05373.
Clanuwat et al.: Deep Learning for Classical Japanese Literature, 2018, arXiv 1812.01718.

Targets for methods that were trained elsewhere: all classes are for test (of MNIST and KMNIST, to train on if one
asks so), training and test images together; strokes are white on black. The files are gzipped arrays in the form
called idx.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import Channels, Size, Whole, evenly, file_of, fitted, member
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

LIMIT = 2**30  # bytes of an array; EMNIST's largest has 547 million
Images = Annotated[int, "at most so many images a class, spread evenly; 0: all"]
DIGITS = tuple("0123456789")
LETTERS = ("", *"abcdefghijklmnopqrstuvwxyz")  # labels count from 1; small and capital together
# EMNIST's balanced labels: capitals stand for both where they look alike
BALANCED = (*DIGITS, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"abdefghnqrt")
KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")  # hiragana, by their sound


class Mnist(Dataset):
    """Ten digits, all for test or, if asked, to train on."""

    manifest = "mnist"
    sources = ("reading.py",)

    def __init__(
        self, *, split: Whole = "test", images: Images = 0, size: Size = 28, channels: Channels = 1
    ):
        self.split = split
        self.images = images
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the digits in order, for the one split."""
        if split == self.split:
            yield from _classes(*_four(files), DIGITS, self.images, self.size, self.channels)


class Kmnist(Dataset):
    """Ten hiragana in old cursive writing, all for test or, if asked, to train on."""

    manifest = "kmnist"
    sources = ("reading.py",)

    def __init__(
        self, *, split: Whole = "test", images: Images = 0, size: Size = 28, channels: Channels = 1
    ):
        self.split = split
        self.images = images
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the hiragana in the order of their labels, for the one split."""
        if split == self.split:
            yield from _classes(*_four(files), KUZUSHIJI, self.images, self.size, self.channels)


class Emnist(Dataset):
    """26 letters, or 47 digits and letters, all for test."""

    manifest = "emnist"
    sources = ("reading.py",)

    def __init__(
        self,
        *,
        split: Annotated[
            Literal["letters", "balanced"],
            "letters: 26, small and capital together; balanced: 47 with digits",
        ] = "letters",
        images: Images = 0,
        size: Size = 28,
        channels: Channels = 1,
    ):
        self.split = split
        self.images = images
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the characters in the order of their labels, for "test" only."""
        if split != "test":
            return
        with Archive(file_of(files, "gzip.zip")) as archive:
            parts = [f"emnist-{self.split}-{part}" for part in ("train", "test")]
            images = np.concatenate(
                [_inside(archive, f"{part}-images-idx3-ubyte.gz", 3) for part in parts]
            )
            labels = np.concatenate(
                [_inside(archive, f"{part}-labels-idx1-ubyte.gz", 1) for part in parts]
            )
        upright = images.transpose(0, 2, 1)  # published lying on their sides
        names = LETTERS if self.split == "letters" else BALANCED
        yield from _classes(upright, labels, names, self.images, self.size, self.channels)


def _classes(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    names: Sequence[str],
    most: int,
    size: int,
    channels: int,
) -> Iterator[ImageClass]:
    for label, name in enumerate(names):
        rows = evenly(np.flatnonzero(labels == label).tolist(), most)
        if rows:
            yield ImageClass(
                name, fitted(np.ascontiguousarray(images[np.asarray(rows)]), size, channels)
            )


def _four(files: Mapping[str, Path]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, h, w) and labels (n,) of the four files that MNIST and its kin are published as."""
    arrays = {}
    for kind, axes in (("images-idx3", 3), ("labels-idx1", 1)):
        paths = [file_of(files, f"{part}-{kind}-ubyte.gz") for part in ("train", "t10k")]
        arrays[kind] = np.concatenate([_opened(path, axes) for path in paths])
    return arrays["images-idx3"], arrays["labels-idx1"]


def _opened(path: Path, axes: int) -> NDArray[np.uint8]:
    with path.open("rb") as stream:
        return read_idx(stream, axes, path.name)


def _inside(archive: Archive, file: str, axes: int) -> NDArray[np.uint8]:
    with archive.open(member(archive, file)) as stream:
        return read_idx(stream, axes, f"{file} in {archive.path.name}")


def read_idx(stream: BinaryIO, axes: int, name: str) -> NDArray[np.uint8]:
    """Read a gzipped idx array of bytes with so many axes. Raises `DataError`, which calls it by `name`."""
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            zero, kind, found = struct.unpack(">HBB", unpacked.read(4))
            shape = struct.unpack(f">{found}I", unpacked.read(4 * found))
            if (zero, kind, found) != (0, 8, axes) or prod(shape) > LIMIT:
                raise DataError(
                    f"{name} holds no array of bytes with {axes} axes and up to {LIMIT:,} entries."
                )
            content = unpacked.read(prod(shape))
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise DataError(f"{name} is not a gzipped array, or it is damaged: {error}.") from error
    if len(content) != prod(shape):
        raise DataError(f"{name} holds {len(content):,} bytes of {prod(shape):,}.")
    return np.frombuffer(content, np.uint8).reshape(shape)
