"""Damaged plugins: a sentence in `mlw plugins`, never a traceback, and no other plugin suffers."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from fuzzing import mutate, seeds

from workbench.experiments import plugin_check
from workbench.plugin import recipes, registry

pytestmark = pytest.mark.fuzz

HOOKS = """
from workbench import hookimpl

@hookimpl
def register_algorithms(register):
    register("mean", "mlw_fuzzed.mean:Mean")
    register("deep", "mlw_fuzzed.mean:Mean", depth=3)

@hookimpl
def register_backbones(register):
    register("flat", "mlw_fuzzed.mean:Flat")
"""
MEAN = """
from typing import Annotated

from torch import nn

from workbench import AtLeast, Learner, query_loss
from workbench.functional import class_means


class Mean(Learner):
    "Class means."

    selects = {"depth": (1, 2)}

    def __init__(self, backbone, *, depth: Annotated[int, "how deep", AtLeast(1)] = 1):
        super().__init__()
        self.backbone = backbone
        self.depth = depth

    def embed(self, images):
        return self.backbone(images)

    def adapt(self, support):
        means = class_means(support)
        return lambda x: x @ means.mT

    def losses(self, source):
        return (query_loss(self, tasks) for tasks in source.tasks())


class Flat(nn.Flatten):
    def __init__(self, image_shape):
        super().__init__()
        self.dim = image_shape[1] * image_shape[2]
"""
RECIPES = """
[[mean]]
quick = { backbone = "flat", steps = 20, lr = 1e-3, train_ways = 5, augment = "none" }

[[mean]]
data = "omniglot"
ways = 5
shots = 1
paper = { backbone = "flat", steps = 200, optimizer = "sgd", depth = 2 }
published = { accuracy = 98.8, interval = 0.2, source = "a paper", options = "depth=2" }

[[deep]]
quick = { init = "mean", depth = 4 }
"""
FILES = {"__init__.py": HOOKS, "mean.py": MEAN, "recipes.toml": RECIPES}
ENTRY = "mlw_fuzzed"


@pytest.fixture
def forget():
    """Forget what a process keeps of a plugin's modules and files."""
    yield
    recipes._read.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == ENTRY]:
        del sys.modules[name]


@pytest.mark.parametrize("seed", seeds(few=24, full=400))
def test_a_damaged_plugin_is_a_sentence(seed, tmp_path, monkeypatch, forget):
    contents = {name: text.encode() for name, text in FILES.items()}
    value = ENTRY
    damaged = [*FILES, "entry point"][seed % 4]
    if damaged == "entry point":
        value = mutate(ENTRY.encode(), seed).decode(errors="replace")
    else:
        contents[damaged] = mutate(contents[damaged], seed)
    write(tmp_path / ENTRY, contents)
    monkeypatch.syspath_prepend(tmp_path)
    sound = EntryPoint("metric", "mlw_metric", "mlw")
    loaded = registry.load([EntryPoint("fuzzed", value, "mlw"), sound])
    for user in ("workbench.experiments.algorithm", "workbench.plugin.nearest"):
        monkeypatch.setattr(f"{user}.registry", lambda: loaded)
    for plugin in loaded.plugins:
        sentences = [plugin.error] if plugin.error else plugin_check.problems(plugin)
        for sentence in sentences:
            assert isinstance(sentence, str)
            assert "\n" not in sentence
    assert "protonet" in loaded.entries("algorithms")


def write(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
