"""All protocols: by name, consistent, deterministic, and with the same tasks as ever."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
from class_indices import alphabets, check_labels, class_index

from workbench.errors import UnknownName, UsageError
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.protocols.names import PROTOCOLS, TRAINING_PROTOCOLS
from workbench.tasks.protocols.unbalanced import Unbalanced

# classes, and (ways, shots, queries)
EVERY = {
    "way-shot": (class_index([8] * 12), (4, 2, 3)),
    "within-group": (alphabets(), (5, 1, 3)),
    "unbalanced": (class_index([30] * 12), (4, 2, 5)),
    "meta-dataset": (class_index([7, 300, 30, 12, 60, 9, 44]), (0, 0, 0)),
    "prequential": (class_index([10] * 9), (3, 5, 0)),
    "stream": (class_index([10] * 20), (9, 3, 2)),
    "listed": (class_index([3] * 12, [range(0, 4), range(4, 8), range(8, 12)]), (4, 1, 2)),
}


def test_every_protocol_is_tested():
    assert EVERY.keys() == PROTOCOLS.keys()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_a_frozen_dataclass_without_a_concrete_base(name):
    target = type(build_protocol(name, 5, 1, 15))
    assert target.__mro__ == (target, object)
    assert target.__final__
    assert dataclasses.is_dataclass(target)
    assert target.__dataclass_params__.frozen


@pytest.mark.parametrize("name", EVERY)
def test_labels_and_images_are_consistent_and_the_same_twice(name):
    classes, numbers = EVERY[name]
    protocol = build_protocol(name, *numbers)
    protocol.check(classes, "the data")
    first, second = protocol.draw(classes, 5, 0), protocol.draw(classes, 5, 0)
    for rows, again in zip(first, second, strict=True):
        check_labels(classes, rows.part(slice(0, 20)))
        assert all(np.array_equal(a, b) for a, b in zip(rows, again, strict=True))


@pytest.mark.parametrize("name", EVERY.keys() - {"listed"})
def test_another_seed_gives_other_tasks(name):
    classes, numbers = EVERY[name]
    protocol = build_protocol(name, *numbers)
    pairs = zip(protocol.draw(classes, 5, 0), protocol.draw(classes, 6, 0), strict=True)
    assert any(not np.array_equal(rows.query, other.query) for rows, other in pairs)


@pytest.mark.parametrize("name", EVERY)
def test_golden(name):
    """These may never change without RESULTS_VERSION."""
    classes, numbers = EVERY[name]
    block = 0 if name == "listed" else 1
    digest = hashlib.sha256()
    for rows in build_protocol(name, *numbers).draw(classes, 7, block):
        for array in (
            rows.support,
            rows.query,
            rows.support_y,
            rows.query_y,
            rows.task,
            rows.instance,
        ):
            digest.update(np.ascontiguousarray(array).astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == GOLDEN[name]


GOLDEN = {
    "way-shot": "8e61c356e2c9ebc9",
    "within-group": "5ed0624d5c588ac7",
    "unbalanced": "de423cd09a2ebde9",
    "meta-dataset": "682bef4e02bb74e4",
    "prequential": "93a53a0563038cce",
    "stream": "8b7763523861aed3",
    "listed": "74d9580781a25087",
}


def test_protocols_by_name():
    assert build_protocol("unbalanced:alpha=5", 5, 1, 15) == Unbalanced(5, 1, 15, alpha=5)
    assert build_protocol("meta-dataset:max_ways=10", 5, 1, 15) == MetaDataset(max_ways=10)


@pytest.mark.parametrize(
    ("spec", "ways", "error", "words"),
    [
        ("metadataset", 5, UnknownName, "Did you mean meta-dataset"),
        ("unbalanced:alhpa=5", 5, UsageError, "Did you mean alpha"),
        (
            "unbalanced:alpha=0",
            5,
            UsageError,
            "Invalid value unbalanced:alpha=0: must be at least 1",
        ),
        ("way-shot", 1, UsageError, "--ways 2 or more"),
        ("meta-dataset:min_ways=1", 5, UsageError, "min_ways=1: must be at least 2"),
        ("meta-dataset:max_queries=0", 5, UsageError, "max_queries=0: must be at least 1"),
        ("meta-dataset:max_shots=0", 5, UsageError, "max_shots=0: must be at least 1"),
        ("meta-dataset:max_ways=3", 5, UsageError, "set max_ways to 5 or more"),
        ("meta-dataset:max_support=20", 5, UsageError, "set max_ways to 20 or less"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(spec, ways, error, words):
    with pytest.raises(error, match=words):
        build_protocol(spec, ways, 1, 15)


def test_ways_are_known_unless_they_vary():
    for name in PROTOCOLS:
        expected = None if name == "meta-dataset" else 5
        assert build_protocol(name, 5, 1, 15).ways == expected


def test_training_protocols_are_protocols():
    assert set(TRAINING_PROTOCOLS) <= PROTOCOLS.keys()


@pytest.mark.parametrize("command", ["eval", "compare"])
def test_the_help_of_commands_names_every_protocol(command):
    from typer.main import get_command

    from workbench.cli.main import app

    options = {option.name: option for option in get_command(app).commands[command].params}
    assert all(name in options["protocol"].help for name in PROTOCOLS)
