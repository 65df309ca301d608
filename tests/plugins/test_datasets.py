"""Every data set, read from a small archive in the official layout."""

from __future__ import annotations

import pickle
import re
import shutil
import struct
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from cross_domain_layouts import ISIC
from few_shot_layouts import tiered
from making_archives import EACH, SPLITS, Files, gzipped, idx, shade, tar, zipped
from mlw_vision import DATASETS
from mlw_vision.data.mscoco import around
from official_layouts import CASES, GREY, WHOLE
from open_tables import open_tables
from places import ROOT

from workbench.data.dataset import ImageClass, chosen_options
from workbench.data.download.entry import ARCHIVES, suffix_of
from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import entry_of, overlap, overlaps_of
from workbench.data.opening import open_dataset
from workbench.data.tables import Table
from workbench.errors import DataError
from workbench.plugin.options import convert_options, options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.testing import check_constructor, check_stored

# --- fetching and opening


@pytest.fixture
def learnt(tmp_path, monkeypatch):
    """Use an empty cache, and a manifest without checksums: the files are ours."""
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    tables = tomllib.loads((ROOT / "datasets.toml").read_text())
    for table in tables.values():
        table["file"] = [
            {key: file[key] for key in ("name", "names", "form") if key in file}
            for file in table["file"]
        ]
        table |= {"access": "by hand", "steps": "Make them."}
    (tmp_path / "datasets.toml").write_text(tomli_w.dumps(tables))
    monkeypatch.setattr(
        "workbench.data.download.manifest.MANIFEST", str(tmp_path / "datasets.toml")
    )


def given(folder: Path, files: Files) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def dataset_of(text: str, **more):
    spec = parse_spec(text.partition("#")[0])
    target = registry().find("datasets", spec.name).load()
    options = convert_options(spec.name, spec.options | more, options_of(target))
    return spec.name, target(**options)


def opened(text: str, folder: Path, **more):
    name, dataset = dataset_of(text, **more)
    fetch(entry_of(dataset), folder)
    return open_tables(name, dataset)


def read(text: str, folder: Path, *splits: str, **more) -> list[ImageClass]:
    """Return the classes as the data set yields them."""
    _, dataset = dataset_of(text, **more)
    files = {path.name: path for path in folder.iterdir()}
    return [one for split in splits or SPLITS for one in dataset.classes(split, files)]


@pytest.mark.parametrize("case", CASES)
def test_from_the_official_layout(case, learnt, tmp_path):
    files, classes = CASES[case]()
    compare(case, opened(case, given(tmp_path / "given", files)), classes)


UNPACKED = [
    case for case in CASES if case not in ("quickdraw", "ilsvrc_2012")
]  # these two are never unpacked


@pytest.mark.parametrize("case", UNPACKED)
def test_from_what_the_archives_unpack_to(case, learnt, tmp_path):
    files, classes = CASES[case]()
    folder = tmp_path / "given"
    for name, content in files.items():
        if (suffix := suffix_of(name)) not in ARCHIVES:
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
            continue
        (tmp_path / name).write_bytes(content)
        shutil.unpack_archive(tmp_path / name, folder / name.removesuffix(suffix))
    compare(case, opened(case, folder), classes)


def compare(case: str, tables: dict[str, Table], classes: dict) -> None:
    """Assert that tables hold the classes of each split and their images, in order."""
    grey = case.partition(":")[0] in GREY
    size = 28 if grey else 32 if case in ("cifarfs", "fc100") else 84
    assert {split: list(table.names) for split, table in tables.items()} == {
        split: names for split, names in classes.items() if names
    }
    for table in tables.values():
        each = 2 if case == "cifar10" else EACH
        assert table.images.shape == (each * len(table.names), 1 if grey else 3, size, size)
        middle = table.images[:, :, size // 4 : -size // 4, size // 4 : -size // 4].reshape(
            *table.images.shape[:2], -1
        )
        expected = np.array([shade(name, i) for name in table.names for i in range(each)])[
            :, : table.images.shape[1]
        ]
        assert np.abs(middle.astype(int) - expected[:, :, None]).max() <= 6, (
            case
        )  # JPEG changes colours slightly


@pytest.mark.parametrize("name", WHOLE)
def test_all_classes_train_if_asked_and_then_none_is_for_test(name, learnt, tmp_path):
    files, classes = CASES[name]()
    folder = given(tmp_path / "given", files)
    compare(name, opened(f"{name}:split=train", folder), {"train": classes["test"]})


def test_a_set_that_trains_is_no_test_set(learnt, tmp_path):
    _, dataset = dataset_of("eurosat:split=train")
    fetch(entry_of(dataset), given(tmp_path / "given", CASES["eurosat"]()[0]))
    data = open_dataset("eurosat:split=train")
    assert list(data.tables) == ["train"]
    with pytest.raises(
        DataError, match="eurosat:split=train has no test classes; its splits: train"
    ):
        data.table("test")


def test_what_can_be_asked_to_train():
    """Only data sets without training classes can be trained on as a whole."""
    with_split = {name: chosen_options(dataset_of(name)[1]).get("split") for name in DATASETS}
    assert {name for name, split in with_split.items() if split == "test"} == set(WHOLE)


def test_the_page_says_why_a_set_overlaps_imagenet_or_not():
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (yes|no) \| (.+?) \| .+ \|$", page, re.M)
    said = {name: answer for answer, names in rows for name in re.findall(r"`(\w+)`", names)}
    targets = {name: registry().find("datasets", name).load() for name in DATASETS}
    assert said == {
        name: overlap(overlaps_of(entry_of(t)), ("imagenet",))
        for name, t in targets.items()
        if t.manifest
    }


@pytest.mark.parametrize("name", DATASETS)
def test_options_are_stored_and_sources_are_there(name):
    check_constructor("datasets", name)
    _, dataset = dataset_of(name)
    check_stored(dataset, chosen_options(dataset))
    folder = Path(sys.modules[type(dataset).__module__].__file__).parent
    assert all((folder / source).is_file() for source in dataset.sources)
    text = Path(sys.modules[type(dataset).__module__].__file__).read_text()
    shared = set(re.findall(r"from mlw_vision\.data\.(\w+) import", text))
    assert {f"{module}.py" for module in shared} <= set(
        dataset.sources
    )  # otherwise a change there would go unnoticed
    lists = set(re.findall(r'split_lists\("(\w+)"\)', text))
    assert (
        {f"../splits/{each}.toml" for each in lists} & set(dataset.sources)
        or not lists
        or name == "cifar10"
    )


def test_every_data_set_of_files_is_shown_here():
    shown = {case.partition("#")[0].partition(":")[0] for case in CASES}
    assert shown == DATASETS.keys() - {
        "glyphs",
        "omniglot",
        "omniglot_small1",
        "omniglot_small2",
        "lake_runs",
    }


@pytest.mark.parametrize("name", ["aircraft", "mscoco"])
def test_a_crop_holds_nothing_of_what_is_outside(name, learnt, tmp_path):
    tables = opened(name, given(tmp_path / "given", CASES[name]()[0]))
    for table in tables.values():
        for row in range(0, len(table.images), EACH):
            expected = np.array(shade(table.names[row // EACH], 0))[:, None, None]
            # JPEG blurs the edge of the box
            assert np.abs(table.images[row, :, 2:-2, 2:-2].astype(int) - expected).max() <= 30


def test_boxes_are_enlarged_round_their_centre():
    # 7.3 to 43.3 and 6.3 to 54.3, counted from the centres of pixels
    assert around([10.3, 10.3, 30.0, 40.0], 100, 60) == (7, 6, 44, 55)
    assert around([0.0, 0.0, 100.0, 60.0], 100, 60) == (0, 0, 100, 60)
    left, _, right, _ = around([100.5, 60.5, 0.0, 0.0], 100, 60)
    assert left >= right  # left out


@pytest.mark.parametrize("name", GREY)
def test_grey_sets_can_be_made_like_colour(name, tmp_path):
    folder = given(tmp_path / "given", CASES[name]()[0])
    for plain, like in zip(
        read(name, folder, "test"), read(name, folder, "test", size="84", channels="3"), strict=True
    ):
        assert like.name == plain.name
        assert like.images.shape == (len(plain.images), 3, 84, 84)
        assert (like.images == like.images[:, :1]).all()


@pytest.mark.parametrize("case", [case for case in CASES if case not in GREY])
def test_colour_sets_can_be_made_grey(case, tmp_path):
    folder = given(tmp_path / "given", CASES[case]()[0])
    whole = {"split": "train"} if case in WHOLE else {}
    for colour, grey in zip(
        read(case, folder, "train", **whole),
        read(case, folder, "train", channels="1", **whole),
        strict=True,
    ):
        assert grey.name == colour.name
        luminance = np.array([0.299, 0.587, 0.114]) @ np.moveaxis(colour.images, 1, -2)
        assert grey.images.shape == (len(colour.images), 1, *colour.images.shape[2:])
        assert np.abs(grey.images[:, 0] - luminance).max() < 4  # a JPEG is rounded otherwise


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_can_take_the_shape_of_every_other(name):
    for shape in ({"size": "84", "channels": "3"}, {"size": "28", "channels": "1"}):
        _, dataset = dataset_of(name, **shape)
        assert [dataset.size, dataset.channels] == [int(each) for each in shape.values()]


def test_emnist_stands_upright(tmp_path):
    for _, images in read("emnist", given(tmp_path / "given", CASES["emnist"]()[0]), "test"):
        assert (images[:, 0, 27, 0] == 255).all()
        assert (images[:, 0, 0, 27] != 255).any()


@pytest.mark.parametrize(
    ("most", "kept"), [("2", [0, 3]), ("4", [0, 1, 3, 4]), ("0", [0, 1, 2, 3, 4, 5])]
)
def test_drawings_are_spread_evenly(tmp_path, most, kept):
    np.save(tmp_path / "yoga.npy", np.repeat(np.arange(6, dtype=np.uint8)[:, None], 784, 1))
    (yoga,) = read("quickdraw", tmp_path, "test", images=most)
    assert yoga.images[:, 0, 0, 0].tolist() == kept


# --- damaged and unexpected files


def broken(case: str, file: str, content: bytes) -> Files:
    return CASES[case]()[0] | {file: content}


class Harm:
    def __reduce__(self):
        return (print, ("harm",))


@pytest.mark.parametrize(
    ("case", "file", "content", "message"),
    [
        ("mnist", "train-images-idx3-ubyte.gz", gzipped(b"\0\0\x08\x03" + b"\0" * 5), "damaged"),
        (
            "mnist",
            "train-images-idx3-ubyte.gz",
            idx(np.zeros(5)),
            "is not an array of bytes with 3 axes",
        ),
        (
            "mnist",
            "train-images-idx3-ubyte.gz",
            gzipped(struct.pack(">HBB3I", 0, 8, 3, 9, 28, 28)),
            "0 bytes of",
        ),
        (
            "mnist",
            "train-images-idx3-ubyte.gz",
            gzipped(struct.pack(">HBB3I", 0, 8, 3, 2**31, 28, 28)),
            "up to",
        ),
        ("quickdraw", "yoga.npy", pickle.dumps([1]), "not a file of numpy"),
        ("quickdraw", "yoga.npy", b"", "not a file of numpy"),
        (
            "chestx",
            "Data_Entry_2017.csv",
            b"a,b\n1,2\n",
            "no columns Image Index and Finding Labels",
        ),
        ("vgg_flower", "imagelabels.mat", b"MATLAB", "not the published table of labels"),
        (
            "fungi",
            "train_val_annotations.tgz",
            tar({"train.json": b"[]", "val.json": b"[]"}),
            "no table of annotations",
        ),
        ("fungi", "train_val_annotations.tgz", tar({"val.json": b"[]"}), "contains no train.json"),
        (
            "cifar10",
            "cifar-10-python.tar.gz",
            tar({"a/batches.meta": pickle.dumps([1])}),
            "holds a list, not a table",
        ),
        (
            "cifar10",
            "cifar-10-python.tar.gz",
            tar({"a/batches.meta": pickle.dumps(Harm())}),
            "print",
        ),
        (
            "miniimagenet",
            "mini-imagenet.tar.gz",
            tar({f"mini-imagenet-cache-{s}.pkl": pickle.dumps({"x": 1}) for s in SPLITS}),
            r"holds \['x'\], neither image_data",
        ),
        (
            "isic",
            f"{ISIC}_GroundTruth.zip",
            zipped({"read.me": b"no labels"}),
            "hold no ISIC2018_Task3_Training_Gr",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, case, file, content, message, capsys):
    folder = given(tmp_path / "given", broken(case, file, content))
    with pytest.raises(DataError, match=message):
        read(case, folder)
    assert "harm" not in capsys.readouterr().out


def test_a_class_that_the_published_split_does_not_hold(tmp_path):
    members, _ = tiered()
    members["class_names.txt"] = b"nothing\nof this"
    files = {f"tiered-imagenet-{name}": content for name, content in members.items()}
    with pytest.raises(
        DataError,
        match=r"train part of tieredImageNet has a class 'train bird' that is not",
    ):
        read("tieredimagenet", given(tmp_path / "given", files))
