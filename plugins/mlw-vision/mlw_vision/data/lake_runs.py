"""Lake's runs: the 20 tasks on which people and machines were compared.

They are 20-way 1-shot tasks within an alphabet.

Lake, Salakhutdinov, Tenenbaum: Human-level concept learning through probabilistic program
induction, Science 350, 2015. https://github.com/brendenlake/omniglot

Each run has 20 characters of one alphabet, drawn by one person. They must be recognised among the
drawings of another person. The error rate of people is 4.5%, that of the authors' program 3.3%, and
that of their demo (a modified Hausdorff distance between the inked pixels) 38.8%.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from mlw_vision.data.reading import Channels, by_path, file_of, text_lines
from workbench import Dataset, Groups, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

CLASSES = 20  # in each run
RUNS = tuple(f"run{number:02d}" for number in range(1, 21))


class LakeRuns(Dataset):
    """400 classes "run01/class01", all to test on, of two drawings each.

    The first drawing is the one to learn from, the second the one to recognise.
    Strokes are white on black. A group is a run; a task takes all of its 20 classes.
    """

    manifest = "lake_runs"
    sources = ("reading.py",)

    def __init__(
        self,
        *,
        size: Annotated[int, "width and height of the images in pixels; 105: as drawn"] = 105,
        channels: Channels = 1,
    ):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes run by run, for "test" only. The drawing to learn from comes first."""
        if split != "test":
            return
        with Archive(file_of(files, "all_runs.zip")) as archive:
            members = by_path(archive.names, "run01/class_labels.txt")
            for run in RUNS:
                test_items = _test_items(archive, run)
                for name in _classes_of(run):
                    folder, _, number = name.partition("/")
                    pair = (f"{folder}/training/{number}.png", test_items[name])
                    for path in pair:
                        if path not in members:
                            raise DataError(f"{archive.path} contains no {path}.")
                    drawings = archive.stack(
                        [members[path] for path in pair], size=self.size, channels=self.channels
                    )
                    yield ImageClass(name, 255 - drawings)

    def groups(self, split: str) -> Groups | None:
        """Return the runs. A task takes a whole run."""
        if split != "test":
            return None
        return Groups(tuple(map(_classes_of, RUNS)), whole=True)


def _classes_of(run: str) -> tuple[str, ...]:
    return tuple(f"{run}/class{number:02d}" for number in range(1, CLASSES + 1))


def _test_items(archive: Archive, run: str) -> dict[str, str]:
    """Return the drawing to recognise of each class.

    A line of the run's table names a test item and its training item, ".../class01.png".
    """
    lines = text_lines(archive, f"{run}/class_labels.txt")
    items = {}
    for line in lines:
        words = line.split()
        if len(words) != 2:
            break  # which is found below
        test_item, training_item = words
        name = training_item.rpartition("/")[2].removesuffix(".png")
        items[f"{run}/{name}"] = test_item
    if len(lines) != CLASSES or items.keys() != set(_classes_of(run)):
        raise DataError(
            f"{run}/class_labels.txt in {archive.path} does not pair {CLASSES} classes "
            "with test items."
        )
    return items
