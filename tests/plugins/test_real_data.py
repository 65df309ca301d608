"""Published archives: their counts, by the command and by the functions behind it."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from mlw_vision.data.cropdisease import CropDisease
from mlw_vision.data.eurosat import EuroSat
from mlw_vision.data.isic import Isic
from mlw_vision.data.miniimagenet import MiniImageNet
from mlw_vision.data.reading import split_lists
from open_tables import open_tables
from places import SHARED, needs_published

from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import entry_of
from workbench.errors import DataError

pytestmark = needs_published(
    "EuroSAT_RGB-subset.zip",
    "CropDisease-subset.zip",
    "ISIC2018_Task3-subset.zip",
    "mini-imagenet.zip",
)
MINI = SHARED / "mini-imagenet.zip"
ISIC = {"MEL": 150, "NV": 150, "BCC": 150, "AKIEC": 150, "BKL": 150, "DF": 60, "VASC": 80}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("name", "dataset", "archive", "classes", "images", "part"),
    [
        ("eurosat", EuroSat(size=16), "EuroSAT_RGB-subset.zip", 10, 400, "4,000 of 27,000 images"),
        (
            "cropdisease",
            CropDisease(size=16),
            "CropDisease-subset.zip",
            15,
            150,
            "2,250 of 54,305 images",
        ),
    ],
)
def test_a_part_is_taken_as_a_part(cache, name, dataset, archive, classes, images, part):
    with pytest.raises(DataError, match=r"; add --partial to use it as a part\.$"):
        fetch(entry_of(dataset), SHARED / archive)
    fetched = fetch(entry_of(dataset), SHARED / archive, partial=True)
    assert [file.part for file in fetched.files] == [part]
    tables = open_tables(name, dataset)
    assert list(tables) == ["test"]
    assert np.diff(tables["test"].starts).tolist() == [images] * classes
    assert tables["test"].images.shape[1:] == (3, 16, 16)


def test_isic_by_the_command(cache):
    program = Path(sys.executable).with_name("mlw")
    archive = SHARED / "ISIC2018_Task3-subset.zip"
    done = subprocess.run(
        [program, "download", "isic", "--from", archive, "--partial"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "a part: 890 of 10,015 images" in done.stdout
    assert "test: 7 classes, 890 images of 3 x 84 x 84" in done.stdout
    table = open_tables("isic", Isic())["test"]
    counts = dict(zip(table.names, np.diff(table.starts).tolist(), strict=True))
    assert counts == ISIC


def test_miniimagenet_is_all_there():
    """100 classes of 600 images in the published split; two of each part are decoded."""
    with zipfile.ZipFile(MINI) as archive:
        here = {name.rpartition("/")[2] for name in archive.namelist()}
        for split, classes in split_lists("miniimagenet").items():
            rows = list(csv.DictReader(io.StringIO(archive.read(f"{split}.csv").decode())))
            assert {row["filename"] for row in rows} <= here
            assert sorted(row["label"] for row in rows) == sorted(classes * 600)
    for split, classes in split_lists("miniimagenet").items():
        two = islice(read(split), 2)
        for expected, (name, images) in zip(classes[:2], two, strict=True):
            assert name == expected
            assert images.shape == (600, 3, 84, 84)
            assert 0 < images.mean() < 255


def read(part: str, **options):
    return MiniImageNet(**options).classes(part, {MINI.name: MINI})


def test_miniimagenet_as_the_source_of_cross_domain_benchmarks():
    assert list(read("val", split="all")) == list(read("test", split="all")) == []
    assert next(iter(read("train", split="all", size=16))).images.shape == (600, 3, 16, 16)
