"""The contract of a data set."""

from __future__ import annotations

import numpy as np

from workbench.data.dataset import Dataset
from workbench.data.opening import open_dataset
from workbench.data.tables import channels_question
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry
from workbench.testing.constructors import check_constructor


def check_dataset(spec: str) -> None:
    """Check that the splits of a data set share no class and hold uint8 images of one shape."""
    name = parse_spec(spec).name
    check_constructor("datasets", name)
    target = registry().find("datasets", name).load()
    assert issubclass(target, Dataset), f"{spec} must be a subclass of workbench.Dataset"
    tables = open_dataset(spec).tables
    names: list[str] = []
    for table in tables.values():
        names += table.names
    assert len(names) == len(set(names)), f"no class of {spec} may be in two splits"
    shapes = {table.images.shape[1:] for table in tables.values()}
    assert len(shapes) == 1, f"all images of {spec} must have the same shape, not {shapes}"
    for split, table in tables.items():
        dtype = table.images.dtype
        assert dtype == np.uint8, f"the images of {spec} must be uint8, not {dtype}"
        question = channels_question(table.images.shape[1:])
        assert not question, f"the images of {spec} are {table.images.shape[1:]}: {question}"
        counts = np.diff(table.starts)
        assert counts.min() > 0, f"every class of {spec} must have images; one in {split} has none"
