"""`datasets.toml` against the published facts, and against the data sets that use it."""

from __future__ import annotations

import tomllib

import pytest
from mlw_vision import DATASETS
from places import ROOT, SHARED, needs_published

from workbench.data.download.entry import ManifestEntry
from workbench.data.download.manifest import entry_of
from workbench.data.download.manifest_file import read_manifest
from workbench.plugin.registry import registry

FACTS = SHARED / "dataset-facts.toml"


@pytest.fixture(scope="module")
def entries() -> dict[str, ManifestEntry]:
    return read_manifest(ROOT / "datasets.toml")


def test_every_entry_is_of_a_data_set_and_the_reverse(entries):
    targets = [registry().find("datasets", name).load() for name in DATASETS]
    assert {target.manifest for target in targets if target.manifest} == entries.keys()
    assert all(
        entry_of(target) == entries[target.manifest] for target in targets if target.manifest
    )


def test_what_cannot_be_fetched_says_what_to_do(entries):
    for entry in entries.values():
        assert entry.licence
        assert entry.citation
        if entry.access != "direct":
            assert f"mlw download {entry.name} --from" in entry.steps


def published() -> dict[str, dict]:
    """Return the facts of each file by its name, without names that stand for several files."""
    tables = tomllib.loads(FACTS.read_text())
    files = {}
    for name, table in tables.items():
        for file in table.get("file", []):
            files.setdefault((name, file["name"]), file)
        for row in table.get("files", []):
            size, md5, sha256 = (row[2], row[3], "") if name == "chestx" else row[1:4]
            files[name, row[0]] = {"size": size, "md5": md5, "sha256": sha256}
    return files


RENAMED = {  # what the facts call our entries, where it is something else
    "miniimagenet": "mini_imagenet",
    "tieredimagenet": "tiered_imagenet",
    "cub": "cub_200_2011",
    "aircraft": "fgvc_aircraft",
    "vgg_flower": "vgg_flowers",
    "traffic_sign": "gtsrb",
    "isic": "isic2018_task3",
    "cropdisease": "crop_disease",
    "omniglot_small1": "omniglot",
    "omniglot_small2": "omniglot",
}


@needs_published("dataset-facts.toml")
def test_sizes_and_checksums_are_the_published_ones(entries):
    facts, compared = published(), 0
    for entry in entries.values():
        for file in entry.files:
            fact = facts.get((RENAMED.get(entry.name, entry.name), file.name))
            if fact is not None:
                expected = (fact.get("size", 0), fact.get("md5", ""), fact.get("sha256", ""))
                assert (file.size, file.md5, file.sha256) == expected, file.name
                compared += 1
    assert compared == 46


def test_quickdraw_has_a_file_for_each_thing(entries):
    files = entries["quickdraw"].files
    assert len(files) == 345
    assert "aircraft%20carrier.npy" in {file.urls[0].rpartition("/")[2] for file in files}


def test_everything_that_is_registered_is_on_a_page():
    docs = ROOT / "docs"
    pages = ""
    for page in (docs / "algorithms").glob("*.md"):
        pages += f"`{page.stem}` {page.read_text(encoding='utf-8')}"
    places = {
        "algorithms": [pages],
        "backbones": [(docs / "backbones.md").read_text(encoding="utf-8")],
        "datasets": [(docs / "datasets.md").read_text(encoding="utf-8")],
    }
    missing = []
    for kind, texts in places.items():
        for name in registry().entries(kind):
            if not all(f"`{name}`" in text for text in texts):
                missing.append(name)
    assert missing == []
