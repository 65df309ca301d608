"""The other data sets of Meta-Dataset in their official layouts."""

from __future__ import annotations

import io
import json

import numpy as np
from making_archives import (
    EACH,
    SPLITS,
    Files,
    photographs,
    picture,
    shade,
    some,
    tar,
    zipped,
)
from mlw_vision.data.ilsvrc_2012 import leaves
from mlw_vision.data.reading import split_lists
from PIL import Image


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
