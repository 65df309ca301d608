"""Every data set through its real loader: a small archive in the official layout, fetched, prepared, opened.

Images are of one colour, which tells the class and the number of the image in it.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import shutil
import struct
import sys
import tarfile
import tomllib
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from mlw_vision import DATASETS
from mlw_vision.data.cifar import cifarfs, fc100
from mlw_vision.data.idx import BALANCED, KUZUSHIJI
from mlw_vision.data.ilsvrc_2012 import leaves
from mlw_vision.data.mscoco import around
from mlw_vision.data.reading import split_lists
from mlw_vision.data.tieredimagenet import superclasses
from PIL import Image

from workbench import specs
from workbench.download import fetch, open_dataset
from workbench.errors import DataError
from workbench.images import ImageClass, Table, options_of
from workbench.manifest import ARCHIVES, entry_of, overlap, overlaps_of, suffix_of
from workbench.opened import open_data
from workbench.plugins import registry
from workbench.testing import check_constructor, check_stored

SPLITS = ("train", "val", "test")
MANIFEST = Path(__file__).resolve().parents[2] / "datasets.toml"
Files = dict[str, bytes]  # members of an archive, or files of a folder
EACH = 3  # images of a class


# --- making archives


def shade(name: str, number: int) -> tuple[int, int, int]:
    """The colour of an image of a class."""
    code = zlib.crc32(f"{name} {number}".encode())
    return code & 255, code >> 8 & 255, code >> 16 & 255


def picture(colour: tuple[int, ...], kind: str = "JPEG", size: tuple[int, int] = (20, 16), box=None) -> bytes:
    """An image file of one colour; with a box, of that colour within it and white outside."""
    image = Image.new("RGB", size, "white" if box else colour)
    if box:
        image.paste(colour, box)
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    return stream.getvalue()


NOISE = np.random.default_rng(0).bytes(40_000)  # images of one colour shrink more than an archive may


def tar(members: Files, mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zipped(members: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def some(lists: dict[str, list[str]], count: int = 2) -> dict[str, list[str]]:
    """The first classes of each split."""
    return {split: sorted(names)[:count] for split, names in lists.items()}


def photographs(classes: dict[str, list[str]], path: str, kind: str = "JPEG") -> Files:
    """Three images a class, named by a template of class and number."""
    every = sorted(name for names in classes.values() for name in names)
    return {path.format(name=n, number=i): picture(shade(n, i), kind) for n in every for i in range(EACH)}


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes())


# --- the official layouts: each returns the files and the classes that must come out


def miniimagenet_pickles() -> tuple[Files, dict]:
    classes = some(split_lists("miniimagenet"))
    members = {}
    for split, names in classes.items():
        images = [np.full((84, 84, 3), shade(name, i), np.uint8) for i in range(EACH) for name in names]
        members[f"mini-imagenet-cache-{split}.pkl"] = pickle.dumps(
            {"image_data": np.stack(images), "class_dict": {n: list(range(k, 6, 2)) for k, n in enumerate(names)}}, 2
        )
    return {"mini-imagenet.tar.gz": tar(members | {"noise": NOISE})}, classes


def miniimagenet_files() -> tuple[Files, dict]:
    (archive,), classes = miniimagenet_pickles()[0].values(), some(split_lists("miniimagenet"))
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = {name.replace("-val", "-validation"): opened.extractfile(name).read() for name in opened.getnames()}
    return files, classes


def miniimagenet_labels() -> tuple[Files, dict]:
    """`data` and `labels`, which go on from split to split."""
    files, labels = {}, 0
    for split, word in (("train", "train"), ("val", "validation"), ("test", "test")):
        names = split_lists("miniimagenet")[split]
        images = np.stack([np.full((84, 84, 3), shade(name, i), np.uint8) for name in names for i in range(EACH)])
        numbers = np.repeat(np.arange(len(names)), EACH) + labels
        labels += len(names)
        files[f"mini-imagenet-cache-{word}.pkl"] = pickle.dumps({"data": images, "labels": numbers.tolist()})
    return files, dict(split_lists("miniimagenet"))


def miniimagenet_images() -> tuple[Files, dict]:
    classes = some(split_lists("miniimagenet"))
    members = photographs(classes, "images/{name}{number:08d}.jpg")
    for split, names in classes.items():
        rows = [f"{name}{number:08d}.jpg,{name}" for name in names for number in range(EACH)]
        members[f"{split}.csv"] = "\n".join(["filename,label", *rows, ""]).encode()
    return {"mini-imagenet.zip": zipped(members)}, classes


def miniimagenet_all() -> tuple[Files, dict]:
    files, classes = miniimagenet_images()
    return files, {"train": [name for split in SPLITS for name in classes[split]]}


def _tiered() -> tuple[Files, dict]:
    """Two classes of one name, to be told apart by their order, and labels of superclasses that mean nothing."""
    members, classes, words, numbers = {}, {}, [], []
    for split in SPLITS:
        groups = superclasses(split)
        chosen = sorted(groups)[:3]
        names = [f"{groups[each]}/{each}" for each in chosen]
        called = ["crane", "crane", f"{split} bird"]
        words += called
        numbers += chosen
        order = [2, 0, 1]  # labels count in an order of their own
        labels = {
            "label_specific": np.repeat(np.arange(3), EACH),
            "label_general": np.zeros(3 * EACH, int),
            "label_specific_str": [called[k] for k in order],
            "label_general_str": ["thing"],
        }
        images = [
            np.frombuffer(picture(shade(names[k], i), "PNG"), np.uint8)[:, None] for k in order for i in range(EACH)
        ]
        members[f"{split}_labels.pkl"] = pickle.dumps(labels, 2)
        members[f"{split}_images_png.pkl"] = pickle.dumps(images, 2)
        classes[split] = sorted(names)
    members["class_names.txt"] = "\n".join([*words, "elsewhere"]).encode()
    members["synsets.txt"] = "\n".join([*numbers, "n00000000"]).encode()
    return members, classes


def tieredimagenet_tar() -> tuple[Files, dict]:
    members, classes = _tiered()
    return {"tiered-imagenet.tar": tar({f"tiered-imagenet/{n}": c for n, c in members.items()}, "w")}, classes


def tieredimagenet_files() -> tuple[Files, dict]:
    members, classes = _tiered()
    return {f"tiered-imagenet-{name}": content for name, content in members.items()}, classes


def cub(scheme: str) -> tuple[Files, dict]:
    classes = some(split_lists("cub")[scheme])
    members = photographs(classes, "CUB_200_2011/images/{name}/{name}_{number}.jpg")
    members["CUB_200_2011/classes.txt"] = b"1 001.Black_footed_Albatross\n"
    return {"CUB_200_2011.tgz": tar(members)}, classes


def cifar100(classes: dict) -> tuple[Files, dict]:
    """Both batches hold images of every class, in rows of three planes."""
    every = sorted(name for split in SPLITS for name in cifarfs(split))
    fine = sorted(name.partition("/")[2] for name in every)
    members = {"cifar-100-python/meta": pickle.dumps({"fine_label_names": fine, "coarse_label_names": []}, 2)}
    for part, numbers in (("train", range(2)), ("test", range(2, 3))):
        pairs = [(name, number) for number in numbers for name in every]
        planes = [np.repeat(np.array(shade(*pair), np.uint8), 1024) for pair in pairs]
        labels = [fine.index(name.partition("/")[2]) for name, _ in pairs]
        content = {"data": np.stack(planes), "fine_labels": labels, "coarse_labels": labels}
        members[f"cifar-100-python/{part}"] = pickle.dumps(content, 2)
    return {"cifar-100-python.tar.gz": tar(members | {"cifar-100-python/noise": NOISE})}, classes


def cifar10() -> tuple[Files, dict]:
    names = ["airplane", "automobile", "bird"]
    members = {"cifar-10-batches-py/batches.meta": pickle.dumps({"label_names": names}, 2)}
    for number, batch in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        name = names[number % 3]  # two batches for each class
        planes = [np.repeat(np.array(shade(name, number // 3), np.uint8), 1024)]
        content = {"data": np.stack(planes), "labels": [number % 3]}
        members[f"cifar-10-batches-py/{batch}"] = pickle.dumps(content, 2)
    return {"cifar-10-python.tar.gz": tar(members)}, {"test": names}


def ilsvrc_2012() -> tuple[Files, dict]:
    """All classes, for the groups must be found among them."""
    classes = {split: leaves(split) for split in SPLITS}
    inner = {}
    for name in (name for names in classes.values() for name in names):
        inner[f"{name}.tar"] = tar({f"{name}_{i}.JPEG": picture(shade(name, i)) for i in range(EACH)}, "w")
    return {"ILSVRC2012_img_train.tar": tar(inner, "w")}, classes


def aircraft() -> tuple[Files, dict]:
    """Boxes count pixels from 1 and hold the last one; outside them all is white."""
    lists = {split: [*sorted(names)[:1], *(n for n in names if "/" in n)][:3] for split, names in AIRCRAFT.items()}
    members, lines, boxes = {}, {"trainval": [], "test": []}, []
    numbers = iter(range(10_000))
    for name in (name for names in lists.values() for name in names):
        plain = name.replace("/", "-")
        for i in range(EACH):
            number = f"{next(numbers):07d}"
            members[f"fgvc-aircraft-2013b/data/images/{number}.jpg"] = picture(
                shade(plain, i), size=(48, 40), box=(8, 8, 40, 32)
            )
            boxes.append(f"{number} 9 9 40 32")
            lines["test" if i == 2 else "trainval"].append(f"{number} {name}")
    folder = "fgvc-aircraft-2013b/data"
    members[f"{folder}/images_box.txt"] = "\n".join(boxes).encode()
    for part, content in lines.items():
        members[f"{folder}/images_variant_{part}.txt"] = ("\n".join(content) + "\n").encode()
    classes = {split: [name.replace("/", "-") for name in names] for split, names in lists.items()}
    return {"fgvc-aircraft-2013b.tar.gz": tar(members)}, classes


AIRCRAFT = split_lists("aircraft")


def dtd() -> tuple[Files, dict]:
    classes = some(split_lists("dtd"))
    members = photographs(classes, "dtd/images/{name}/{name}_{number:04d}.jpg")
    members["dtd/images/waffled/.directory"] = b"left over"
    return {"dtd-r1.0.1.tar.gz": tar(members)}, classes


def quickdraw() -> tuple[Files, dict]:
    lists, files = split_lists("quickdraw"), {}
    for name in (name for names in lists.values() for name in names):
        stream = io.BytesIO()
        np.save(stream, np.repeat(np.array([shade(name, i)[0] for i in range(EACH)], np.uint8)[:, None], 784, 1))
        files[f"{name}.npy"] = stream.getvalue()
    return files, {split: sorted(names) for split, names in lists.items()}


def fungi() -> tuple[Files, dict]:
    classes = some(split_lists("fungi"))
    tables: dict = {part: {"images": [], "annotations": [], "categories": []} for part in ("train", "val")}
    images = {}
    for name in (name for names in classes.values() for name in names):
        for i in range(EACH):
            file, table = f"images/{name[5:]}/{i}.jpg", tables["val" if i == 2 else "train"]
            images[file] = picture(shade(name, i))
            table["images"].append({"id": len(images), "file_name": file})
            table["annotations"].append({"image_id": len(images), "category_id": int(name[:4])})
    annotations = {f"{part}.json": json.dumps(table).encode() for part, table in tables.items()}
    return {"fungi_train_val.tgz": tar(images), "train_val_annotations.tgz": tar(annotations)}, classes


def vgg_flower() -> tuple[Files, dict]:
    from scipy.io import savemat

    classes = some(split_lists("vgg_flower"))
    every = [name for i in range(EACH) for names in classes.values() for name in names]
    times = len(every) // EACH
    images = {f"jpg/image_{n + 1:05d}.jpg": picture(shade(name, n // times)) for n, name in enumerate(every)}
    stream = io.BytesIO()
    savemat(stream, {"labels": np.array([[int(name[:3]) for name in every]], np.uint8)})
    return {"102flowers.tgz": tar(images), "imagelabels.mat": stream.getvalue()}, classes


def traffic_sign() -> tuple[Files, dict]:
    signs = split_lists("traffic_sign")["test"]
    members = {}
    for sign in signs:
        folder, plain = f"GTSRB/Final_Training/Images/{int(sign[:2]):05d}", sign.replace("/", "-")
        members[f"{folder}/GT-{int(sign[:2]):05d}.csv"] = b"Filename;Width;Height\n"
        for i in range(EACH):
            members[f"{folder}/00000_{i:05d}.ppm"] = picture(shade(plain, i), "PPM")
    return {"GTSRB_Final_Training_Images.zip": zipped(members)}, {"test": [s.replace("/", "-") for s in signs]}


def mscoco() -> tuple[Files, dict]:
    """Two objects in each image, left and right, and a box without an area."""
    classes = {split: names[:2] for split, names in split_lists("mscoco").items()}
    numbers = {name: n for n, name in enumerate((name for names in classes.values() for name in names), 3)}
    table: dict = {"images": [], "annotations": [], "categories": [{"id": n, "name": k} for k, n in numbers.items()]}
    members = {}
    for first, second in (classes["val"], classes["test"]):
        for i in range(EACH):
            image = Image.new("RGB", (100, 60), "white")
            number = len(members) + 1
            for name, left in ((first, 0), (second, 50)):
                image.paste(shade(name, i), (left, 0, left + 50, 60))
                box = [left + 10.0, 10.0, 30.0, 40.0]
                table["annotations"].append({"image_id": number, "category_id": numbers[name], "bbox": box})
            table["annotations"].append({"image_id": number, "category_id": 3, "bbox": [100.5, 60.5, 0.0, 0.0]})
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=95)
            members[f"train2017/{number:012d}.jpg"] = stream.getvalue()
            table["images"].append({"id": number, "file_name": f"{number:012d}.jpg", "width": 100, "height": 60})
    annotations = {"annotations/instances_train2017.json": json.dumps(table).encode()}
    return {"train2017.zip": zipped(members), "annotations_trainval2017.zip": zipped(annotations)}, classes


def _idx_files(names: tuple[str, ...], path: str, parts: tuple[str, ...], *, lying: bool = False) -> Files:
    """Images of one grey each but for a corner; labels go round."""
    first = int(names[0] == "")
    files = {}
    for part, numbers in zip(parts, (range(2), range(2, 3)), strict=True):
        pairs = [(name, label, i) for i in numbers for label, name in enumerate(names) if label >= first]
        images = np.stack([np.full((28, 28), shade(name, i)[0], np.uint8) for name, _, i in pairs])
        images[:, 27, 0] = 255  # the lower left
        files[path.format(part, "images-idx3")] = idx(images.transpose(0, 2, 1) if lying else images)
        files[path.format(part, "labels-idx1")] = idx(np.array([label for _, label, _ in pairs]))
    return files


def mnist() -> tuple[Files, dict]:
    names = tuple("0123456789")
    return _idx_files(names, "{}-{}-ubyte.gz", ("train", "t10k")), {"test": list(names)}


def kmnist() -> tuple[Files, dict]:
    return _idx_files(KUZUSHIJI, "{}-{}-ubyte.gz", ("train", "t10k")), {"test": list(KUZUSHIJI)}


def emnist(split: str) -> tuple[Files, dict]:
    names = ("", *"abcdefghijklmnopqrstuvwxyz") if split == "letters" else BALANCED
    members = _idx_files(names, f"gzip/emnist-{split}-{{}}-{{}}-ubyte.gz", ("train", "test"), lying=True)
    return {"gzip.zip": zipped(members)}, {"test": [name for name in names if name]}


def cropdisease_mendeley() -> tuple[Files, dict]:
    classes = {"test": ["Apple___Apple_scab", "Corn___healthy"]}
    folder = "Plant_leave_diseases_dataset_without_augmentation"
    members = photographs(classes, folder + "/{name}/image ({number}).JPG")
    members[f"{folder}/Background_without_leaves/image (1).jpg"] = picture((1, 2, 3))
    return {"Plant_leaf_diseases_dataset_without_augmentation.zip": zipped(members)}, classes


def cropdisease_kaggle() -> tuple[Files, dict]:
    classes = {"test": ["Apple___Apple_scab", "Tomato___healthy"]}
    members = photographs(classes, "dataset/train/{name}/{number}.JPG")
    members["dataset/test/Apple___Apple_scab/9.JPG"] = picture((1, 2, 3))
    return {"plant-disease.zip": zipped(members)}, classes


def eurosat(archive: str, folder: str) -> tuple[Files, dict]:
    classes = {"test": ["AnnualCrop", "Forest", "SeaLake"]}
    return {archive: zipped(photographs(classes, folder + "/{name}/{name}_{number}.jpg"))}, classes


ISIC = "ISIC2018_Task3_Training"


def _isic() -> tuple[Files, Files, dict]:
    kinds = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    images, rows = {}, [",".join(["image", *kinds])]
    for i in range(EACH):
        for kind in kinds:
            name = f"ISIC_{24306 + len(images):07d}"
            images[f"{ISIC}_Input/{name}.jpg"] = picture(shade(kind, i))
            rows.append(",".join([name, *("1.0" if other == kind else "0.0" for other in kinds)]))
    images[f"{ISIC}_Input/ATTRIBUTION.txt"] = b"by many"
    return images, {f"{ISIC}_GroundTruth/{ISIC}_GroundTruth.csv": "\n".join(rows).encode()}, {"test": kinds}


def isic_two() -> tuple[Files, dict]:
    images, labels, classes = _isic()
    return {f"{ISIC}_Input.zip": zipped(images), f"{ISIC}_GroundTruth.zip": zipped(labels)}, classes


def isic_one() -> tuple[Files, dict]:
    images, labels, classes = _isic()
    return {"ISIC2018_Task3.zip": zipped(images | labels)}, classes


def chestx() -> tuple[Files, dict]:
    """Images lie in the archives in the order of the table; those with two findings, others or none are not taken."""
    names = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax"]
    rows, images = ["Image Index,Finding Labels,Follow-up #"], []
    for i in range(EACH):
        for name in [*names, "No Finding", "Pneumonia", "Mass|Nodule"]:
            file = f"{len(images):08d}_{i:03d}.png"
            rows.append(f"{file},{name},{i}")
            images.append((f"images/{file}", picture(shade(name, i), "PNG")))
    files = {"Data_Entry_2017.csv": "\n".join(rows).encode()}
    for number in range(12):
        files[f"images_{number + 1:03d}.tar.gz"] = tar(dict(images[number * 3 : number * 3 + 3] or images[:0]) | README)
    return files, {"test": names}


README = {"images/README.txt": b"X-rays"}

CASES = {
    "miniimagenet": miniimagenet_pickles,
    "miniimagenet#files": miniimagenet_files,
    "miniimagenet#labels": miniimagenet_labels,
    "miniimagenet#images": miniimagenet_images,
    "miniimagenet:split=all": miniimagenet_all,
    "tieredimagenet": tieredimagenet_tar,
    "tieredimagenet#files": tieredimagenet_files,
    "cub": lambda: cub("closerlook"),
    "cub:split=metadataset": lambda: cub("metadataset"),
    "cu_birds": lambda: cub("metadataset"),
    "cifar10": cifar10,
    "cifar100": lambda: cifar100({"test": sorted(name for split in SPLITS for name in cifarfs(split))}),
    "cifarfs": lambda: cifar100({split: cifarfs(split) for split in SPLITS}),
    "fc100": lambda: cifar100({split: fc100(split) for split in SPLITS}),
    "ilsvrc_2012": ilsvrc_2012,
    "aircraft": aircraft,
    "dtd": dtd,
    "quickdraw": quickdraw,
    "fungi": fungi,
    "vgg_flower": vgg_flower,
    "traffic_sign": traffic_sign,
    "mscoco": mscoco,
    "mnist": mnist,
    "kmnist": kmnist,
    "emnist": lambda: emnist("letters"),
    "emnist:split=balanced": lambda: emnist("balanced"),
    "cropdisease": cropdisease_mendeley,
    "cropdisease#kaggle": cropdisease_kaggle,
    "eurosat": lambda: eurosat("EuroSAT_RGB.zip", "EuroSAT_RGB"),
    "eurosat#dfki": lambda: eurosat("EuroSAT.zip", "2750"),
    "isic": isic_two,
    "isic#one": isic_one,
    "chestx": chestx,
}
GREY = ("quickdraw", "mnist", "kmnist", "emnist")
WHOLE = ("chestx", "cifar10", "cropdisease", "eurosat", "isic", "kmnist", "mnist", "traffic_sign")  # test, unless asked


# --- fetching and opening them


@pytest.fixture
def learnt(tmp_path, monkeypatch):
    """A cache of its own, and a manifest that knows the files by name only: what they hold is ours."""
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    tables = tomllib.loads(MANIFEST.read_text())
    for table in tables.values():
        table["file"] = [{key: file[key] for key in ("name", "names", "form") if key in file} for file in table["file"]]
        table |= {"access": "by hand", "steps": "Make them."}
    (tmp_path / "datasets.toml").write_text(tomli_w.dumps(tables))
    monkeypatch.setattr("workbench.manifest.MANIFEST", str(tmp_path / "datasets.toml"))


def given(folder: Path, files: Files) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def dataset_of(text: str, **more):
    spec = specs.parse(text.partition("#")[0])
    target = registry().find("datasets", spec.name).load()
    return spec.name, target(**specs.resolve(spec.name, spec.options | more, specs.options_of(target)))


def opened(text: str, folder: Path, **more):
    name, dataset = dataset_of(text, **more)
    fetch(entry_of(dataset), folder)
    return open_dataset(name, dataset)


def read(text: str, folder: Path, *splits: str, **more) -> list[ImageClass]:
    """The classes as the data set itself yields them."""
    _, dataset = dataset_of(text, **more)
    files = {path.name: path for path in folder.iterdir()}
    return [one for split in splits or SPLITS for one in dataset.classes(split, files)]


@pytest.mark.parametrize("case", CASES)
def test_from_the_official_layout(case, learnt, tmp_path):
    files, classes = CASES[case]()
    compare(case, opened(case, given(tmp_path / "given", files)), classes)


UNPACKED = [case for case in CASES if case not in ("quickdraw", "ilsvrc_2012")]  # the latter need not be unpacked


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
    """The tables hold the classes of each split, and of each class its images in their order."""
    grey = case.partition(":")[0] in GREY
    size = 28 if grey else 32 if case in ("cifarfs", "fc100") else 84
    assert {split: list(table.names) for split, table in tables.items()} == {
        split: names for split, names in classes.items() if names
    }
    for table in tables.values():
        each = 2 if case == "cifar10" else EACH
        assert table.images.shape == (each * len(table.names), 1 if grey else 3, size, size)
        middle = table.images[:, :, size // 4 : -size // 4, size // 4 : -size // 4].reshape(*table.images.shape[:2], -1)
        expected = np.array([shade(name, i) for name in table.names for i in range(each)])[:, : table.images.shape[1]]
        assert np.abs(middle.astype(int) - expected[:, :, None]).max() <= 6, case  # JPEG moves colours a little


@pytest.mark.parametrize("name", WHOLE)
def test_all_classes_train_if_asked_and_then_none_is_for_test(name, learnt, tmp_path):
    files, classes = CASES[name]()
    folder = given(tmp_path / "given", files)
    compare(name, opened(f"{name}:split=train", folder), {"train": classes["test"]})


def test_a_set_that_trains_is_no_test_set(learnt, tmp_path):
    _, dataset = dataset_of("eurosat:split=train")
    fetch(entry_of(dataset), given(tmp_path / "given", CASES["eurosat"]()[0]))
    data = open_data.__wrapped__("eurosat:split=train")  # not for other tests to find
    assert [domain.name for domain in data.domains("train")] == [data.label] == ["eurosat:split=train"]
    with pytest.raises(DataError, match="eurosat:split=train has no test classes; its splits: train"):
        data.domains("test")


def test_what_can_be_asked_to_train():
    """Sets that have training classes in no other way, but for those that are no classes of objects to learn."""
    with_split = {name: options_of(dataset_of(name)[1]).get("split") for name in DATASETS}
    assert {name for name, split in with_split.items() if split == "test"} == set(WHOLE)


def test_the_page_says_why_a_set_overlaps_imagenet_or_not():
    page = (MANIFEST.parent / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (yes|no) \| (.+?) \| .+ \|$", page, re.M)
    said = {name: answer for answer, names in rows for name in re.findall(r"`(\w+)`", names)}
    targets = {name: registry().find("datasets", name).load() for name in DATASETS}
    assert said == {name: overlap(overlaps_of(t), "imagenet") for name, t in targets.items() if t.manifest}


@pytest.mark.parametrize("name", DATASETS)
def test_options_are_stored_and_sources_are_there(name):
    check_constructor("datasets", name)
    _, dataset = dataset_of(name)
    check_stored(dataset, options_of(dataset))
    folder = Path(sys.modules[type(dataset).__module__].__file__).parent
    assert all((folder / source).is_file() for source in dataset.sources)
    text = Path(sys.modules[type(dataset).__module__].__file__).read_text()
    shared = set(re.findall(r"from mlw_vision\.data\.(\w+) import", text))
    assert {f"{module}.py" for module in shared} <= set(dataset.sources)  # or a change there would go unnoticed
    lists = set(re.findall(r'split_lists\("(\w+)"\)', text))
    assert {f"../splits/{each}.toml" for each in lists} & set(dataset.sources) or not lists or name == "cifar10"


def test_every_data_set_of_files_is_shown_here():
    shown = {case.partition("#")[0].partition(":")[0] for case in CASES}
    assert shown == DATASETS.keys() - {"glyphs", "omniglot", "omniglot_small1", "omniglot_small2", "lake_runs"}


@pytest.mark.parametrize("name", ["aircraft", "mscoco"])
def test_a_crop_holds_nothing_of_what_is_outside(name, learnt, tmp_path):
    tables = opened(name, given(tmp_path / "given", CASES[name]()[0]))
    for table in tables.values():
        for row in range(0, len(table.images), EACH):
            expected = np.array(shade(table.names[row // EACH], 0))[:, None, None]
            # a corner pixel may have a little of what JPEG smears over the box's edge
            assert np.abs(table.images[row, :, 2:-2, 2:-2].astype(int) - expected).max() <= 30


def test_boxes_are_enlarged_round_their_centre():
    # 7.3 to 43.3 and 6.3 to 54.3, counted from pixels' centres
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


def test_emnist_stands_upright(tmp_path):
    for _, images in read("emnist", given(tmp_path / "given", CASES["emnist"]()[0]), "test"):
        assert (images[:, 0, 27, 0] == 255).all()
        assert (images[:, 0, 0, 27] != 255).any()


@pytest.mark.parametrize(("most", "kept"), [("2", [0, 3]), ("4", [0, 1, 3, 4]), ("0", [0, 1, 2, 3, 4, 5])])
def test_drawings_are_spread_evenly(tmp_path, most, kept):
    np.save(tmp_path / "yoga.npy", np.repeat(np.arange(6, dtype=np.uint8)[:, None], 784, 1))
    (yoga,) = read("quickdraw", tmp_path, "test", images=most)
    assert yoga.images[:, 0, 0, 0].tolist() == kept


# --- what is not as it must be


def broken(case: str, file: str, content: bytes) -> Files:
    return CASES[case]()[0] | {file: content}


class Harm:
    def __reduce__(self):
        return (print, ("harm",))


@pytest.mark.parametrize(
    ("case", "file", "content", "message"),
    [
        ("mnist", "train-images-idx3-ubyte.gz", gzip.compress(b"\0\0\x08\x03" + b"\0" * 5), "damaged"),
        ("mnist", "train-images-idx3-ubyte.gz", idx(np.zeros(5)), "holds no array of bytes with 3 axes"),
        ("mnist", "train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 9, 28, 28)), "0 bytes of"),
        ("mnist", "train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 2**31, 28, 28)), "up to"),
        ("quickdraw", "yoga.npy", pickle.dumps([1]), "not a file of numpy"),
        ("quickdraw", "yoga.npy", b"", "not a file of numpy"),
        ("chestx", "Data_Entry_2017.csv", b"a,b\n1,2\n", "no columns Image Index"),
        ("vgg_flower", "imagelabels.mat", b"MATLAB", "not the published table of labels"),
        (
            "fungi",
            "train_val_annotations.tgz",
            tar({"train.json": b"[]", "val.json": b"[]"}),
            "no table of annotations",
        ),
        ("fungi", "train_val_annotations.tgz", tar({"val.json": b"[]"}), "holds no train.json"),
        ("cifar10", "cifar-10-python.tar.gz", tar({"a/batches.meta": pickle.dumps([1])}), "holds a list, not a table"),
        ("cifar10", "cifar-10-python.tar.gz", tar({"a/batches.meta": pickle.dumps(Harm())}), "print"),
        (
            "miniimagenet",
            "mini-imagenet.tar.gz",
            tar({f"mini-imagenet-cache-{s}.pkl": pickle.dumps({"x": 1}) for s in SPLITS}),
            r"holds \['x'\], neither image_data",
        ),
        ("isic", f"{ISIC}_GroundTruth.zip", zipped({"read.me": b"no labels"}), "hold no ISIC2018_Task3_Training_Gr"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, case, file, content, message, capsys):
    folder = given(tmp_path / "given", broken(case, file, content))
    with pytest.raises(DataError, match=message):
        read(case, folder)
    assert "harm" not in capsys.readouterr().out


def test_a_class_that_the_published_split_does_not_hold(tmp_path):
    members, _ = _tiered()
    members["class_names.txt"] = b"nothing\nof this"
    files = {f"tiered-imagenet-{name}": content for name, content in members.items()}
    with pytest.raises(DataError, match=r"train part holds a class 'train bird' that is not in the published split"):
        read("tieredimagenet", given(tmp_path / "given", files))
