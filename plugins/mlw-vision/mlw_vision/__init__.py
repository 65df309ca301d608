"""Backbones and data sets of images."""

from workbench import Register, hookimpl

# The classes of the data sets, in modules of mlw_vision.data.
DATASETS = {
    "aircraft": "aircraft:Aircraft",
    "chestx": "chestx:ChestX",
    "cifar10": "cifar:Cifar10",
    "cifar100": "cifar:Cifar100",
    "cifarfs": "cifar:CifarFs",
    "cropdisease": "cropdisease:CropDisease",
    "cu_birds": "cub:CuBirds",
    "cub": "cub:Cub",
    "dtd": "dtd:Dtd",
    "emnist": "idx:Emnist",
    "eurosat": "eurosat:EuroSat",
    "fc100": "cifar:Fc100",
    "fungi": "fungi:Fungi",
    "glyphs": "glyphs:Glyphs",
    "ilsvrc_2012": "ilsvrc_2012:Ilsvrc2012",
    "isic": "isic:Isic",
    "kmnist": "idx:Kmnist",
    "lake_runs": "lake_runs:LakeRuns",
    "miniimagenet": "miniimagenet:MiniImageNet",
    "mnist": "idx:Mnist",
    "mscoco": "mscoco:MsCoco",
    "omniglot": "omniglot:Omniglot",
    "omniglot_small1": "omniglot:OmniglotSmall1",
    "omniglot_small2": "omniglot:OmniglotSmall2",
    "quickdraw": "quickdraw:QuickDraw",
    "tieredimagenet": "tieredimagenet:TieredImageNet",
    "traffic_sign": "traffic_sign:TrafficSign",
    "vgg_flower": "vgg_flower:VggFlower",
}


@hookimpl
def register_backbones(register: Register) -> None:
    register("conv4", "mlw_vision.conv4:Conv4")
    register("koch", "mlw_vision.koch:Koch")
    register("mlp", "mlw_vision.mlp:MLP")
    register("resnet10", "mlw_vision.resnet:ResNet10")
    register("resnet12", "mlw_vision.resnet12:ResNet12")
    register("resnet18", "mlw_vision.resnet:ResNet18")
    register("wrn-28-10", "mlw_vision.wrn:WideResNet")
    register("torchvision", "mlw_vision.pretrained:Torchvision")


@hookimpl
def register_datasets(register: Register) -> None:
    for name, target in DATASETS.items():
        register(name, f"mlw_vision.data.{target}")
