"""The contract over everything that our plugins register."""

from __future__ import annotations

import pytest
from gradients import GROUPED, skip_on_old_torch

from workbench.plugin.registry import registry
from workbench.testing import check_backbone, check_dataset, check_learner

SHAPES = {"koch": (1, 105, 105)}  # if 28 x 28 is too small
SHORT = {  # the contract is the same with fewer steps per task, in less time
    "anil": "anil:test_steps=2",
    "baseline": "baseline:head_epochs=3",
    "baselinepp": "baselinepp:head_epochs=3",
    "finetune": "finetune:tune_epochs=2",
    "imaml": "imaml:inner_steps=2,cg_steps=2",
    "reptile": "reptile:test_steps=3",
    "tim": "tim:head_steps=10",
    "tsa": "tsa:adapt_steps=3",
    "url": "url:adapt_steps=3",
}
BACKBONES = {"scratch": GROUPED}  # that need a newer torch than the methods
OURS = (
    "mlw-vision",
    "mlw-metric",
    "mlw-optimization",
    "mlw-transfer",
    "mlw-crossdomain",
    "mlw-learned",
    "mlw-model",
    "mlw-bayesian",
    "mlw-continual",
    "mlw-trackers",
)


def names(kind):
    """Return what our plugins register of a kind."""
    entries = registry().entries(kind)
    return [name for name, entry in entries.items() if entry.distribution in OURS]


def test_there_is_something_to_check():
    expected = {"protonet", "maml", "fomaml", "baseline", "nearest_pixel", "url", "tsa"}
    assert expected <= set(names("algorithms"))


@pytest.mark.parametrize("name", names("algorithms"))
def test_algorithms_keep_the_contract(name):
    skip_on_old_torch(name, BACKBONES.get(name, ""))
    check_learner(SHORT.get(name, name))


@pytest.mark.parametrize("name", names("backbones"))
def test_backbones_keep_the_contract(name):
    check_backbone(name, SHAPES.get(name, (1, 28, 28)))


def test_the_built_in_data_set_keeps_the_contract():
    check_dataset("glyphs")
