"""Preparing once, whatever happens meanwhile."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import images
from workbench.errors import DataError
from workbench.images import Dataset, ImageClass, prepare

few = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- preparing


class Given(Dataset):
    """Yields the classes that it was given; counts how often it was asked for the training split."""

    def __init__(self, content: dict[str, list[ImageClass]], *, option: int = 1):
        self.content = content
        self.option = option
        self.times = 0

    def classes(self, split, files):
        self.times += split == "train"
        yield from self.content.get(split, [])


def some(name: str, images: int = 2, side: int = 3) -> ImageClass:
    return ImageClass(name, np.full((images, 1, side, side), len(name), np.uint8))


@few
@given(st.dictionaries(st.sampled_from(images.SPLITS), st.dictionaries(st.text(), st.integers(1, 4), min_size=1)))
def test_tables_hold_what_the_classes_yield(tmp_path_factory, content):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLW_CACHE", str(tmp_path_factory.mktemp("cache")))
        random = np.random.default_rng(0)
        classes = {
            split: [ImageClass(name, random.integers(0, 256, (n, 3, 2, 5), np.uint8)) for name, n in sizes.items()]
            for split, sizes in content.items()
        }
        if not classes:
            with pytest.raises(DataError, match="it has no classes in any split"):
                prepare("it", Given(classes), {})
            return
        tables = prepare("it", Given(classes), {})
    assert tables.keys() == classes.keys()
    for split, table in tables.items():
        assert table.names == tuple(one.name for one in classes[split])
        assert np.diff(table.starts).tolist() == [len(one.images) for one in classes[split]]
        for (_, pixels), start in zip(classes[split], table.starts[:-1], strict=True):
            assert (table.images[start : start + len(pixels)] == pixels).all()


def test_prepared_once_and_mapped(cache):
    dataset = Given({"train": [some("a"), some("bb", 3)]})
    first, second = prepare("plugin/it", dataset, {}), prepare("plugin/it", dataset, {})
    assert dataset.times == 1
    assert isinstance(second["train"].images, np.memmap)
    assert first["train"].fingerprint == second["train"].fingerprint
    second["train"].images[0] = 99  # a slip of the hand does not reach the file
    assert (prepare("plugin/it", dataset, {})["train"].images[0] == 1).all()
    (folder,) = (cache / "prepared").glob("[!.]*")
    assert folder.name.startswith("plugin-it-")
    assert (np.load(folder / "train.npy") == first["train"].images).all()  # a plain .npy file


def test_what_is_prepared_anew(cache, tmp_path, monkeypatch):
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
    monkeypatch.setattr(images.inspect, "getsource", lambda of: "a changed line")
    assert [times(), times()] == [1, 0]


def test_files_beside_the_module_count_as_its_text(cache, tmp_path, monkeypatch):
    (tmp_path / "module_of_test.py").write_text(
        "from test_images import Given\nclass It(Given):\n    sources = ('split.toml',)\n"
    )
    (tmp_path / "split.toml").write_text("1")
    monkeypatch.syspath_prepend(tmp_path)
    from module_of_test import It

    for text, times in (("1", 1), ("1", 0), ("2", 1)):
        (tmp_path / "split.toml").write_text(text)
        dataset = It({"train": [some("a")]})
        prepare("it", dataset, {})
        assert dataset.times == times


def test_fingerprint_is_of_content(cache):
    numbers = count()

    def fingerprint(**content: list[ImageClass]) -> str:
        return prepare(f"it{next(numbers)}", Given(content), {})["train"].fingerprint

    kinds = [
        fingerprint(train=[some("a")]),
        fingerprint(train=[some("b")]),
        fingerprint(train=[some("a", 3)]),
        fingerprint(train=[some("a"), some("b")]),
        fingerprint(train=[some("a")], test=[some("b")]),
    ]
    assert len(set(kinds)) == len(kinds)
    assert prepare("other name", Given({"train": [some("a")]}), {})["train"].fingerprint == kinds[0]


@pytest.mark.parametrize("damage", ["cut", "missing", "index", "header"])
def test_damaged_folder_is_made_again(cache, damage):
    dataset = Given({"train": [some("a")], "test": [some("b")]})
    prepare("it", dataset, {})
    (folder,) = (cache / "prepared").glob("it-*")
    if damage == "cut":
        (folder / "test.npy").write_bytes((folder / "test.npy").read_bytes()[:-1])
    elif damage == "missing":
        (folder / "train.npy").unlink()
    elif damage == "index":
        (folder / "index.json").write_text(json.dumps({"splits": []}))
    else:
        (folder / "train.npy").write_bytes(bytes((folder / "train.npy").stat().st_size))
    tables = prepare("it", dataset, {})
    assert dataset.times == 2
    assert sorted(tables) == ["test", "train"]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([some("a"), some("a")], "The class a is twice in the train split"),
        ([some("a"), some("b", side=4)], r"b has images of shape \(1, 4, 4\), those before it \(1, 3, 3\)"),
        ([some("a", 0)], "a must be uint8 images"),
        ([ImageClass("a", np.zeros((1, 1, 2, 2)))], r"not float64 \(1, 1, 2, 2\)"),
    ],
)
def test_data_set_that_breaks_the_contract(cache, classes, message):
    with pytest.raises(DataError, match=message):
        prepare("it", Given({"train": classes}), {})
    assert [path for path in (cache / "prepared").iterdir() if path.suffix != ".lock"] == []


# --- the disk and other processes


def test_full_disk(cache, monkeypatch):
    def full(shape):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images, "_npy_header", full)
    with pytest.raises(DataError, match=r"The disk that holds .* is full; free some space or set MLW_CACHE"):
        prepare("it", Given({"train": [some("a")]}), {})
    assert [path for path in (cache / "prepared").iterdir() if path.suffix != ".lock"] == []


def test_cache_that_cannot_be_a_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\); set MLW_CACHE to another folder"):
        prepare("it", Given({"train": [some("a")]}), {})


SLOW = """
import os, sys, time
import numpy as np
from workbench.images import Dataset, ImageClass, prepare

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
def test_killed_half_way_leaves_nothing_half_made(cache, tmp_path):
    run = start(tmp_path, 60)
    assert run.stdout is not None
    assert run.stdout.readline() == "half\n"
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert list((cache / "prepared").glob("slow-*")) == []
    again = start(tmp_path, 0)
    assert len(again.communicate()[0].split()[-1]) == 64
    assert [path.suffix for path in (cache / "prepared").iterdir() if not path.name.startswith("slow-")] == [".lock"]


def test_reading_data_imports_no_torch():
    code = "import sys, workbench.download, workbench.images; print({'torch', 'pandas', 'pooch'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
