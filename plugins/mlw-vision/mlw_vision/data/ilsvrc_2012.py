"""ILSVRC-2012, ImageNet's 1,000 classes, as Meta-Dataset splits them: along WordNet.

Russakovsky et al.: ImageNet Large Scale Visual Recognition Challenge, IJCV 115, 2015, arXiv 1409.0575;
split: Triantafillou et al.: Meta-Dataset, ICLR 2020, arXiv 1903.03096. https://image-net.org

Only the training images are used, of all their sizes, made square. Meta-Dataset leaves out those images
that are also in Caltech-101, Caltech-256 and CUB; here they stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mlw_vision.data.reading import Size, by_folder, file_of, split_lists, stacked
from workbench import Dataset, Groups, ImageClass
from workbench.data import Archive

FEWEST, MOST = 5, 392  # leaves of a node that tasks are drawn below


class Ilsvrc2012(Dataset):
    """712 classes to train on, 158 to validate, 130 to test, by their ImageNet numbers."""

    manifest = "ilsvrc_2012"
    sources = ("reading.py", "../splits/ilsvrc_2012.toml")

    def __init__(self, *, size: Size = 84):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted, from an archive of one archive a class (or one folder a class)."""
        with Archive(file_of(files, "ILSVRC2012_img_train.tar")) as archive:
            folders = by_folder(tuple(archive.images()))
            inner = {name.rpartition("/")[2].removesuffix(".tar"): name for name in archive.names}
            for name in leaves(split):
                if name in inner:
                    with archive.inner(inner[name]) as one:
                        yield from stacked(one, {name: tuple(one.images())}, self.size)
                else:
                    yield from stacked(archive, {name: folders.get(name, [])}, self.size)

    def groups(self, split: str) -> Groups:
        """The classes below each node of the split's WordNet graph that spans 5 to 392 of them."""
        spans = (below(split, node) for node in sorted(split_lists("ilsvrc_2012")[split]))
        return Groups(tuple(span for span in spans if FEWEST <= len(span) <= MOST), whole=True)


def leaves(split: str) -> list[str]:
    """Return the classes of a split, sorted: what has no children in its graph."""
    graph = split_lists("ilsvrc_2012")[split]
    return sorted(
        {child for children in graph.values() for child in children.split()} - graph.keys()
    )


@cache
def below(split: str, node: str) -> tuple[str, ...]:
    """Return the classes below a node, sorted; each once, however many ways lead to it."""
    children = split_lists("ilsvrc_2012")[split].get(node)
    if children is None:
        return (node,)
    return tuple(sorted({leaf for child in children.split() for leaf in below(split, child)}))
