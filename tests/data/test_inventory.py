"""What is in the cache: listed and removed."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import pytest
from given_classes import Given, some
from image_folders import class_folders
from registered import register

from workbench.data import inventory as inventory_module
from workbench.data.dataset import Dataset
from workbench.data.download.entry import ManifestEntry, RemoteFile
from workbench.data.download.provenance import FetchedFile, downloads_folder, write_provenance
from workbench.data.image_folder.register import add_folder
from workbench.data.inventory import inventory, occupied, remove, remove_prepared
from workbench.data.prepared import prepare

CONTENT = b"an archive"
COUNTS = {"images": 12}


def entry_of(*names: str, form: str = "") -> ManifestEntry:
    files = tuple(RemoteFile(name, counts=COUNTS, form=form) for name in names)
    return ManifestEntry("tiny", "https://example.invalid", "CC0", "Nobody, 2020", files)


@pytest.fixture
def entries(cache, monkeypatch):
    """The manifest entries of all data sets, by the name in lists: of one, tiny."""
    found = {"tiny": entry_of("tiny.zip")}
    monkeypatch.setattr(inventory_module, "_entries", lambda: found)
    return found


def put(name: str, verified: str = "checksum", *, folder: str = "tiny", part: str = ""):
    """Put a file into the cache as if it had been downloaded."""
    path = downloads_folder() / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = FetchedFile(path, "here", verified, len(CONTENT), digest, {"images": 8}, part)
    write_provenance(file)
    return path


def prepare_one(name: str = "tiny"):
    prepare(name, Given({"test": [some("a")]}), {})


def states() -> dict[str, str]:
    return {item.name: item.state for item in inventory()}


# --- list


def test_nothing_is_listed_in_an_empty_cache(entries):
    assert inventory() == []
    assert occupied() == 0


@pytest.mark.parametrize(
    ("verified", "state"),
    [
        ("checksum", "verified"),
        ("learnt", "learnt"),
        ("count", "checked by count"),
        ("given", "accepted as given"),
    ],
)
def test_how_files_were_verified(entries, verified, state):
    put("tiny.zip", verified)
    (item,) = inventory()
    assert (item.name, item.files, item.state) == ("tiny", ("tiny.zip",), state)
    assert item.downloaded > len(CONTENT)  # the file and its provenance
    assert item.prepared == 0


def test_the_least_reliable_file_decides(entries):
    entries["tiny"] = entry_of("a.zip", "b.zip", "c.zip")
    put("a.zip", "learnt")
    put("b.zip", "count")
    put("c.zip")
    assert states() == {"tiny": "checked by count"}


def test_a_part_gives_its_numbers(entries):
    put("tiny.zip", "part", part="8 of 12 images")
    assert states() == {"tiny": "part: 8 of 12 images"}


def test_missing_files_are_counted(entries):
    entries["tiny"] = entry_of("a.zip", "b.zip")
    put("a.zip")
    assert states() == {"tiny": "incomplete: 1 of 2 files; run: mlw download tiny"}


def test_one_complete_form_is_enough(entries):
    files = (*entry_of("a.zip", form="one").files, *entry_of("b.zip", form="other").files)
    entries["tiny"] = replace(entry_of(), files=files)
    put("b.zip")
    assert states() == {"tiny": "verified"}


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_file_is_named(entries, damage):
    path = put("tiny.zip")
    if damage == "cut":
        path.write_bytes(CONTENT[:-1])
    else:
        path.unlink()
    assert states() == {"tiny": "damaged: tiny.zip; run: mlw download tiny"}


def test_a_folder_of_one_s_own_that_has_changed_is_marked(entries, tmp_path):
    folder = class_folders(tmp_path / "my birds", 3)
    add_folder("birds:size=8", folder)
    assert states() == {"birds": "your own"}
    changed = next(folder.glob("*/*.png"))
    changed.write_bytes(changed.read_bytes() + b" ")
    assert states() == {
        "birds": f"your own; files have changed since; run: mlw download birds:size=8 "
        f"--from '{folder}'"
    }
    shutil.rmtree(folder)
    assert states() == {"birds": "your own, which is gone"}


def test_prepared_images_without_downloads(entries):
    prepare_one("tiny")
    prepare_one("drawn")
    assert states() == {"tiny": "not downloaded", "drawn": "needs no download"}
    assert all(item.prepared > 0 and item.downloaded == 0 for item in inventory())
    assert occupied() == sum(item.prepared for item in inventory())


@pytest.mark.parametrize("content", ["", "[]", "3", '{"name": ["a"]}'])
def test_a_damaged_prepared_folder_is_listed(cache, entries, content):
    prepare_one()
    (index,) = (cache / "prepared").glob("tiny-*/index.json")
    index.write_text(content)
    ((name, state),) = states().items()
    assert state == f"damaged; run: mlw download {name} --verify"


def test_downloads_of_a_removed_plugin_are_listed(entries):
    put("old.zip", folder="old")
    put("tiny.zip")
    assert states() == {"old": "verified", "tiny": "verified"}
    assert remove("old").startswith("old: removed downloaded files")
    assert states() == {"tiny": "verified"}


@pytest.mark.parametrize("target", ["no_such_package:Broken", dict])
def test_a_broken_plugin_stops_no_list(cache, monkeypatch, target):
    register(monkeypatch, "datasets", "broken", target)
    put("tiny.zip")
    assert states() == {"tiny": "verified"}


def test_a_name_of_two_plugins_is_listed_by_both_full_names(cache, monkeypatch):
    class Omniglot(Dataset):
        """Another plugin's class for the same manifest entry."""

        manifest = "omniglot"

    register(monkeypatch, "datasets", "omniglot", Omniglot)
    put("images_background.zip", folder="omniglot")
    assert states().keys() == {"mlw-vision/omniglot", "tests/omniglot"}
    assert remove("mlw-vision/omniglot").endswith("; tests/omniglot used the same files")
    assert states() == {}


# --- remove


def test_removing_says_what_was_removed(cache, entries):
    put("tiny.zip")
    prepare_one()
    assert remove("tiny") == (
        "tiny: removed prepared images (0.0 MB); removed downloaded files (0.0 MB)"
    )
    assert inventory() == []
    assert remove("tiny") == "tiny: nothing to remove"


def test_data_sets_that_share_files_are_named(entries):
    entries["other"] = entries["tiny"]
    put("tiny.zip")
    assert states() == {"tiny": "verified", "other": "verified"}
    assert remove("tiny").endswith("; other used the same files")


def test_only_prepared_images_are_removed(entries):
    put("tiny.zip")
    prepare_one()
    remove_prepared("tiny")
    (item,) = inventory()
    assert (item.prepared, item.state) == (0, "verified")


@pytest.mark.parametrize("name", [".", "..", "../precious", "./tiny", "tiny/", "", "learnt.toml"])
def test_removing_reaches_nothing_else(cache, entries, name):
    put("tiny.zip")
    (downloads_folder() / "learnt.toml").touch()
    (cache / "precious").mkdir()
    before = sorted(cache.rglob("*"))
    assert remove(name) == f"{name}: nothing to remove"
    assert sorted(cache.rglob("*")) == before
