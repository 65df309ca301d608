"""The contract of a data set."""

from __future__ import annotations

import textwrap
from typing import Annotated

import numpy as np
import pytest
from given_classes import Given

import workbench
from workbench.data import dataset as dataset_module
from workbench.data.dataset import Dataset, ImageClass, chosen_options
from workbench.data.prepared import prepare


def example(docstring: str) -> str:
    """Return the indented lines of a docstring as code."""
    lines = docstring.splitlines()
    return textwrap.dedent("\n".join(line for line in lines if not line or line[0] == " "))


def test_the_example_in_the_docstring_is_a_data_set(cache):
    names = {"Annotated": Annotated, "Dataset": Dataset, "ImageClass": ImageClass, "np": np}
    exec(example(dataset_module.__doc__), names)
    tables = prepare("noise", names["Noise"](size=8), {})
    assert list(tables) == ["test"]
    assert tables["test"].images.shape == (200, 1, 8, 8)
    assert len(tables["test"].names) == 10


def test_chosen_options_are_the_keyword_only_parameters():
    assert chosen_options(Given({}, option=3)) == {"option": 3}


def test_an_option_must_be_stored():
    class Forgetful(Given):
        def __init__(self, *, size: int = 3):
            super().__init__({})

    with pytest.raises(AttributeError, match="size"):
        chosen_options(Forgetful())


def test_groups_and_manifest_are_optional():
    dataset = Given({})
    assert dataset.groups("train") is None
    assert (dataset.manifest, dataset.sources) == ("", ())


def test_classes_must_be_written():
    with pytest.raises(TypeError, match="abstract"):
        Dataset()


def test_the_contract_is_public():
    for name in ("Dataset", "Groups", "ImageClass"):
        assert getattr(workbench, name) is getattr(dataset_module, name)
