"""Torchvision's networks as backbones: features, weights from files, and downloads."""

from __future__ import annotations

import hashlib
import re

import pytest
import torch
from mlw_vision import pretrained
from mlw_vision.pretrained import Torchvision
from torch import nn
from torchvision import models

from workbench.errors import DataError, UsageError
from workbench.experiments.build import build_backbone
from workbench.testing import check_backbone

SHAPE = (3, 64, 64)
SMALL = "shufflenet_v2_x0_5"  # the fastest of them
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def network():
    """Return a network with running averages that fit its random weights."""
    torch.manual_seed(0)
    made = models.get_model(SMALL, weights=None)
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        made(torch.rand(16, *SHAPE))
    return made.eval()


def saved(content, path):
    torch.save(content, path)
    return path


def built(name=SMALL, shape=SHAPE, **options):
    backbone = Torchvision(shape, name=name, **options).eval()
    backbone.first_weights()
    return backbone


# --- networks


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 64, 64)], ids=str)
def test_contract(shape):
    check_backbone(f"torchvision:name={SMALL}", shape)


@pytest.mark.parametrize(
    ("name", "side", "dim"),
    [
        ("resnet18", 28, 512),
        ("squeezenet1_1", 64, 512),  # its classifier is a convolution
        ("mobilenet_v3_small", 32, 1024),  # its classifier is the last of several layers
        ("densenet121", 32, 1024),
        ("mnasnet0_5", 32, 1280),
        ("googlenet", 64, 1024),  # has additional classifiers
    ],
)
def test_the_classifier_is_off(name, side, dim):
    backbone = built(name, (1, side, side))
    assert backbone.dim == dim
    with torch.no_grad():
        assert backbone(torch.rand(2, 1, side, side)).shape == (2, dim)
    assert backbone.train()(torch.rand(2, 1, side, side)).shape == (2, dim)


def test_every_network_has_weights_and_names_their_normalisation():
    for name in models.list_models(module=models):
        first = next(iter(models.get_model_weights(name))).transforms()
        assert len(first.mean) == len(first.std) == 3


def test_an_image_that_does_not_fit_is_refused_before_a_huge_network_is_drawn():
    """632 million parameters, 2.5 GB: only their shapes are made."""
    before = torch.get_rng_state()
    with pytest.raises(UsageError, match="vit_h_14 does not accept images of 3 x 28 x 28"):
        build_backbone("torchvision:name=vit_h_14", (3, 28, 28))
    assert torch.equal(before, torch.get_rng_state())  # nothing was drawn


def test_without_weights_images_are_as_they_are(network):
    backbone = built()
    backbone.network.load_state_dict(
        {k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    )
    network.fc = nn.Identity()
    images = torch.rand(2, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), network(images))
    assert backbone.pretrained_on == ()


# --- weights from a file


def test_a_file_gives_its_features_for_normalised_images(network, tmp_path):
    backbone = built(weights=str(saved(network.state_dict(), tmp_path / "a,b.pth")))
    images = torch.rand(2, *SHAPE)
    normalised = (images - MEAN[:, None, None]) / STD[:, None, None]
    network.fc = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), network(normalised), rtol=1e-4, atol=1e-4)
        assert (backbone(images) - network(images)).abs().max() > 0.1
        grey = images[:, :1]
        torch.testing.assert_close(backbone(grey), backbone(grey.repeat(1, 3, 1, 1)))


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "around",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"model": {"state_dict": state}, "optimizer": {"state": {}}},
        lambda state: prefixed(state, "module."),
        lambda state: {"state_dict": prefixed(state, "module.backbone."), "arch": "x"},
        lambda state: prefixed(state, "backbone.") | {"head.weight": torch.ones(2)},
        lambda state: prefixed(state, "_orig_mod.") | {"n_averaged": torch.tensor(1)},
        lambda state: {k: v for k, v in prefixed(state, "a.").items() if ".fc." not in k},
    ],
    ids=[
        "state_dict",
        "model",
        "nested",
        "module",
        "both",
        "backbone",
        "compiled",
        "no classifier",
    ],
)
def test_what_is_usual_around_the_weights_is_taken_off(network, tmp_path, around):
    path = saved(around(network.state_dict()), tmp_path / "w.pth")
    ours = built(weights=str(path)).network.state_dict()
    assert ours
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in ours.items())


def test_a_network_that_is_there_twice_is_not_chosen_by_chance(network, tmp_path):
    state = prefixed(network.state_dict(), "student.") | prefixed(network.state_dict(), "teacher.")
    path = saved(state, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"2 times, below student\. and teacher\.; write one"):
        built(weights=str(path))


def test_weights_of_another_network_name_both_sides(tmp_path):
    state = models.resnet18(weights=None).state_dict()
    path = saved(prefixed(state, "module."), tmp_path / "w.pth")
    with pytest.raises(DataError) as error:
        built(weights=str(path))
    said = str(error.value)
    assert "conv1.0.weight is missing" in said
    assert "The file has module.conv1.weight, module.bn1.weight" in said
    assert "the network wants conv1.0.weight, conv1.1.weight" in said
    assert "\n" not in said


def test_a_file_of_another_number_of_classes(tmp_path):
    state = models.get_model(SMALL, weights=None, num_classes=7).state_dict()
    assert built(weights=str(saved(state, tmp_path / "w.pth"))).dim == 1024


def test_old_names_of_densenets_layers(tmp_path):
    state = models.densenet121(weights=None).state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value
        for key, value in state.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    backbone = built("densenet121", (3, 32, 32), weights=str(saved(old, tmp_path / "w.pth")))
    assert all(
        torch.equal(value, state[key]) for key, value in backbone.network.state_dict().items()
    )


def test_auxiliary_classifiers_of_a_file_are_left_out(tmp_path):
    state = models.googlenet(weights=None, init_weights=False).state_dict()
    assert any(key.startswith("aux1.") for key in state)
    backbone = built("googlenet", weights=str(saved(state, tmp_path / "w.pth")))
    assert backbone.network.transform_input  # these weights were made for another mean


@pytest.mark.parametrize(
    ("said", "kept"),
    [("", ("unknown",)), ("places", ("places",)), ("places+imagenet", ("places", "imagenet"))],
)
def test_a_file_is_of_unknown_origin_unless_one_says(network, tmp_path, said, kept):
    path = saved(network.state_dict(), tmp_path / "w.pth")
    assert built(weights=str(path), pretrained_on=said).pretrained_on == kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("conv1.0.weight"), r"conv1.0.weight is missing, and 0 more"),
        (lambda s: s.update({"conv9.weight": torch.ones(1)}), "conv9.weight is unexpected"),
        (
            lambda s: s.update({"conv1.0.weight": torch.ones(24, 1, 3, 3)}),
            r"is \(24, 1, 3, 3\), not \(24, 3, 3, 3\)",
        ),
    ],
)
def test_weights_that_do_not_fit(network, tmp_path, change, message):
    state = network.state_dict()
    change(state)
    path = saved(state, tmp_path / "w.pth")
    with pytest.raises(DataError, match=f"w.pth for {SMALL} do not fit: .*{message}"):
        built(weights=str(path))


class Harm:
    def __reduce__(self):
        return (print, ("harm",))


def test_a_file_is_data_and_never_run(tmp_path, capsys):
    with pytest.raises(DataError, match="could not be read as weights"):
        built(weights=str(saved({"a": Harm()}, tmp_path / "w.pth")))
    assert "harm" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [[1], {"a": 1}, torch.ones(1), {}, {1: torch.ones(1)}, {"model": {"a": 1}}],
    ids=["list", "numbers", "tensor", "nothing", "names that are no text", "nested numbers"],
)
def test_a_file_of_something_else(tmp_path, content):
    with pytest.raises(DataError, match="holds no state dict"):
        built(weights=str(saved(content, tmp_path / "w.pth")))


def test_a_damaged_file(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"nothing")
    with pytest.raises(DataError, match="could not be read as weights"):
        built(weights=str(tmp_path / "w.pth"))


# --- weights by name


def test_weights_by_name_are_fetched_once_into_the_cache(
    network, cache, tmp_path, monkeypatch, capsys
):
    """A folder replaces the internet. Torch checks the hash in the name of the file."""
    path = saved(network.state_dict(), tmp_path / "w.pth")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    served = path.rename(tmp_path / f"w-{digest}.pth")
    weights = models.get_model_weights(SMALL).IMAGENET1K_V1
    monkeypatch.setattr(
        weights,
        "_value_",
        weights.value.__class__(served.as_uri(), weights.transforms, weights.meta),
    )
    for _ in range(2):
        backbone = built(weights="IMAGENET1K_V1")
        assert torch.equal(backbone.network.conv1[0].weight, network.conv1[0].weight)
        assert backbone.pretrained_on == ("imagenet",)
        torch.testing.assert_close(backbone.colours.mean.flatten(), MEAN)
        served.unlink(missing_ok=True)  # the second comes from the cache
    assert (cache / served.name).is_file()
    assert capsys.readouterr().out == ""  # standard output is for results


def test_another_hash_is_refused(network, cache, tmp_path, monkeypatch):
    served = saved(network.state_dict(), tmp_path / "w-0123456789.pth")
    weights = models.get_model_weights(SMALL).IMAGENET1K_V1
    monkeypatch.setattr(
        weights,
        "_value_",
        weights.value.__class__(served.as_uri(), weights.transforms, weights.meta),
    )
    with pytest.raises(DataError, match="invalid hash value"):
        built(weights="IMAGENET1K_V1")
    assert not list(cache.glob("*.pth"))


def test_a_file_in_the_cache_that_is_another_one_is_refused(network, cache):
    """Torch checks what it downloads, and then trusts the name."""
    name = models.get_model_weights(SMALL).IMAGENET1K_V1.url.rpartition("/")[2]
    cache.mkdir(parents=True)
    file = saved(network.state_dict(), cache / name)
    with pytest.raises(DataError, match="is not the published file: its SHA-256 begins with"):
        built(weights="IMAGENET1K_V1")
    assert file.is_file()  # nothing is lost


def test_no_net(cache, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(
        DataError,
        match=r"not be downloaded from https://.*\(no route to host\).*weights=FILE,pretrained",
    ):
        built(weights="IMAGENET1K_V1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("name=resnet19", "no classification network 'resnet19' among its .* Try resnet18"),
        ("name=x", "Try resnet18"),
        (
            "weights=IMAGENET1K_V7",
            "resnet18 has no weights 'IMAGENET1K_V7'. Available: IMAGENET1K_V1, the path of a",
        ),
        ("weights=DEFAULT", "has no weights 'DEFAULT'"),  # may mean other weights in the future
        (
            "name=vgg16,weights=IMAGENET1K_FEATURES",
            "has no weights 'IMAGENET1K_FEATURES'",
        ),  # lack the last layers
        ("pretrained_on=imagenet", "weights=none is not a file"),
        ("weights=IMAGENET1K_V1,pretrained_on=x", "weights=IMAGENET1K_V1 is not a file"),
        (
            "name=alexnet",
            "alexnet does not accept images of 3 x 28 x 28 .*. Use another size of the data set",
        ),
        ("name=vit_b_32", "vit_b_32 does not accept images of 3 x 28 x 28"),
    ],
)
def test_what_cannot_be_is_one_sentence(options, message, cache):
    with pytest.raises(UsageError, match=message) as error:
        build_backbone(f"torchvision:{options}", (3, 28, 28))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there():
    backbone = build_backbone(
        "torchvision:weights=/nowhere/w.pth", (3, 28, 28)
    )  # a run has its own weights
    with pytest.raises(DataError, match=r"There is no file /nowhere/w.pth of weights"):
        backbone.first_weights()


def test_origins():
    assert pretrained._origin("IMAGENET1K_V2") == "imagenet"
    assert pretrained._origin("IMAGENET1K_SWAG_E2E_V1") == "instagram+imagenet"
