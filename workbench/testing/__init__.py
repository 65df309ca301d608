"""Conformance tests, for the plugins of others and for our own.

    from workbench.testing import check_learner

    def test_my_method():
        check_learner("my-method")

Each check raises `AssertionError` with a sentence that says what the contract asks.
"""

from __future__ import annotations

from workbench.testing.backbones import check_backbone
from workbench.testing.constructors import check_constructor, check_stored
from workbench.testing.datasets import check_dataset
from workbench.testing.learners import check_learner
from workbench.testing.tiny import tiny_data, tiny_source

__all__ = [
    "check_backbone",
    "check_constructor",
    "check_dataset",
    "check_learner",
    "check_stored",
    "tiny_data",
    "tiny_source",
]
