"""Lake's runs: the 20 tasks on which people and machines were compared, 20-way 1-shot within an alphabet.

Lake, Salakhutdinov, Tenenbaum: Human-level concept learning through probabilistic program induction,
Science 350, 2015. https://github.com/brendenlake/omniglot

In each run, 20 characters of one alphabet, drawn by one person, are to be found again among the drawings of
another. People err in 4.5% of them, the authors' program in 3.3%, their demonstration (a modified Hausdorff
distance between the inked pixels) in 38.8%.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from mlw_vision.data.reading import Channels, by_path, file_of, text_lines
from workbench import Dataset, Groups, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

RUNS = CLASSES = 20


class LakeRuns(Dataset):
    """400 classes "run01/class01", all for test, of two drawings: the one to learn from, then the one to find.

    Strokes are white on black. A group is a run; a task takes all of its 20 classes.
    """

    manifest = "lake_runs"
    sources = ("reading.py",)

    def __init__(
        self,
        *,
        size: Annotated[int, "pixels a side; 105 are as drawn"] = 105,
        channels: Channels = 1,
    ):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes run by run, for "test" only."""
        if split != "test":
            return
        with Archive(file_of(files, "all_runs.zip")) as archive:
            here = by_path(archive.names, "run01/class_labels.txt")
            for run in _runs():
                items = _items(archive, run)
                for name in _members(run):
                    pair = (
                        here[f"{run}/training/{name.rpartition('/')[2]}.png"],
                        here[items[name]],
                    )
                    yield ImageClass(
                        name, 255 - archive.stack(pair, size=self.size, channels=self.channels)
                    )

    def groups(self, split: str) -> Groups | None:
        """The runs, each taken whole."""
        return Groups(tuple(map(_members, _runs())), whole=True) if split == "test" else None


def _runs() -> list[str]:
    return [f"run{number:02d}" for number in range(1, RUNS + 1)]


def _members(run: str) -> tuple[str, ...]:
    return tuple(f"{run}/class{number:02d}" for number in range(1, CLASSES + 1))


def _items(archive: Archive, run: str) -> dict[str, str]:
    """The test drawing of each class: a line of the run's key names a test item and a training item."""
    pairs = [line.split() for line in text_lines(archive, f"{run}/class_labels.txt")]
    items = {
        f"{run}/{learnt.rpartition('/')[2].removesuffix('.png')}": item for item, learnt in pairs
    }
    if len(pairs) != CLASSES or items.keys() != set(_members(run)):
        raise DataError(
            f"{run}/class_labels.txt in {archive.path} does not pair {CLASSES} classes with test items."
        )
    return items
