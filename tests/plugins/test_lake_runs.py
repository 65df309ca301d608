"""Lake's 20 runs: his files must give his published error rate and his tasks."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mlw_vision.data.lake_runs import LakeRuns
from open_tables import open_tables
from PIL import Image
from places import SHARED, needs_published
from scipy.spatial import KDTree

from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import entry_of
from workbench.data.tables import Table
from workbench.errors import DataError

ARCHIVE = SHARED / "all_runs.zip"
real = needs_published("all_runs.zip")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Table:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLW_CACHE", str(tmp_path_factory.mktemp("cache")))
        dataset = LakeRuns()
        fetched = fetch(entry_of(dataset), ARCHIVE)
        assert fetched.counts == {"images": 800, "folders": 40, "runs": 20}
        tables = open_tables("lake_runs", dataset)
    assert list(tables) == ["test"]
    return tables["test"]


def drawings(table: Table, run: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the drawings to learn from and those to recognise, `(20, 105, 105)` each, by class."""
    numbers = [table.names.index(name) for name in table.groups.members[run]]
    rows = table.starts[numbers]
    return table.images[rows, 0], table.images[rows + 1, 0]


def errors(cost: np.ndarray) -> float:
    """Return the percentage of test drawings with a nearest drawing of another class."""
    return 100.0 * float(np.mean(cost.argmin(1) != np.arange(len(cost))))


def ink(drawing: np.ndarray) -> KDTree:
    """Return a search tree of the inked pixels' coordinates about their mean."""
    points = np.argwhere(drawing > 127).astype(float)
    return KDTree(points - points.mean(0))


def modified_hausdorff(a: KDTree, b: KDTree) -> float:
    """Return the larger of two mean distances from the points of one set to the other.

    Dubuisson, Jain: A modified Hausdorff distance for object matching, ICPR 1994.
    """
    return max(a.query(b.data)[0].mean(), b.query(a.data)[0].mean())


@real
def test_tasks_are_runs(table):
    assert table.groups.whole
    assert table.images.shape == (800, 1, 105, 105)
    assert set(np.diff(table.starts)) == {2}
    assert [len(group) for group in table.groups.members] == [20] * 20
    assert {name.partition("/")[0] for name in table.groups.members[3]} == {"run04"}
    assert sorted(name for group in table.groups.members for name in group) == sorted(table.names)


@real
def test_modified_hausdorff_distance_errs_in_38_8_percent(table):
    """Lake's demo reports 38.8% over the 20 runs."""
    rates = []
    for run in range(20):
        learnt, asked = ([ink(drawing) for drawing in each] for each in drawings(table, run))
        rates.append(errors(np.array([[modified_hausdorff(a, b) for b in learnt] for a in asked])))
    assert np.mean(rates) == pytest.approx(38.75)


@real
def test_nearest_neighbour_on_pixels(table):
    """A golden number for the distance between raw pixels."""
    rates = []
    for run in range(20):
        learnt, asked = (each.reshape(20, -1).astype(float) for each in drawings(table, run))
        rates.append(errors(((asked[:, None] - learnt) ** 2).sum(-1)))
    assert np.mean(rates) == pytest.approx(81.0)


@real
def test_pairs_are_those_of_the_key(table):
    """The second drawing of a class is the file named in the run's table."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        for line in archive.read("run07/class_labels.txt").decode().splitlines():
            item, learnt = line.split()
            name = f"run07/{Path(learnt).stem}"
            start = table.starts[table.names.index(name)]
            for row, file in ((start, learnt), (start + 1, item)):
                ours = table.images[row, 0] > 127
                assert (
                    ours == ~np.asarray(Image.open(io.BytesIO(archive.read(file))).convert("1"))
                ).all()


def tiny_runs(path: Path) -> Path:
    """Write an archive in the published layout; the ink identifies a drawing."""
    with zipfile.ZipFile(path, "w") as archive:
        for run in range(1, 21):
            lines = []
            for number in range(1, 21):
                item = 21 - number  # the second drawing of a class has another number
                to_learn, to_recognise = f"training/class{number:02d}", f"test/item{item:02d}"
                for place, ink in ((to_learn, number), (to_recognise, 50 + item)):
                    archive.writestr(f"run{run:02d}/{place}.png", drawing(ink))
                lines.append(f"run{run:02d}/{to_recognise}.png run{run:02d}/{to_learn}.png\n")
            archive.writestr(f"run{run:02d}/class_labels.txt", "".join(lines))
    return path


def drawing(ink: int) -> bytes:
    paper = np.ones((105, 105), bool)
    paper[0, :ink] = False
    stream = io.BytesIO()
    Image.fromarray(paper).save(stream, "PNG")
    return stream.getvalue()


def test_an_archive_in_the_published_layout(tmp_path):
    path = tiny_runs(tmp_path / "all_runs.zip")
    found = list(LakeRuns().classes("test", {path.name: path}))
    assert len(found) == 400
    name, images = found[45]
    assert name == "run03/class06"
    assert images.shape == (2, 1, 105, 105)
    assert (images > 127).sum((1, 2, 3)).tolist() == [6, 50 + 15]
    groups = LakeRuns().groups("test")
    assert groups.whole
    assert [name for group in groups.members for name in group] == [each.name for each in found]
    assert list(LakeRuns().classes("train", {path.name: path})) == []


def test_key_that_is_not_whole(tmp_path):
    path = tmp_path / "all_runs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "run01/class_labels.txt", "run01/test/item01.png run01/training/class08.png\n"
        )
    with pytest.raises(
        DataError, match=r"run01/class_labels.txt in .* does not pair 20 classes with test items"
    ):
        list(LakeRuns().classes("test", {path.name: path}))
