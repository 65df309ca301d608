"""A small archive of every data set in its official layout, and its classes.

Each function of a layout returns the files and the classes.
"""

from __future__ import annotations

from cross_domain_layouts import (
    chestx,
    cropdisease_kaggle,
    cropdisease_mendeley,
    emnist,
    eurosat,
    isic_one,
    isic_two,
    kmnist,
    mnist,
)
from few_shot_layouts import (
    cifar10,
    cifar100,
    cub,
    miniimagenet_all,
    miniimagenet_files,
    miniimagenet_images,
    miniimagenet_labels,
    miniimagenet_pickles,
    tieredimagenet_files,
    tieredimagenet_tar,
)
from making_archives import SPLITS
from meta_dataset_layouts import (
    aircraft,
    dtd,
    fungi,
    ilsvrc_2012,
    mscoco,
    quickdraw,
    traffic_sign,
    vgg_flower,
)
from mlw_vision.data.cifar import cifarfs, fc100

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
