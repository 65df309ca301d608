"""What a constructor may ask for, and that it stores its options."""

from __future__ import annotations

from typing import Annotated

import pytest
from torch import nn

from workbench import Learner
from workbench.errors import PluginError
from workbench.testing import check_constructor, check_stored


class Bare(Learner):
    def __init__(self, *, depth=1):
        super().__init__()


class Clash(Learner):
    def __init__(self, *, lr: Annotated[float, "a rate"] = 0.1):
        super().__init__()
        self.lr = lr


class Greedy(Learner):
    def __init__(self, moon: int):
        super().__init__()


class NoLearner(nn.Module):
    """A module that is no learner."""


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (Bare, PluginError, "'depth'"),
        (Clash, AssertionError, r"like training settings: \['lr'\]"),
        (Greedy, AssertionError, r"asks the workbench to fill in \['moon'\]"),
        (NoLearner, AssertionError, "must be a subclass of workbench.Learner"),
    ],
)
def test_constructors_that_break_the_contract(target, error, words, register):
    register("algorithms", "broken", target)
    with pytest.raises(error, match=words):
        check_constructor("algorithms", "broken")


def test_options_are_stored_unchanged():
    check_stored(Clash(lr=3.0), {"lr": 3.0})
    with pytest.raises(AssertionError, match="Clash must store its option 'depth' unchanged"):
        check_stored(Clash(), {"depth": 1})


class ByPosition(Learner):
    def __init__(self, ways: int, /):
        super().__init__()


def test_a_parameter_that_cannot_be_passed_by_name(register):
    register("algorithms", "broken", ByPosition)
    with pytest.raises(PluginError, match="takes 'ways' by position only"):
        check_constructor("algorithms", "broken")


@pytest.mark.parametrize("kind", ["backbones", "datasets"])
def test_what_is_filled_in_differs_by_kind(kind, register):
    register(kind, "broken", type("Broken", (), {"__init__": lambda self, ways: None}))
    words = rf"asks the workbench to fill in \['ways'\], and for {kind} it can"
    with pytest.raises(AssertionError, match=words):
        check_constructor(kind, "broken")
