"""ILSVRC-2012, the 1,000 classes of ImageNet, split along WordNet as in Meta-Dataset.

Russakovsky et al.: ImageNet Large Scale Visual Recognition Challenge, IJCV 115, 2015, arXiv
1409.0575. Split: Triantafillou et al.: Meta-Dataset, ICLR 2020, arXiv 1903.03096.
https://image-net.org

Only the training images are used. They have all sizes and are resized to squares. Meta-Dataset
leaves out the images that are also in Caltech-101, Caltech-256 and CUB; here they are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mlw_vision.data.reading import (
    Channels,
    Size,
    by_file,
    by_folder,
    file_of,
    read_classes,
    split_lists,
)
from workbench import Dataset, Groups, ImageClass
from workbench.data import Archive

FEWEST, MOST = 5, 392  # classes below a node of WordNet that tasks are drawn from


class Ilsvrc2012(Dataset):
    """712 classes to train on, 158 to validate, 130 to test, by their ImageNet numbers."""

    manifest = "ilsvrc_2012"
    sources = ("reading.py", "../splits/ilsvrc_2012.toml")

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted, from an archive or a folder per class."""
        with Archive(file_of(files, "ILSVRC2012_img_train.tar")) as archive:
            folders = by_folder(tuple(archive.images()))
            members = by_file(archive.names)
            for name in leaves(split):
                if f"{name}.tar" in members:
                    with archive.inner(members[f"{name}.tar"]) as inner:
                        yield from read_classes(
                            inner, {name: tuple(inner.images())}, self.size, self.channels
                        )
                else:
                    yield from read_classes(
                        archive, {name: folders.get(name, [])}, self.size, self.channels
                    )

    def groups(self, split: str) -> Groups:
        """Return the classes below each node of the split's WordNet graph with 5 to 392 of them."""
        groups = []
        for node in sorted(split_lists("ilsvrc_2012")[split]):
            classes = below(split, node)
            if FEWEST <= len(classes) <= MOST:
                groups.append(classes)
        return Groups(tuple(groups), whole=True)


def leaves(split: str) -> list[str]:
    """Return the classes of a split, sorted: the leaves of its graph."""
    graph = split_lists("ilsvrc_2012")[split]
    nodes: set[str] = set()
    for children in graph.values():
        nodes.update(children.split())
    return sorted(nodes - graph.keys())


@cache
def below(split: str, node: str) -> tuple[str, ...]:
    """Return the classes below a node, sorted. Each comes once, however many paths lead to it."""
    children = split_lists("ilsvrc_2012")[split].get(node)
    if children is None:
        return (node,)
    classes: set[str] = set()
    for child in children.split():
        classes.update(below(split, child))
    return tuple(sorted(classes))
