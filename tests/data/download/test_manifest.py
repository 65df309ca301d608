"""Finding an entry, in a plugin or in the workbench, and the facts of every shipped one."""

from __future__ import annotations

import pytest
from open_tables import open_tables
from places import ROOT

from workbench.data.dataset import Dataset
from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import MANIFEST, entry_of, find_entry, overlap, overlaps_of
from workbench.data.download.manifest_file import read_manifest
from workbench.errors import DataError

SHIPPED = read_manifest(ROOT / MANIFEST)


def test_shipped_omniglot_is_complete():
    entry = find_entry("omniglot")
    assert [file.name for file in entry.files] == ["images_background.zip", "images_evaluation.zip"]
    assert sum(file.counts["images"] for file in entry.files) == 32_460
    for name in ("omniglot", "omniglot_small1", "omniglot_small2"):
        for file in find_entry(name).files:
            assert file.size > 0
            assert (len(file.md5), len(file.sha256), len(file.counts)) == (32, 64, 3)


@pytest.mark.parametrize("entry", SHIPPED.values(), ids=list(SHIPPED))
def test_every_shipped_entry_names_its_source_and_how_to_get_it(entry):
    assert all([entry.licence, entry.citation, entry.homepage.startswith("http")])
    assert entry.steps or all(file.urls for file in entry.files)
    if entry.steps:
        assert f"mlw download {entry.name}" in entry.steps


def test_unknown_entry():
    with pytest.raises(DataError, match=r"There is no entry \[nothing\] in .*datasets.toml"):
        find_entry("nothing")


def test_data_set_without_files_needs_no_download():
    class Drawn(Dataset):
        def classes(self, split, files):
            yield from ()

    with pytest.raises(DataError, match="needs no download"):
        entry_of(Drawn)


PLUGIN = """
import numpy as np
from workbench import Dataset, ImageClass
from workbench.data import Archive

class Tiny(Dataset):
    manifest = "tiny"
    def __init__(self, *, size: int = 8):
        self.size = size
    def classes(self, split, files):
        if split == "train":
            with Archive(files["tiny.zip"]) as archive:
                names = list(archive.images())
                yield ImageClass("all", archive.stack(names, size=self.size, channels=1))
"""
PLUGIN_MANIFEST = """
[tiny]
homepage = ""
licence = "CC0"
citation = "Nobody"

[[tiny.file]]
url = "{url}"
name = "tiny.zip"
size = {file.size}
md5 = "{file.md5}"
counts = {{ images = 12 }}
"""


def test_a_plugin_with_a_manifest_of_its_own(cache, entry, server, tmp_path, monkeypatch):
    package = tmp_path / "site" / "tiny_plugin_of_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    manifest = PLUGIN_MANIFEST.format(url=f"{server.url}tiny.zip", file=entry.files[0])
    (package / "datasets.toml").write_text(manifest)
    monkeypatch.syspath_prepend(str(package.parent))
    from tiny_plugin_of_test import Tiny

    dataset: Dataset = Tiny(size=10)
    with pytest.raises(DataError, match=r"^mine is not downloaded; run: mlw download mine$"):
        open_tables("mine", dataset)
    fetched = fetch(entry_of(Tiny))
    assert fetched.counts == {"images": 12}
    tables = open_tables("mine", dataset)
    assert list(tables) == ["train"]
    assert tables["train"].images.shape == (12, 1, 10, 10)


# --- overlap with the data of pre-trained weights


@pytest.mark.parametrize("entry", SHIPPED.values(), ids=list(SHIPPED))
def test_every_shipped_entry_says_whether_it_overlaps_imagenet(entry):
    assert "imagenet" in entry.overlaps
    assert set(entry.overlaps) <= {"imagenet", *SHIPPED}
    for other in entry.overlaps:
        if other in SHIPPED:  # two data sets that overlap both say so
            assert SHIPPED[other].overlaps[entry.name]


def test_data_sets_made_from_imagenet_overlap_it():
    sure = {"miniimagenet", "tieredimagenet", "ilsvrc_2012", "cub"}
    assert sure <= {name for name, entry in SHIPPED.items() if entry.overlaps["imagenet"]}
    for name in ("omniglot", "eurosat", "isic", "chestx"):
        assert not SHIPPED[name].overlaps["imagenet"]


@pytest.mark.parametrize(
    ("pretrained_on", "answer"),
    [
        ((), "no"),
        (("imagenet",), "yes"),
        (("x",), "yes"),
        (("places",), "no"),
        (("unknown",), "unknown"),
        (("instagram", "imagenet"), "yes"),
        (("imagenet", "instagram"), "yes"),
        (("instagram", "places"), "unknown"),
    ],
)
def test_whether_weights_saw_a_data_set(pretrained_on, answer):
    stated = {"imagenet": True, "places": False, "x": True}
    assert overlap(stated, pretrained_on) == answer


def test_overlaps_of_data_sets():
    class Made(Dataset):
        def classes(self, split, files):
            yield from ()

    class Birds(Made):
        manifest = "cub"

    assert overlaps_of(entry_of(Birds)) == {"imagenet": True, "cub": True}
    assert overlap({}, ("imagenet",)) == "unknown"
