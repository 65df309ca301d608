"""Pickled tables, checked: a reader is given what it expects, or the user one sentence.

Letters: n images, h and w their height and width.
"""

from __future__ import annotations

from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import replacing, wrong_file
from workbench.data import load_pickle
from workbench.errors import DataError


def read_pickle(data: bytes | BinaryIO, place: str, dataset: str) -> Any:
    """Return the content of a pickle.

    Args:
        place: what messages call the file: "train in cifar-100-python.tar.gz".
        dataset: the data set to download again if the file is a wrong one.

    Raises:
        DataError: it is no pickle of data.
    """
    try:
        return load_pickle(data, encoding="latin1", name=place)
    except DataError as error:
        raise DataError(f"{error} {replacing(dataset)}") from error


class PickledTable:
    """A table of a pickle: values by key."""

    def __init__(self, data: bytes | BinaryIO, place: str, dataset: str):
        """Read the table. Raises `DataError` if it is no pickle of a table."""
        self.place = place
        self.dataset = dataset
        content = read_pickle(data, place, dataset)
        if not isinstance(content, dict):
            self.refuse(f"it holds a {type(content).__name__}, not a table")
        self._content: dict[Any, Any] = content

    @property
    def keys(self) -> list[str]:
        """The keys, as text and sorted."""
        return sorted(map(str, self._content))

    def refuse(self, fault: str) -> NoReturn:
        """Raise `DataError` with what is wrong."""
        raise wrong_file(self.place, fault, self.dataset)

    def value(self, key: str) -> Any:
        """Return the value of a key."""
        if key not in self._content:
            self.refuse(f"it has no {key} among {self.keys}")
        return self._content[key]

    def names(self, key: str) -> list[str]:
        """Return a list of texts that is not empty."""
        names = self.value(key)
        if not isinstance(names, list | tuple) or not names:
            self.refuse(f"{key} is not a list of names")
        for name in names:
            if not isinstance(name, str):
                self.refuse(f"{key} has a {type(name).__name__} among its names")
        return list(names)

    def bytes_of_images(self, key: str, shape: tuple[int | None, ...]) -> NDArray[np.uint8]:
        """Return an array of bytes `(n, *shape)` that is not empty; None stands for any number."""
        images = self._array(key)
        fits = images.dtype == np.uint8 and images.ndim == 1 + len(shape) and images.size > 0
        for found, wanted in zip(images.shape[1:], shape, strict=False):
            fits = fits and wanted in (None, found)
        if not fits:
            sides = ", ".join("any" if side is None else str(side) for side in shape)
            self.refuse(
                f"{key} is {images.dtype} of shape {images.shape}, not uint8 of (n, {sides}) with"
                " at least one image"
            )
        return images

    def labels(self, key: str, count: int) -> NDArray[np.int64]:
        """Return whole numbers from 0 `(count,)`, a label for each of so many images."""
        labels = self._array(key)
        self._check_numbers(labels, key)
        if len(labels) != count:
            self.refuse(f"it has {count:,} images and {len(labels):,} {key}")
        if labels.min() < 0:
            self.refuse(f"{key} has {labels.min()} where labels count from 0")
        return labels.astype(np.int64)

    def rows_by_class(self, key: str, count: int) -> dict[str, NDArray[np.int64]]:
        """Return the rows of each class, which are below `count`, by the names of the classes."""
        table = self.value(key)
        if not isinstance(table, dict) or not table:
            self.refuse(f"{key} is not a table of the rows of each class")
        rows_of = {}
        used = np.zeros(count, bool)
        for name in table:
            if not isinstance(name, str):
                self.refuse(f"{key} has a {type(name).__name__} among its names")
            rows = self._as_array(table[name], f"{key} of {name}")
            self._check_numbers(rows, f"{key} of {name}")
            if rows.min() < 0 or rows.max() >= count:
                self.refuse(f"{key} of {name} names images beyond the {count:,} that there are")
            if used[rows].any() or len(np.unique(rows)) < len(rows):
                self.refuse(f"{key} of {name} names an image twice")
            used[rows] = True
            rows_of[name] = rows.astype(np.int64)
        return rows_of

    def _array(self, key: str) -> NDArray[Any]:
        return self._as_array(self.value(key), key)

    def _as_array(self, value: Any, what: str) -> NDArray[Any]:
        try:
            return np.asarray(value)
        except (ValueError, TypeError, OverflowError):
            self.refuse(f"{what} has items of different shapes")

    def _check_numbers(self, numbers: NDArray[Any], what: str) -> None:
        """Refuse all but whole numbers in one row, at least one."""
        if numbers.size == 0:
            self.refuse(f"{what} is empty")
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            self.refuse(
                f"{what} is {numbers.dtype} of shape {numbers.shape}, not whole numbers of (n,)"
            )
