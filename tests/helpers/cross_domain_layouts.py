"""Characters, plants, satellite, skin and chest images in their official layouts."""

from __future__ import annotations

import numpy as np
from making_archives import (
    EACH,
    Files,
    idx,
    photographs,
    picture,
    shade,
    tar,
    zipped,
)
from mlw_vision.data.idx import BALANCED, KUZUSHIJI

README = {"images/README.txt": b"X-rays"}


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
