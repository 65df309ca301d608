"""A small archive of every data set in its official layout, and its classes.

Each image has one colour, which identifies its class and its number in the class.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from mlw_vision.data.cifar import cifarfs, fc100
from mlw_vision.data.idx import BALANCED, KUZUSHIJI
from mlw_vision.data.ilsvrc_2012 import leaves
from mlw_vision.data.reading import split_lists
from mlw_vision.data.tieredimagenet import superclasses
from PIL import Image
from places import ROOT

SPLITS = ("train", "val", "test")
MANIFEST = ROOT / "datasets.toml"
Files = dict[str, bytes]  # members of an archive, or files in a folder
EACH = 3  # images per class


# --- making archives


def shade(name: str, number: int) -> tuple[int, int, int]:
    """Return the colour of an image of a class."""
    code = zlib.crc32(f"{name} {number}".encode())
    return code & 255, code >> 8 & 255, code >> 16 & 255


def picture(
    colour: tuple[int, ...], kind: str = "JPEG", size: tuple[int, int] = (20, 16), box=None
) -> bytes:
    """Return an image file of one colour; with a box, it is white outside the box."""
    image = Image.new("RGB", size, "white" if box else colour)
    if box:
        image.paste(colour, box)
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    return stream.getvalue()


NOISE = np.random.default_rng(0).bytes(
    40_000
)  # archives of images of one colour are compressed more than is allowed


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
    """Return the first classes of each split."""
    return {split: sorted(names)[:count] for split, names in lists.items()}


def photographs(classes: dict[str, list[str]], path: str, kind: str = "JPEG") -> Files:
    """Return three images per class, named by a template of class and number."""
    every = sorted(name for names in classes.values() for name in names)
    return {
        path.format(name=n, number=i): picture(shade(n, i), kind)
        for n in every
        for i in range(EACH)
    }


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # without a timestamp


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzipped(head + array.astype(np.uint8).tobytes())


# --- the official layouts: each returns the files and the classes


def miniimagenet_pickles() -> tuple[Files, dict]:
    classes = some(split_lists("miniimagenet"))
    members = {}
    for split, names in classes.items():
        images = [
            np.full((84, 84, 3), shade(name, i), np.uint8) for i in range(EACH) for name in names
        ]
        members[f"mini-imagenet-cache-{split}.pkl"] = pickle.dumps(
            {
                "image_data": np.stack(images),
                "class_dict": {n: list(range(k, 6, 2)) for k, n in enumerate(names)},
            },
            2,
        )
    return {"mini-imagenet.tar.gz": tar(members | {"noise": NOISE})}, classes


def miniimagenet_files() -> tuple[Files, dict]:
    (archive,), classes = miniimagenet_pickles()[0].values(), some(split_lists("miniimagenet"))
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = {
            name.replace("-val", "-validation"): opened.extractfile(name).read()
            for name in opened.getnames()
        }
    return files, classes


def miniimagenet_labels() -> tuple[Files, dict]:
    """`data` and `labels`, which count on from split to split."""
    files, labels = {}, 0
    for split, word in (("train", "train"), ("val", "validation"), ("test", "test")):
        names = split_lists("miniimagenet")[split]
        images = np.stack(
            [np.full((84, 84, 3), shade(name, i), np.uint8) for name in names for i in range(EACH)]
        )
        numbers = np.repeat(np.arange(len(names)), EACH) + labels
        labels += len(names)
        files[f"mini-imagenet-cache-{word}.pkl"] = pickle.dumps(
            {"data": images, "labels": numbers.tolist()}
        )
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


def tiered() -> tuple[Files, dict]:
    """Two classes have the same name and differ in order. Labels of superclasses are empty."""
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
            np.frombuffer(picture(shade(names[k], i), "PNG"), np.uint8)[:, None]
            for k in order
            for i in range(EACH)
        ]
        members[f"{split}_labels.pkl"] = pickle.dumps(labels, 2)
        members[f"{split}_images_png.pkl"] = pickle.dumps(images, 2)
        classes[split] = sorted(names)
    members["class_names.txt"] = "\n".join([*words, "elsewhere"]).encode()
    members["synsets.txt"] = "\n".join([*numbers, "n00000000"]).encode()
    return members, classes


def tieredimagenet_tar() -> tuple[Files, dict]:
    members, classes = tiered()
    return {
        "tiered-imagenet.tar": tar({f"tiered-imagenet/{n}": c for n, c in members.items()}, "w")
    }, classes


def tieredimagenet_files() -> tuple[Files, dict]:
    members, classes = tiered()
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
    members = {
        "cifar-100-python/meta": pickle.dumps(
            {"fine_label_names": fine, "coarse_label_names": []}, 2
        )
    }
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
    """All classes, because the groups need them."""
    classes = {split: leaves(split) for split in SPLITS}
    inner = {}
    for name in (name for names in classes.values() for name in names):
        inner[f"{name}.tar"] = tar(
            {f"{name}_{i}.JPEG": picture(shade(name, i)) for i in range(EACH)}, "w"
        )
    return {"ILSVRC2012_img_train.tar": tar(inner, "w")}, classes


def aircraft() -> tuple[Files, dict]:
    """Boxes count pixels from 1 and include the last one; outside them images are white."""
    lists = {
        split: [*sorted(names)[:1], *(n for n in names if "/" in n)][:3]
        for split, names in AIRCRAFT.items()
    }
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
        np.save(
            stream,
            np.repeat(
                np.array([shade(name, i)[0] for i in range(EACH)], np.uint8)[:, None], 784, 1
            ),
        )
        files[f"{name}.npy"] = stream.getvalue()
    return files, {split: sorted(names) for split, names in lists.items()}


def fungi() -> tuple[Files, dict]:
    classes = some(split_lists("fungi"))
    tables: dict = {
        part: {"images": [], "annotations": [], "categories": []} for part in ("train", "val")
    }
    images = {}
    for name in (name for names in classes.values() for name in names):
        for i in range(EACH):
            file, table = f"images/{name[5:]}/{i}.jpg", tables["val" if i == 2 else "train"]
            images[file] = picture(shade(name, i))
            table["images"].append({"id": len(images), "file_name": file})
            table["annotations"].append({"image_id": len(images), "category_id": int(name[:4])})
    annotations = {f"{part}.json": json.dumps(table).encode() for part, table in tables.items()}
    return {
        "fungi_train_val.tgz": tar(images),
        "train_val_annotations.tgz": tar(annotations),
    }, classes


def vgg_flower() -> tuple[Files, dict]:
    from scipy.io import savemat

    classes = some(split_lists("vgg_flower"))
    every = [name for i in range(EACH) for names in classes.values() for name in names]
    times = len(every) // EACH
    images = {
        f"jpg/image_{n + 1:05d}.jpg": picture(shade(name, n // times))
        for n, name in enumerate(every)
    }
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
    return {"GTSRB_Final_Training_Images.zip": zipped(members)}, {
        "test": [s.replace("/", "-") for s in signs]
    }


def mscoco() -> tuple[Files, dict]:
    """Each image has two objects, left and right, and a box without an area."""
    classes = {split: names[:2] for split, names in split_lists("mscoco").items()}
    numbers = {
        name: n for n, name in enumerate((name for names in classes.values() for name in names), 3)
    }
    table: dict = {
        "images": [],
        "annotations": [],
        "categories": [{"id": n, "name": k} for k, n in numbers.items()],
    }
    members = {}
    for first, second in (classes["val"], classes["test"]):
        for i in range(EACH):
            image = Image.new("RGB", (100, 60), "white")
            number = len(members) + 1
            for name, left in ((first, 0), (second, 50)):
                image.paste(shade(name, i), (left, 0, left + 50, 60))
                box = [left + 10.0, 10.0, 30.0, 40.0]
                table["annotations"].append(
                    {"image_id": number, "category_id": numbers[name], "bbox": box}
                )
            table["annotations"].append(
                {"image_id": number, "category_id": 3, "bbox": [100.5, 60.5, 0.0, 0.0]}
            )
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=95)
            members[f"train2017/{number:012d}.jpg"] = stream.getvalue()
            table["images"].append(
                {"id": number, "file_name": f"{number:012d}.jpg", "width": 100, "height": 60}
            )
    annotations = {"annotations/instances_train2017.json": json.dumps(table).encode()}
    return {
        "train2017.zip": zipped(members),
        "annotations_trainval2017.zip": zipped(annotations),
    }, classes


def _idx_files(
    names: tuple[str, ...], path: str, parts: tuple[str, ...], *, lying: bool = False
) -> Files:
    """Images of one grey except for a corner; labels repeat."""
    first = int(names[0] == "")
    files = {}
    for part, numbers in zip(parts, (range(2), range(2, 3)), strict=True):
        pairs = [
            (name, label, i) for i in numbers for label, name in enumerate(names) if label >= first
        ]
        images = np.stack([np.full((28, 28), shade(name, i)[0], np.uint8) for name, _, i in pairs])
        images[:, 27, 0] = 255  # the lower left
        files[path.format(part, "images-idx3")] = idx(
            images.transpose(0, 2, 1) if lying else images
        )
        files[path.format(part, "labels-idx1")] = idx(np.array([label for _, label, _ in pairs]))
    return files


def mnist() -> tuple[Files, dict]:
    names = tuple("0123456789")
    return _idx_files(names, "{}-{}-ubyte.gz", ("train", "t10k")), {"test": list(names)}


def kmnist() -> tuple[Files, dict]:
    return _idx_files(KUZUSHIJI, "{}-{}-ubyte.gz", ("train", "t10k")), {"test": list(KUZUSHIJI)}


def emnist(split: str) -> tuple[Files, dict]:
    names = ("", *"abcdefghijklmnopqrstuvwxyz") if split == "letters" else BALANCED
    members = _idx_files(
        names, f"gzip/emnist-{split}-{{}}-{{}}-ubyte.gz", ("train", "test"), lying=True
    )
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
    return (
        images,
        {f"{ISIC}_GroundTruth/{ISIC}_GroundTruth.csv": "\n".join(rows).encode()},
        {"test": kinds},
    )


def isic_two() -> tuple[Files, dict]:
    images, labels, classes = _isic()
    return {f"{ISIC}_Input.zip": zipped(images), f"{ISIC}_GroundTruth.zip": zipped(labels)}, classes


def isic_one() -> tuple[Files, dict]:
    images, labels, classes = _isic()
    return {"ISIC2018_Task3.zip": zipped(images | labels)}, classes


def chestx() -> tuple[Files, dict]:
    """Images are in the archives in the order of the table.

    Those with two findings, with other findings or with none are not used.
    """
    names = [
        "Atelectasis",
        "Cardiomegaly",
        "Effusion",
        "Infiltration",
        "Mass",
        "Nodule",
        "Pneumothorax",
    ]
    rows, images = ["Image Index,Finding Labels,Follow-up #"], []
    for i in range(EACH):
        for name in [*names, "No Finding", "Pneumonia", "Mass|Nodule"]:
            file = f"{len(images):08d}_{i:03d}.png"
            rows.append(f"{file},{name},{i}")
            images.append((f"images/{file}", picture(shade(name, i), "PNG")))
    files = {"Data_Entry_2017.csv": "\n".join(rows).encode()}
    for number in range(12):
        files[f"images_{number + 1:03d}.tar.gz"] = tar(
            dict(images[number * 3 : number * 3 + 3] or images[:0]) | README
        )
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
    "cifar100": lambda: cifar100(
        {"test": sorted(name for split in SPLITS for name in cifarfs(split))}
    ),
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
WHOLE = (
    "chestx",
    "cifar10",
    "cropdisease",
    "eurosat",
    "isic",
    "kmnist",
    "mnist",
    "traffic_sign",
)  # test, unless asked
