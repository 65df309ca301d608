"""Images are prepared once, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from given_classes import Given, some

from workbench.data import prepared, tables
from workbench.data.dataset import SPLITS, Dataset, ImageClass
from workbench.data.files.archive import Archive
from workbench.data.prepared import prepare
from workbench.errors import DataError

# --- when images are prepared again


def test_prepared_once_and_mapped(cache):
    dataset = Given({"train": [some("a"), some("bb", 3)]})
    first, second = prepare("plugin/it", dataset, {}), prepare("plugin/it", dataset, {})
    assert dataset.times == 1
    assert isinstance(second["train"].images, np.memmap)
    assert first["train"].fingerprint == second["train"].fingerprint
    second["train"].images[0] = 99  # a mistake does not reach the file
    assert (prepare("plugin/it", dataset, {})["train"].images[0] == 1).all()
    (folder,) = (cache / "prepared").glob("[!.]*")
    assert folder.name.startswith("plugin-it-")
    assert (np.load(folder / "train.npy") == first["train"].images).all()  # a plain .npy file


def test_when_images_are_prepared_again(cache, tmp_path, monkeypatch):
    content = {"train": [some("a")]}

    def times(name: str = "it", option: int = 1, **files: Path) -> int:
        dataset = Given(content, option=option)
        prepare(name, dataset, files)
        return dataset.times

    file = tmp_path / "file"
    file.write_text("1")
    assert [times(), times()] == [1, 0]
    assert [times(option=2), times(option=2)] == [1, 0]
    assert [times(name="other"), times(name="other")] == [1, 0]
    assert [times(file=file), times(file=file)] == [1, 0]
    file.write_text("2")
    assert [times(file=file), times(file=file)] == [1, 0]
    monkeypatch.setattr(prepared.inspect, "getsource", lambda of: "a changed line")
    assert [times(), times()] == [1, 0]


def test_sources_count_as_text_of_the_module(cache, tmp_path, monkeypatch):
    (tmp_path / "module_of_test.py").write_text(
        "from given_classes import Given\nclass It(Given):\n    sources = ('split.toml',)\n"
    )
    (tmp_path / "split.toml").write_text("1")
    monkeypatch.syspath_prepend(tmp_path)
    from module_of_test import It

    for text, times in (("1", 1), ("1", 0), ("2", 1)):
        (tmp_path / "split.toml").write_text(text)
        dataset = It({"train": [some("a")]})
        prepare("it", dataset, {})
        assert dataset.times == times


# --- the disk


@pytest.mark.parametrize("where", ["_append", "_npy_header"])
def test_full_disk(cache, monkeypatch, where):
    def full(*what):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tables, where, full)
    with pytest.raises(
        DataError, match=r"The disk that holds .* is full; free some space or set MLW_CACHE"
    ):
        prepare("it", Given({"train": [some("a")]}), {})
    assert [path for path in (cache / "prepared").iterdir() if path.suffix != ".lock"] == []


def test_cache_that_cannot_be_a_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        DataError, match=r"cannot be written \(Not a directory\); set MLW_CACHE to another folder"
    ):
        prepare("it", Given({"train": [some("a")]}), {})


# --- files that change


class Packed(Dataset):
    """The files of an archive, one byte each, as classes of one image; the same in each split."""

    def __init__(self, meanwhile=None):
        self.meanwhile = meanwhile or (lambda split: None)

    def classes(self, split, files):
        with Archive(files["x.tar.gz"]) as archive:
            self.meanwhile(split)
            for name in archive.names:
                yield ImageClass(
                    name, np.frombuffer(archive.read(name), np.uint8).reshape(1, 1, 1, 1)
                )


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a", "a")
    return tmp_path / "x.tar.gz"


def test_archive_is_decompressed_once_for_all_splits(cache, packed):
    found = []

    def look(split):
        found.append(
            [
                (path.name, path.stat().st_ino)
                for path in (cache / "prepared").glob(".*.part/scratch/*")
            ]
        )

    tables = prepare("it", Packed(look), {"x.tar.gz": packed})
    assert sorted(tables) == ["test", "train", "val"]
    assert len(found[0]) == 1
    assert found == [found[0]] * 3
    (folder,) = (cache / "prepared").glob("it-*")
    assert sorted(path.name for path in folder.iterdir()) == [
        "index.json",
        "test.hashes.npy",
        "test.npy",
        "train.hashes.npy",
        "train.npy",
        "val.hashes.npy",
        "val.npy",
    ]


@pytest.mark.parametrize("how", ["written", "replaced"])
@pytest.mark.parametrize("when", SPLITS)
def test_file_that_changes_while_it_is_prepared(cache, packed, how, when):
    def change(split):
        if split == when and how == "written":
            with packed.open("ab") as file:
                file.write(bytes(10))
        elif split == when:
            shutil.copy(packed, packed.with_name("other"))
            packed.with_name("other").replace(packed)

    with pytest.raises(DataError, match=r"x\.tar\.gz changed while it was read"):
        prepare("it", Packed(change), {"x.tar.gz": packed}, {"x.tar.gz": "known"})
    assert sorted(tables := prepare("it", Packed(), {"x.tar.gz": packed}, {"x.tar.gz": "known"}))
    assert len(tables) == 3  # nothing prepared from the changing file was kept


# --- other processes


def test_cache_removed_while_it_is_prepared(cache):
    class Removed(Given):
        def classes(self, split, files):
            if split == "val":
                shutil.rmtree(cache)
            return super().classes(split, files)

    dataset = Removed({"train": [some("a")], "test": [some("b")]})
    with pytest.raises(DataError, match="could not be read or written: No such file") as caught:
        prepare("it", dataset, {})
    assert "\n" not in str(caught.value)
    assert sorted(prepare("it", Given({"train": [some("a")]}), {})) == ["train"]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
def test_cache_removed_after_it_was_prepared(cache):
    tables = prepare("it", Given({"train": [some("a", 500, 40)]}), {})
    shutil.rmtree(cache)
    assert (tables["train"].images == 1).all()


def test_leftovers_of_killed_processes_are_removed(cache):
    prepared = cache / "prepared"
    for name in ("dead", "alive"):
        (prepared / f".{name}-0123.part" / "scratch").mkdir(parents=True)
    (prepared / ".dead-0123.lock").touch()  # a lock file alone is no lock
    with FileLock(prepared / ".alive-0123.lock"):
        prepare("it", Given({"train": [some("a")]}), {})
        assert [path.name for path in prepared.glob(".*.part")] == [".alive-0123.part"]


SLOW = """
import os, sys, time
import numpy as np
from workbench.data.files.archive import Archive
from workbench.data.dataset import Dataset, ImageClass
from workbench.data.prepared import prepare

class Slow(Dataset):
    def classes(self, split, files):
        if split == "train":
            with open("log", "a") as log:
                log.write("started\\n")
            for i in range(20):
                yield ImageClass(f"{i}", np.full((2, 1, 8, 8), i, np.uint8))
                if i == 10:
                    print("half", flush=True)
                    time.sleep(float(os.environ["SLEEP"]))

print(prepare("slow", Slow(), {})["train"].fingerprint, flush=True)
"""


def start(folder: Path, sleep: float) -> subprocess.Popen[str]:
    (folder / "slow.py").write_text(SLOW)
    command = [sys.executable, "slow.py"]
    environment = os.environ | {"SLEEP": str(sleep)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def test_two_processes_at_once_prepare_once(cache, tmp_path):
    runs = [start(tmp_path, 0.5) for _ in range(2)]
    prints = {run.communicate()[0].split()[-1] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(prints) == 1
    assert (tmp_path / "log").read_text() == "started\n"


@pytest.mark.skipif(os.name == "nt", reason="no kill -9 on Windows")
def test_a_killed_process_leaves_no_incomplete_folder(cache, tmp_path):
    run = start(tmp_path, 60)
    assert run.stdout is not None
    assert run.stdout.readline() == "half\n"
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert list((cache / "prepared").glob("slow-*")) == []
    again = start(tmp_path, 0)
    assert len(again.communicate()[0].split()[-1]) == 64
    assert [
        path.suffix for path in (cache / "prepared").iterdir() if not path.name.startswith("slow-")
    ] == [".lock"]


def test_reading_data_imports_no_torch():
    code = "import sys, workbench.data.download.fetch, workbench.data.prepared; "
    code += "print({'torch', 'pandas', 'pooch'} & sys.modules.keys())"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "set()"
    )
