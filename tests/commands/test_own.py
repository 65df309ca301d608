"""Own classes in Python: in comparisons, evaluations and classifiers."""

from __future__ import annotations

from typing import Annotated

import pytest
from mlw_metric.protonet import ProtoNet
from torch import nn

import workbench as mlw
from workbench.commands.own import named_code
from workbench.data.dataset import Dataset, ImageClass
from workbench.errors import UsageError
from workbench.functional import class_means
from workbench.plugin.registry import registry

SMALL = {"steps": 2, "episodes": 3, "validate_every": 0}


class Inner(mlw.Learner):
    """Scores are products with class means."""

    def __init__(self, backbone, *, scale: Annotated[float, "of scores"] = 1.0):
        super().__init__()
        self.backbone = backbone
        self.scale = scale

    def embed(self, images):
        return self.backbone(images)

    def adapt(self, support):
        return lambda x: x @ class_means(support).mT * self.scale

    def losses(self, source):
        return (mlw.query_loss(self, tasks) for tasks in source.tasks())


class Flat(nn.Module):
    """A network that says nothing of its features."""

    def __init__(self, image_shape):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(6))

    def forward(self, images):
        return self.layers(images)


class Blocks(Dataset):
    """Six classes of one bright row each."""

    def __init__(self, *, size: Annotated[int, "pixels"] = 28):
        self.size = size

    def classes(self, split, files):
        import numpy as np

        if split == "test":
            for number in range(6):
                images = (
                    np.random.default_rng(number)
                    .integers(0, 60, (4, 1, self.size, self.size))
                    .astype(np.uint8)
                )
                images[:, :, number] += 190
                yield ImageClass(f"row{number}", images)


@pytest.fixture(autouse=True)
def fresh_registry():
    yield
    registry.cache_clear()


def test_classes_beside_names(tmp_path):
    frame = mlw.compare([Inner, "protonet"], backbone=Flat, out=tmp_path, **SMALL)
    assert list(frame["algorithm"].unique()) == ["Inner", "protonet"]
    assert set(frame["backbone"]) == {"Flat"}
    again = mlw.compare([Inner, "protonet"], backbone=Flat, out=tmp_path, **SMALL)
    assert again["run"].tolist() == frame["run"].tolist()


def test_options_by_the_name_of_the_class(tmp_path):
    frame = mlw.compare([Inner, "Inner:scale=2"], backbone=Flat, out=tmp_path, **SMALL)
    assert sorted(frame["options"].unique()) == ["", "scale=2.0"]


def test_own_data_with_options(tmp_path):
    methods = "nearest_pixel"
    small = {"episodes": 3, "queries": 1}
    frame = mlw.compare(methods, train_on="glyphs", on=Blocks, out=tmp_path, **small)
    assert set(frame["test_on"]) == {"Blocks"}
    frame = mlw.compare(
        methods, train_on="glyphs:size=16", on=Blocks(size=16), out=tmp_path, **small
    )
    assert set(frame["test_on"]) == {"Blocks:size=16"}


def test_a_run_of_own_code_needs_it_in_another_process(tmp_path):
    run = mlw.train(Inner, backbone=Flat, out=tmp_path, steps=2, validate_every=0)
    registry.cache_clear()
    for use in (mlw.evaluate, mlw.load):
        with pytest.raises(mlw.WorkbenchError, match=r"made of Inner, own code of .*code=Inner"):
            use(run)
    assert isinstance(mlw.load(run, code=[Inner, Flat]), Inner)
    assert len(mlw.evaluate(run, episodes=3, code=[Inner, Flat])) == 3


def test_a_class_of_a_plugin_has_its_name():
    assert named_code(ProtoNet) == "protonet"
    assert named_code([ProtoNet, "maml"]) == ["protonet", "maml"]


def test_a_classifier_of_own_code(tmp_path):
    from workbench.data.opening import open_dataset

    table = open_dataset("glyphs").table("test")
    rows = [table.starts[c] + i for c in range(3) for i in range(2)]
    images, labels = table.images[rows], [0, 0, 1, 1, 2, 2]
    classifier = mlw.FewShotClassifier(Inner, out=tmp_path)
    with pytest.raises(UsageError, match="add --backbone NAME"):
        classifier.fit(images, labels)
    run = mlw.train(Inner, backbone=Flat, out=tmp_path, steps=2, validate_every=0)
    assert mlw.FewShotClassifier(run).fit(images, labels).score(images, labels) > 0.5


def test_check_takes_a_class():
    (found,) = mlw.check(Flat)
    assert (found.kind, found.name) == ("backbone", "Flat")
    assert found.held, [each for each in found.findings if not each.held]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Flat, "Flat is no algorithm: give a class derived from mlw.Learner"),
        (dict, "dict is no algorithm"),
        (mlw.Learner, "Learner is no algorithm"),
        (nn.Linear(2, 2), "This Linear is an object; give the class"),
        ([Inner, nn.Linear(2, 2)], "This Linear is an object"),
        (7, "algorithms must be a name or several"),
    ],
)
def test_what_is_no_method(value, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        mlw.compare(value, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_class_of_another_file_with_the_same_name(tmp_path):
    path = tmp_path / "elsewhere.py"
    path.write_text("from workbench import Learner\nclass Inner(Learner): pass\n")
    with pytest.raises(UsageError, match=r"both have a class Inner; rename one"):
        mlw.compare([Inner, f"{path}:Inner"], out=tmp_path / "runs")
