"""MNIST, EMNIST and KMNIST: handwritten digits, letters and Japanese characters of 28 x 28 pixels.

LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proc. IEEE
86, 1998. Cohen, Afshar, Tapson, van Schaik: EMNIST, IJCNN 2017, arXiv 1702.05373. Clanuwat et al.:
Deep Learning for Classical Japanese Literature, 2018, arXiv 1812.01718.

These are test sets for methods that were trained on other data: all classes belong to the test
split, with the published training and test images together. MNIST and KMNIST can also be trained on
(`split=train`). Strokes are white on black. The files are gzipped arrays in the idx format.
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

from mlw_vision.data.reading import Channels, Size, Whole, evenly, file_of, member, resize
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

LIMIT = 2**30  # bytes of an array; EMNIST's largest has 547 million
IMAGES_AXES, LABELS_AXES = 3, 1
Images = Annotated[int, "at most this many images per class, evenly spaced; 0: all"]
DIGITS = tuple("0123456789")
LETTERS = ("", *"abcdefghijklmnopqrstuvwxyz")  # labels start at 1; small and capital together
# EMNIST's balanced labels: a capital stands for both cases where they look alike.
BALANCED = (*DIGITS, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"abdefghnqrt")
KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")  # hiragana, by their sound


class Mnist(Dataset):
    """Ten digits, all to test on, or all to train on (`split=train`)."""

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
        """Yield the digits in order if this is their split."""
        if split == self.split:
            images, labels = _read_files(files)
            yield from _classes(images, labels, DIGITS, self.images, self.size, self.channels)


class Kmnist(Dataset):
    """Ten hiragana in old cursive script, all to test on, or all to train on (`split=train`)."""

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
        """Yield the hiragana in the order of their labels if this is their split."""
        if split == self.split:
            images, labels = _read_files(files)
            yield from _classes(images, labels, KUZUSHIJI, self.images, self.size, self.channels)


class Emnist(Dataset):
    """26 letters, or 47 digits and letters, all to test on."""

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
        images = []
        labels = []
        with Archive(file_of(files, "gzip.zip")) as archive:
            for part in ("train", "test"):
                start = f"emnist-{self.split}-{part}"
                images.append(_read_member(archive, f"{start}-images-idx3-ubyte.gz", IMAGES_AXES))
                labels.append(_read_member(archive, f"{start}-labels-idx1-ubyte.gz", LABELS_AXES))
        upright = np.concatenate(images).transpose(0, 2, 1)  # published transposed
        names = LETTERS if self.split == "letters" else BALANCED
        yield from _classes(
            upright, np.concatenate(labels), names, self.images, self.size, self.channels
        )


def _classes(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    names: Sequence[str],
    most: int,
    size: int,
    channels: int,
) -> Iterator[ImageClass]:
    """Yield the classes in the order of their labels, at most `most` images of each."""
    if len(images) != len(labels):
        raise DataError(
            f"There are {len(images):,} images and {len(labels):,} labels, so the files do not "
            "belong together; download them again with mlw download NAME --remove first."
        )
    for label, name in enumerate(names):
        rows = evenly(np.flatnonzero(labels == label).tolist(), most)
        if rows:
            chosen = np.ascontiguousarray(images[np.asarray(rows)])
            yield ImageClass(name, resize(chosen, size, channels))


def _read_files(files: Mapping[str, Path]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return all images (n, h, w) and labels (n,) of the four published files."""
    images = []
    labels = []
    for part in ("train", "t10k"):
        images.append(_read_file(file_of(files, f"{part}-images-idx3-ubyte.gz"), IMAGES_AXES))
        labels.append(_read_file(file_of(files, f"{part}-labels-idx1-ubyte.gz"), LABELS_AXES))
    return np.concatenate(images), np.concatenate(labels)


def _read_file(path: Path, axes: int) -> NDArray[np.uint8]:
    with path.open("rb") as stream:
        return read_idx(stream, axes, path.name)


def _read_member(archive: Archive, file: str, axes: int) -> NDArray[np.uint8]:
    with archive.open(member(archive, file)) as stream:
        return read_idx(stream, axes, f"{file} in {archive.path.name}")


def read_idx(stream: BinaryIO, axes: int, name: str) -> NDArray[np.uint8]:
    """Read a gzipped idx array of bytes with this many axes.

    Args:
        name: what to call the array in messages.

    Raises:
        DataError: the stream is damaged or contains something else.
    """
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            shape = _read_shape(unpacked, axes, name)
            content = unpacked.read(prod(shape))
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise DataError(f"{name} is not a gzipped array, or it is damaged: {error}.") from error
    if len(content) != prod(shape):
        raise DataError(f"{name} is damaged: it has {len(content):,} bytes of {prod(shape):,}.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_shape(stream: BinaryIO | gzip.GzipFile, axes: int, name: str) -> tuple[int, ...]:
    """Read the header of an idx array. The type code 8 means unsigned bytes."""
    zero, code, found_axes = struct.unpack(">HBB", stream.read(4))
    shape = struct.unpack(f">{found_axes}I", stream.read(4 * found_axes))
    if (zero, code, found_axes) != (0, 8, axes) or prod(shape) > LIMIT:
        raise DataError(
            f"{name} is not an array of bytes with {axes} axes and up to {LIMIT:,} entries."
        )
    return shape
