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


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"listed"}))
def test_another_seed_gives_other_tasks(name):
    classes, numbers = EVERY[name]
    protocol = build_protocol(name, *numbers)
    pairs = zip(protocol.draw(classes, 5, 0), protocol.draw(classes, 6, 0), strict=True)
    assert any(not np.array_equal(rows.query, other.query) for rows, other in pairs)


def place_says(y, labels):
    """Return the share of each task that is right if labels are guessed as if sorted by class."""
    n = y.shape[1]
    return (y == np.arange(n) * labels // n).mean(1)


@pytest.mark.parametrize("name", EVERY)
def test_the_place_of_a_query_says_nothing_about_its_label(name):
    classes, numbers = EVERY[name]
    above_chance = []
    for rows in build_protocol(name, *numbers).draw(classes, 3, 0):
        labels = rows.query_y.max() + 1  # those asked: in a stream, the classes seen
        above_chance.append(place_says(rows.query_y, labels) - 1 / labels)
    differences = np.concatenate(above_chance)
    error = differences.std() / np.sqrt(len(differences))
    assert abs(differences.mean()) <= 4 * error


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"listed", "stream", "prequential"}))
def test_the_place_in_the_support_says_nothing_where_the_protocol_gives_no_order(name):
    classes, numbers = EVERY[name]
    above_chance = []
    for rows in build_protocol(name, *numbers).draw(classes, 3, 0):
        above_chance.append(place_says(rows.support_y, rows.ways) - 1 / rows.ways)
    assert abs(np.concatenate(above_chance).mean()) < 0.05


def digest_of(name, arrays_of):
    classes, numbers = EVERY[name]
    block = 0 if name == "listed" else 1
    digest = hashlib.sha256()
    for rows in build_protocol(name, *numbers).draw(classes, 7, block):
        for array in arrays_of(rows):
            digest.update(np.ascontiguousarray(array).astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def in_order(rows):
    return rows.support, rows.query, rows.support_y, rows.query_y, rows.task, rows.instance


def sorted_by_class(rows):
    arrays = []
    for images, y in ((rows.support, rows.support_y), (rows.query, rows.query_y)):
        order = np.lexsort((images, y), axis=-1)
        arrays += [np.take_along_axis(images, order, 1), np.take_along_axis(y, order, 1)]
    return [*arrays, rows.task, rows.instance]


@pytest.mark.parametrize("name", EVERY)
def test_golden(name):
    """These may never change without RESULTS_VERSION."""
    assert digest_of(name, in_order) == GOLDEN[name]


@pytest.mark.parametrize("name", EVERY)
def test_golden_images_of_each_class(name):
    """Which images a task has does not depend on their order."""
    assert digest_of(name, sorted_by_class) == GOLDEN_IMAGES[name]


GOLDEN = {
    "way-shot": "04978a59a27f03c1",
    "within-group": "9347bc7248f42c2a",
    "unbalanced": "28a3240cc579486c",
    "meta-dataset": "0e342360b8883c1b",
    "prequential": "a4b2a846b01d24e1",
    "stream": "8f51f405de080cf7",
    "listed": "141b4e7f67ea6b00",
}
GOLDEN_IMAGES = {
    "way-shot": "0098c6e8a49d4c8e",
    "within-group": "d8115d3d2b529298",
    "unbalanced": "0e23590daaaa6adf",
    "meta-dataset": "e4bad58bbc3fb0f2",
    "prequential": "8ab6de166bf1e28b",
    "stream": "9b3f64be284403f2",
    "listed": "485cefe24e75dbcf",
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
