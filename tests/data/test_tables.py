"""Tables: what they contain, on disk and in memory, and the contract of a data set."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from itertools import count

import numpy as np
import pytest
from given_classes import Given, Grouped, some
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.data.dataset import SPLITS, Dataset, Groups, ImageClass
from workbench.data.files import blocks
from workbench.data.files.blocks import block_checksums
from workbench.data.prepared import prepare
from workbench.data.tables import BLANK, fingerprint_of, image_hashes, is_intact, load_tables
from workbench.errors import DataError
from workbench.progress import Progress

few = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@few
@given(
    st.dictionaries(
        st.sampled_from(SPLITS), st.dictionaries(st.text(), st.integers(1, 4), min_size=1)
    )
)
def test_tables_contain_what_the_classes_yield(tmp_path_factory, content):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLW_CACHE", str(tmp_path_factory.mktemp("cache")))
        random = np.random.default_rng(0)
        classes = {
            split: [
                ImageClass(name, random.integers(0, 256, (n, 3, 2, 5), np.uint8))
                for name, n in sizes.items()
            ]
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


def test_fingerprint_of_changed_images(cache):
    groups = Groups((("a", "b"),), whole=True)
    dataset = Grouped({"train": [some("a"), some("b", 3)]}, {"train": groups})
    (recorded,) = {table.fingerprint for table in prepare("it", dataset, {}).values()}
    (folder,) = (cache / "prepared").glob("it-*")
    assert fingerprint_of(load_tables(folder)) == recorded
    content = bytearray((folder / "train.npy").read_bytes())
    content[-1] ^= 1
    (folder / "train.npy").write_bytes(content)
    assert fingerprint_of(load_tables(folder)) != recorded


def test_fingerprint_never_changes(cache):
    """Results and runs record it, so it must not change from version to version."""
    groups = Groups((("a",), ("a", "ä/b")), whole=False)
    content = {"train": [some("a"), some("ä/b", 3)], "test": [some("c")]}
    tables = prepare("it", Grouped(content, {"train": groups}), {})
    golden = "53a52df18fe982f5d9cf8c7983fe11a2a3ef0b92203389d6c018d46243beb286"
    assert tables["test"].fingerprint == golden


@pytest.mark.parametrize("damage", ["cut", "missing", "index", "starts", "header", "hashes"])
def test_a_damaged_folder_is_prepared_again(cache, damage):
    dataset = Given({"train": [some("a")], "test": [some("b")]})
    prepare("it", dataset, {})
    (folder,) = (cache / "prepared").glob("it-*")
    if damage == "cut":
        (folder / "test.npy").write_bytes((folder / "test.npy").read_bytes()[:-1])
    elif damage == "missing":
        (folder / "train.npy").unlink()
    elif damage == "starts":
        index = (folder / "index.json").read_text()
        (folder / "index.json").write_text(index.replace('"starts": [0, 2]', '"starts": [1, 2]'))
    elif damage == "hashes":
        np.save(folder / "train.hashes.npy", np.ones(2, np.uint64))
    elif damage == "index":
        (folder / "index.json").write_text(json.dumps({"splits": []}))
    else:
        (folder / "train.npy").write_bytes(bytes((folder / "train.npy").stat().st_size))
    tables = prepare("it", dataset, {})
    assert dataset.times == 2
    assert sorted(tables) == ["test", "train"]


def given_shape(*shape):
    return ImageClass("a", np.zeros((1, *shape), np.uint8))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([some("a"), some("a")], "The train split has two classes named a"),
        (
            [some("a"), some("b", side=4)],
            r"class b have shape \(1, 4, 4\), those of the classes before it \(1, 3, 3\)",
        ),
        ([some("a", 0)], "The images of class a must be uint8"),
        ([ImageClass("a", np.zeros((1, 1, 2, 2)))], r"not float64 \(1, 1, 2, 2\)"),
        ([ImageClass("a", [[0]])], "must be a numpy array, not list"),
        ([given_shape(28, 28, 3)], r"a are \(28, 28, 3\): are the channels last\? .*transpose"),
        ([given_shape(32, 24, 4)], "are the channels last"),
        ([given_shape(28, 28, 1)], "are the channels last"),
    ],
)
def test_a_data_set_that_breaks_the_contract(cache, classes, message):
    with pytest.raises(DataError, match=message):
        prepare("it", Given({"train": classes}), {})
    assert [path for path in (cache / "prepared").iterdir() if path.suffix != ".lock"] == []


def test_changed_images_are_not_intact(cache):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (50, 1, 40, 40), np.uint8)
    dataset = Given({"train": [ImageClass("a", images)]})
    assert is_intact(prepare("it", dataset, {})["train"])
    (folder,) = (cache / "prepared").glob("it-*")
    content = bytearray((folder / "train.npy").read_bytes())
    content[20_000:24_000] = bytes(4000)
    (folder / "train.npy").write_bytes(content)
    assert not is_intact(prepare("it", dataset, {})["train"])
    assert (prepare("it", dataset, {}, check=True)["train"].images == images).all()
    assert dataset.times == 2


@pytest.mark.parametrize("size", [0, 1, 2**20])
def test_checksums_of_blocks(monkeypatch, size):
    monkeypatch.setattr(blocks, "BLOCK", 2**18)
    content = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    expected = [zlib.crc32(content[at : at + 2**18].tobytes()) for at in range(0, size, 2**18)]
    assert block_checksums(content) == expected


def test_hashes_of_images():
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 7), np.uint8)
    images[1] = images[0]
    images[2] = np.array([[[1]], [[2]], [[3]]])  # one colour
    hashes = image_hashes(images)
    assert hashes[0] == hashes[1] != hashes[3]
    assert hashes[2] == BLANK
    assert BLANK not in hashes[[0, 1, 3]]


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 5, 3), (3, 4, 3), (64, 100, 1), (64, 1, 1)])
def test_shapes_that_raise_no_question(shape, cache):
    tables = prepare("it", Given({"train": [given_shape(*shape)]}), {})
    assert tables["train"].images.shape[1:] == shape


def test_progress_is_reported_after_each_class(cache):
    told: list[Progress] = []
    dataset = Given({"train": [some("a", 2), some("b", 3)], "test": [some("c", 4)]})
    prepare("it", dataset, {}, report=told.append)
    assert told == [
        Progress("it, train", 2, unit="images"),
        Progress("it, train", 5, unit="images"),
        Progress("it, test", 4, unit="images"),
    ]
    prepare("it", dataset, {}, report=told.append)
    assert len(told) == 3  # nothing was prepared


def test_few_classes_are_in_memory_at_once(cache):
    class Large(Dataset):
        def classes(self, split, files):
            if split == "train":
                yield from (
                    ImageClass(f"{i}", np.full((100, 3, 84, 84), i, np.uint8)) for i in range(20)
                )  # 2 MB each

    tracemalloc.start()
    prepare("large", Large(), {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2_116_800


def test_an_array_that_is_yielded_repeatedly(cache):
    class Reused(Dataset):
        def classes(self, split, files):
            images = np.empty((100, 3, 84, 84), np.uint8)
            for i in range(20 if split == "train" else 0):
                images[:] = i
                yield ImageClass(f"{i}", images)

    table = prepare("reused", Reused(), {})["train"]
    assert (table.images == np.repeat(np.arange(20), 100)[:, None, None, None]).all()


# --- groups


def test_groups_come_back(cache):
    content = {"train": [some("a"), some("bb"), some("ä/c")], "test": [some("d")]}
    groups = Groups((("a", "ä/c"), ("bb", "a")), whole=True)
    for _ in range(2):
        tables = prepare("it", Grouped(content, {"train": groups}), {})
        assert tables["train"].groups == groups
        assert tables["test"].groups is None


def test_groups_are_content(cache):
    content = {"train": [some("a"), some("bb")]}
    kinds = [
        None,
        Groups((("a",),), True),
        Groups((("a",),), False),
        Groups((("bb",),), True),
        Groups((), True),
    ]
    numbers = count()
    prints = {
        prepare(f"it{next(numbers)}", Grouped(content, {"train": k}), {})["train"].fingerprint
        for k in kinds
    }
    assert len(prints) == len(kinds)


def test_a_group_with_an_unknown_class(cache):
    dataset = Grouped({"train": [some("a")]}, {"train": Groups((("a", "b"),), True)})
    with pytest.raises(
        DataError, match="A group of the train split contains b, which is not one of the 1 classes"
    ):
        prepare("it", dataset, {})
