"""Data sets of given classes, for the tests of preparing and reading images."""

from __future__ import annotations

import numpy as np

from workbench.data.dataset import Dataset, ImageClass


class Given(Dataset):
    """A data set of given classes; `times` is how often its training split was read."""

    def __init__(self, content: dict[str, list[ImageClass]], *, option: int = 1):
        self.content = content
        self.option = option
        self.times = 0

    def classes(self, split, files):
        self.times += split == "train"
        yield from self.content.get(split, [])


class Grouped(Given):
    """A data set of given classes and groups."""

    def __init__(self, content, given):
        super().__init__(content)
        self.given = given

    def groups(self, split):
        return self.given.get(split)


def some(name: str, images: int = 2, side: int = 3) -> ImageClass:
    return ImageClass(name, np.full((images, 1, side, side), len(name), np.uint8))
